import Foundation
import Manifest

/// A resource of a kind not known to the caller.
package protocol AnyResource: Sendable {
    var metadata: Metadata { get set }
    var reference: Reference { get }
    /// What the status says, whatever the kind; nil until a controller has looked.
    var summary: StatusSummary? { get }
    /// The stored form: JSON with sorted keys, without `resourceVersion`.
    func encoded() throws -> [UInt8]
    /// This object with the spec of `other`, which must be of the same kind; the generation rises
    /// when the spec differs.
    func replacingSpec(with other: any AnyResource) -> any AnyResource
    func hasSameSpec(as other: any AnyResource) -> Bool
    /// `Kind.mentions` of the object.
    var mentions: [Reference] { get }
}

/// The part of a status that every kind has.
package struct StatusSummary: Hashable, Sendable {
    package var observedGeneration: Int64
    package var conditions: [ConditionRecord]
    package var phase: String
    package var attempt: Int?
    package var nextAttempt: Date?

    package func condition(_ type: String) -> ConditionRecord? { conditions.first { $0.type == type } }
    package var isReady: Bool { condition("Ready")?.status == .yes }
}

extension AnyResource {
    package var name: String { metadata.name }

    /// Ready for the spec as it stands now, not for an earlier one.
    package var isReady: Bool {
        guard let summary else { return false }
        return summary.isReady && summary.observedGeneration == metadata.generation && !metadata.isLeaving
    }

    /// The object as users see it, `resourceVersion` included.
    package func json() throws -> JSON {
        var object = try JSON(parsing: try encoded())
        if let version = metadata.resourceVersion { object["metadata"]?["resourceVersion"] = .string(version) }
        return object
    }
}

extension Resource: AnyResource {
    package var summary: StatusSummary? {
        status.map {
            StatusSummary(
                observedGeneration: $0.observedGeneration, conditions: $0.conditions, phase: $0.phase, attempt: $0.attempt,
                nextAttempt: $0.nextAttempt)
        }
    }

    package func encoded() throws -> [UInt8] {
        var stored = self
        stored.metadata.resourceVersion = nil
        return try Wire.encode(stored)
    }

    package func replacingSpec(with other: any AnyResource) -> any AnyResource {
        guard let other = other as? Resource<K> else { preconditionFailure("\(other.reference) is not a \(K.name)") }
        var new = self
        if new.spec != other.spec {
            new.spec = other.spec
            new.metadata.generation += 1
        }
        return new
    }

    package var mentions: [Reference] { K.mentions(spec, status?.detail) }

    package func hasSameSpec(as other: any AnyResource) -> Bool { (other as? Resource<K>)?.spec == spec }
}

/// The JSON of stored records and of the API: keys sorted, times in RFC 3339 with whole seconds.
package enum Wire {
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return Array(try encoder.encode(value))
    }

    package static func decode<T: Decodable>(_: T.Type, from bytes: [UInt8]) throws -> T {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        // The byte behind it: see `JSONDecoder.decode(_:fromOutside:)` in Host, which this room does not see.
        return try decoder.decode(T.self, from: Data(bytes) + [0x20])
    }
}
