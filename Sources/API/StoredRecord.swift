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
    /// - Throws: 410 when what was there before would have to be known and is compacted away.
    func line(for event: Event) throws(Refusal) -> [UInt8]? {
        switch event {
        case .put(let entry, let previous):
            let isMissing = previous == nil && entry.version > 1
            let isIn = passes(entry.value)
            guard isIn || !isMissing else { throw Self.compacted(entry.modRevision) }
            let wasIn = isMissing ? passesAll : previous.map { passes($0.value) } ?? false
            let type: String
            switch (wasIn, isIn) {
            case (false, false): return nil
            case (false, true): type = "ADDED"
            case (true, true): type = "MODIFIED"
            case (true, false): type = "DELETED"
            }
            return Self.line(type, StoredRecord.served(entry.value, at: entry.modRevision))
        case .delete(_, let revision, let previous):
            guard let previous else { throw Self.compacted(revision) }
            guard passes(previous.value) else { return nil }
            return Self.line("DELETED", StoredRecord.served(previous.value, at: revision))
        }
    }

    private static func compacted(_ revision: Revision) -> Refusal {
        .expired("what was there before revision \(revision) has been compacted; list again")
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
