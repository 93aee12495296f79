import Foundation
import Hummingbird
import Manifest
import NIOCore
import Resource
import Store

/// A range of records that can be listed and watched: the objects of one kind, or the events.
struct Collection: Sendable {
    /// "Node"
    var kind: String
    /// Where the records' keys begin.
    var prefix: Key
    var fieldPaths: [String]

    init(_ kind: AnyKind) {
        self.init(kind: kind.name, prefix: Key(Registry.key(kind, "")), fieldPaths: ["metadata.name"])
    }

    static let events = Collection(
        kind: "Event", prefix: Key(Registry.events),
        fieldPaths: ["involvedObject.kind", "involvedObject.name", "metadata.name"])

    private init(kind: String, prefix: Key, fieldPaths: [String]) {
        self.kind = kind
        self.prefix = prefix
        self.fieldPaths = fieldPaths
    }

    var range: KeyRange { .prefix(prefix) }
}

/// Where a list goes on: which revision it reads and the first key of the next page.
struct ContinueToken: Hashable {
    var revision: Revision
    var start: Key

    init(revision: Revision, start: Key) {
        self.revision = revision
        self.start = start
    }

    var text: String { Data("\(revision) ".utf8 + start.bytes).base64EncodedString() }

    init(_ text: String, within range: KeyRange) throws(Refusal) {
        let parts = Data(base64Encoded: text)?.split(separator: UInt8(ascii: " "), maxSplits: 1)
        guard let parts, parts.count == 2, let revision = Revision(String(decoding: parts[0], as: UTF8.self)),
            range.contains(Key(Array(parts[1])))
        else { throw .badRequest("the continue token is not one that this list gave") }
        self.init(revision: revision, start: Key(Array(parts[1])))
    }
}

extension Responder {
    private static let pageMax = 500

    func list(_ asked: Asked, _ collection: Collection) async throws -> Response {
        try asked.query.allow(
            "labelSelector", "fieldSelector", "limit", "continue", "watch", "resourceVersion", "allowWatchBookmarks",
            "timeoutSeconds", "sendInitialEvents")
        let filter = RecordFilter(
            labels: try asked.query.labelSelector, fields: try asked.query.fieldSelector(collection.fieldPaths))
        if try asked.query.flag("watch") { return try await watch(asked, collection, filter) }
        try await authorize(asked, .list, collection.kind)
        let limit = Int(try asked.query.integer("limit", 0...Int64(Int32.max)) ?? 0)
        let token = try asked.query["continue"].flatMap { $0.isEmpty ? nil : $0 }.map { try ContinueToken($0, within: collection.range) }
        let page = try await page(collection, filter, limit: limit, from: token)
        var metadata: JSON = ["resourceVersion": .string(String(page.revision))]
        if let next = page.next { metadata["continue"] = .string(next.text) }
        if let remaining = page.remaining { metadata["remainingItemCount"] = .integer(Int64(remaining)) }
        var bytes = Array("{\"apiVersion\":\"\(plasmaAPIVersion)\",\"items\":[".utf8)
        bytes += page.items.joined(separator: [UInt8(ascii: ",")])
        bytes += "],\"kind\":\"\(collection.kind)List\",\"metadata\":\(metadata.text)}".utf8
        return Answer.json(bytes)
    }

    private struct Page {
        var items: [[UInt8]] = []
        var revision: Revision
        var next: ContinueToken?
        var remaining: Int?
    }

    /// Reads until `limit` records pass the filter; all pages of a list at the revision of the first.
    private func page(_ collection: Collection, _ filter: RecordFilter, limit: Int, from token: ContinueToken?) async throws -> Page {
        var start = token?.start ?? collection.prefix
        var page = Page(revision: token?.revision ?? 0)
        while true {
            let want = limit == 0 ? 0 : filter.passesAll ? limit - page.items.count : Self.pageMax
            let read = try await objects.store.range(
                RangeRequest(
                    KeyRange(lower: start, upper: collection.range.upper), at: page.revision == 0 ? nil : page.revision, limit: want))
            if page.revision == 0 { page.revision = read.revision }
            for (index, entry) in read.entries.enumerated() where filter.passes(entry.value) {
                page.items.append(StoredRecord.served(entry.value, at: entry.modRevision))
                let left = read.count - index - 1
                if limit > 0, page.items.count == limit, left > 0 {
                    page.next = ContinueToken(revision: page.revision, start: Key(entry.key.bytes + [0]))
                    page.remaining = filter.passesAll ? left : nil
                    return page
                }
            }
            guard want > 0, read.entries.count < read.count, let last = read.entries.last else { return page }
            start = Key(last.key.bytes + [0])
        }
    }

    // MARK: Watch

    private func watch(_ asked: Asked, _ collection: Collection, _ filter: RecordFilter) async throws -> Response {
        try await authorize(asked, .watch, collection.kind)
        let bookmarks = try asked.query.flag("allowWatchBookmarks")
        let seconds = try asked.query.integer("timeoutSeconds", 0...86_400).flatMap { $0 == 0 ? nil : $0 }
        let since = try asked.query.integer("resourceVersion", 0...Int64.max) ?? 0
        let current: RangeResult
        var initial: [Entry] = []
        if since == 0 {
            current = try await objects.store.range(RangeRequest(collection.range))
            initial = current.entries
        } else {
            current = try await objects.store.range(RangeRequest(.single(collection.prefix), countOnly: true))
            guard since <= current.revision else {
                throw Refusal.expired("resourceVersion \(since) is not from this store, which is at \(current.revision); list again")
            }
        }
        let start = since == 0 ? current.revision : since
        let body = WatchBody(
            kind: collection.kind, filter: filter, initial: initial, start: start,
            changes: try await objects.store.watch(collection.range, from: start + 1), bookmarks: bookmarks,
            timeout: seconds.map { .seconds($0) }, bookmarkInterval: bookmarkInterval)
        let request = asked.request
        return Answer.stream("application/json") { writer in
            try await body.write(to: &writer, until: request)
        }
    }
}
