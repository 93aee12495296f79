import Manifest
import Resource
import Store

/// Stored bytes and the revision they were read at, on their way to a client: the spec is not read on the way.
enum StoredRecord {
    private static let metadata = Array(#""metadata":{"#.utf8)

    /// The object as JSON with its `metadata.resourceVersion`. Records are written with sorted keys, so the first
    /// `"metadata":{` outside a string is the object's own; within a string its quotes would be escaped.
    static func served(_ value: [UInt8], at revision: Revision) -> [UInt8] {
        guard let place = value.firstRange(of: metadata)?.upperBound, place < value.endIndex else { return value }
        let isEmpty = value[place] == UInt8(ascii: "}")
        var served: [UInt8] = []
        served.reserveCapacity(value.count + 40)
        served += value[..<place]
        served += "\"resourceVersion\":\"\(revision)\"\(isEmpty ? "" : ",")".utf8
        served += value[place...]
        return served
    }
}

/// Which records a list or a watch tells of.
struct RecordFilter: Sendable {
    var labels: LabelSelector?
    var fields: FieldSelector?

    var passesAll: Bool { labels == nil && fields == nil }

    func passes(_ value: [UInt8]) -> Bool {
        if passesAll { return true }
        guard let object = try? JSON(parsing: value) else { return false }
        let labels = object.at("metadata.labels")?.object?.compactMapValues(\.string) ?? [:]
        return (self.labels?.matches(labels) ?? true) && (fields?.matches(object) ?? true)
    }

    /// The line of a watch for one change; nil when it is none of the watcher's business. An object that comes
    /// to pass the filter is ADDED, one that no longer does is DELETED, as Kubernetes tells it.
    func line(for event: Event) -> [UInt8]? {
        switch event {
        case .put(let entry, let previous):
            let was = previous.map { passes($0.value) } ?? false
            switch (was, passes(entry.value)) {
            case (false, false): return nil
            case (false, true): return Self.line("ADDED", StoredRecord.served(entry.value, at: entry.modRevision))
            case (true, true): return Self.line("MODIFIED", StoredRecord.served(entry.value, at: entry.modRevision))
            case (true, false): return Self.line("DELETED", StoredRecord.served(entry.value, at: entry.modRevision))
            }
        case .delete(_, let revision, let previous):
            guard let previous, passes(previous.value) else { return nil }
            return Self.line("DELETED", StoredRecord.served(previous.value, at: revision))
        }
    }

    static func line(_ type: String, _ object: [UInt8]) -> [UInt8] {
        Array("{\"type\":\"\(type)\",\"object\":".utf8) + object + Array("}\n".utf8)
    }

    static func bookmark(kind: String, _ revision: Revision) -> [UInt8] {
        let object = JSON.object([
            "apiVersion": .string(plasmaAPIVersion), "kind": .string(kind),
            "metadata": ["resourceVersion": .string(String(revision))],
        ])
        return line("BOOKMARK", object.encoded())
    }
}
