import Foundation
import Manifest
import Resource

/// A line of a watch.
enum WatchLine: Hashable, Sendable {
    case added(JSON), modified(JSON), deleted(JSON)
    case bookmark(String)
}

/// What a watching client has been told, so that it can go on after a broken connection and tell only the
/// differences after a new list. A decider: bytes and lists go in, lines come out.
struct WatchMirror {
    /// The version to go on from; nil asks for a list.
    private(set) var version: String?
    private var objects: [String: JSON] = [:]
    /// The names that were told of at the revision of the last line, `toldAt`.
    private var told: Set<String> = []
    private var toldAt: String?
    private var rest: [UInt8] = []

    /// - Parameter known: objects that the client was told in another way, as they were at `version`.
    init(since version: String?, known: [JSON] = []) {
        self.version = version
        objects = Dictionary(known.map { (Self.name($0), $0) }, uniquingKeysWith: { $1 })
    }

    mutating func connectionEnded() { rest = [] }

    mutating func historyIsGone() {
        version = nil
        rest = []
    }

    /// The differences between what was told and a fresh list, in name order; deletions first.
    mutating func relisted(_ items: [JSON], version: String) -> [WatchLine] {
        let fresh = Dictionary(items.map { (Self.name($0), $0) }, uniquingKeysWith: { $1 })
        var lines = objects.keys.sorted().filter { fresh[$0] == nil }.map { WatchLine.deleted(objects[$0] ?? .null) }
        for item in items {
            switch objects[Self.name(item)] {
            case nil: lines.append(.added(item))
            case let old? where old.at("metadata.resourceVersion") != item.at("metadata.resourceVersion"):
                if old.at("metadata.uid") == item.at("metadata.uid") {
                    lines.append(.modified(item))
                } else {
                    lines += [.deleted(old), .added(item)]
                }
            case _?: break
            }
        }
        objects = fresh
        self.version = version
        told = []
        toldAt = nil
        return lines + [.bookmark(version)]
    }

    /// What was told before an error is returned first; then the next call throws it.
    /// - Throws: `ClientError.gone` for the server's ERROR 410, other `ClientError`s for other ERRORs, `JSONProblem`.
    mutating func received(_ bytes: [UInt8]) throws -> [WatchLine] {
        rest += bytes
        var lines: [WatchLine] = []
        var start = rest.startIndex
        defer { rest = Array(rest[start...]) }
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if end > start {
                do {
                    if let next = try line(try JSON(parsing: rest[start..<end])) { lines.append(next) }
                } catch {
                    guard lines.isEmpty else { return lines }
                    throw error
                }
            }
            start = end + 1
        }
        return lines
    }

    /// - Returns: nil for what was told before the connection broke.
    private mutating func line(_ json: JSON) throws -> WatchLine? {
        let object = json["object"] ?? .null
        guard let type = json["type"]?.string else { throw ClientError.server(200, "a watch line without a type") }
        if type == "ERROR" {
            throw Client.failure(try Wire.decode(Status.self, from: object.encoded()))
        }
        let revision = object.at("metadata.resourceVersion")?.string
        let name = Self.name(object)
        switch type {
        case "ADDED", "MODIFIED":
            let old = objects.updateValue(object, forKey: name)
            let isKnown = revision != nil && old?.at("metadata.resourceVersion")?.string == revision
            guard note(name, at: revision), !isKnown else { return nil }
            return type == "ADDED" ? .added(object) : .modified(object)
        case "DELETED":
            objects[name] = nil
            return note(name, at: revision) ? .deleted(object) : nil
        case "BOOKMARK":
            version = revision ?? version
            return .bookmark(version ?? "0")
        default: throw ClientError.server(200, "a watch line of the unknown type \"\(type)\"")
        }
    }

    /// Notes that an object's change at a revision is told. Others may have changed at the same, and the connection may break before they
    /// are told: the watch goes on from the revision before it, until a bookmark says that it is whole.
    /// - Returns: false when it was told before.
    private mutating func note(_ name: String, at revision: String?) -> Bool {
        guard let revision else { return true }
        if let number = UInt64(revision), let before = UInt64(version ?? "") {
            // From 0 the server lists first, by name: until a bookmark comes, nothing says how far that got.
            if before > 0, number > before { version = String(number - 1) }
        } else {
            version = revision
        }
        if revision != toldAt {
            told = []
            toldAt = revision
        }
        return told.insert(name).inserted
    }

    private static func name(_ object: JSON) -> String { object.at("metadata.name")?.string ?? "" }
}
