import Foundation

/// One object of a kind, as it is stored and served:
/// `{"apiVersion":…,"kind":…,"metadata":{…},"spec":{…},"status":{…}}`.
package struct Resource<K: Kind>: Hashable, Sendable {
    package var metadata: Metadata
    package var spec: K.Spec
    /// nil until a controller has looked at it.
    package var status: StatusRecord<K>?

    package init(metadata: Metadata, spec: K.Spec, status: StatusRecord<K>? = nil) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    package var name: String { metadata.name }
    package var reference: Reference { Reference(K.self, metadata.name) }
}

/// The status of an object: what every kind tells, and the kind's own `detail` beside it.
package struct StatusRecord<K: Kind>: Hashable, Sendable {
    /// The generation of the spec that this status speaks of.
    package var observedGeneration: Int64
    package var conditions: [ConditionRecord]
    /// One word for a person: "Ready", "Starting", "Waiting", "Failing", "Stalled".
    package var phase: String
    /// While failing: which attempt it was, and when the next one comes.
    package var attempt: Int?
    package var nextAttempt: Date?
    package var detail: K.Status

    package init(
        observedGeneration: Int64, conditions: [ConditionRecord], phase: String, attempt: Int? = nil, nextAttempt: Date? = nil,
        detail: K.Status
    ) {
        self.observedGeneration = observedGeneration
        self.conditions = conditions
        self.phase = phase
        self.attempt = attempt
        self.nextAttempt = nextAttempt
        self.detail = detail
    }
}

extension StatusRecord: Codable {
    private enum CodingKeys: String, CodingKey { case observedGeneration, conditions, phase, attempt, nextAttempt }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        observedGeneration = try fields.decode(Int64.self, forKey: .observedGeneration)
        conditions = try fields.decode([ConditionRecord].self, forKey: .conditions)
        phase = try fields.decode(String.self, forKey: .phase)
        attempt = try fields.decodeIfPresent(Int.self, forKey: .attempt)
        nextAttempt = try fields.decodeIfPresent(Date.self, forKey: .nextAttempt)
        detail = try K.Status(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        try detail.encode(to: encoder)
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(observedGeneration, forKey: .observedGeneration)
        try fields.encode(conditions, forKey: .conditions)
        try fields.encode(phase, forKey: .phase)
        try fields.encodeIfPresent(attempt, forKey: .attempt)
        try fields.encodeIfPresent(nextAttempt, forKey: .nextAttempt)
    }
}

extension Resource: Codable {
    private enum CodingKeys: String, CodingKey { case apiVersion, kind, metadata, spec, status }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(Metadata.self, forKey: .metadata)
        spec = try fields.decode(K.Spec.self, forKey: .spec)
        status = try fields.decodeIfPresent(StatusRecord<K>.self, forKey: .status)
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(plasmaAPIVersion, forKey: .apiVersion)
        try fields.encode(K.name, forKey: .kind)
        try fields.encode(metadata, forKey: .metadata)
        try fields.encode(spec, forKey: .spec)
        try fields.encodeIfPresent(status, forKey: .status)
    }
}
