import Foundation

/// What every object carries, with Kubernetes' names and meaning.
package struct Metadata: Hashable, Sendable, Codable {
    package var name: String
    /// A UUID given at creation: tells two objects of one name in time apart.
    package var uid: String
    package var labels: [String: String]
    package var annotations: [String: String]
    /// Rises by one with every change of the spec.
    package var generation: Int64
    /// The store's revision of the last change, as text. Not stored: filled in when read.
    package var resourceVersion: String?
    package var creationTimestamp: Date
    /// Set when somebody asked for its deletion; it goes when its finalizers are gone.
    package var deletionTimestamp: Date?
    package var finalizers: [String]
    package var ownerReferences: [OwnerReference]

    /// The uid of an object that a diff imagines begins so: it does not exist.
    package static let foreseenPrefix = "foreseen-"
    package var isForeseen: Bool { uid.hasPrefix(Self.foreseenPrefix) }

    package init(
        name: String, uid: String = "", labels: [String: String] = [:], annotations: [String: String] = [:],
        generation: Int64 = 1, resourceVersion: String? = nil, creationTimestamp: Date = Date(timeIntervalSince1970: 0),
        deletionTimestamp: Date? = nil, finalizers: [String] = [], ownerReferences: [OwnerReference] = []
    ) {
        self.name = name
        self.uid = uid
        self.labels = labels
        self.annotations = annotations
        self.generation = generation
        self.resourceVersion = resourceVersion
        self.creationTimestamp = creationTimestamp
        self.deletionTimestamp = deletionTimestamp
        self.finalizers = finalizers
        self.ownerReferences = ownerReferences
    }

    package var isLeaving: Bool { deletionTimestamp != nil }
    package var owner: OwnerReference? { ownerReferences.first }

    private enum CodingKeys: String, CodingKey {
        case name, uid, labels, annotations, generation, resourceVersion, creationTimestamp, deletionTimestamp, finalizers
        case ownerReferences
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = try fields.decode(String.self, forKey: .name)
        uid = try fields.decodeIfPresent(String.self, forKey: .uid) ?? ""
        labels = try fields.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        annotations = try fields.decodeIfPresent([String: String].self, forKey: .annotations) ?? [:]
        generation = try fields.decodeIfPresent(Int64.self, forKey: .generation) ?? 1
        resourceVersion = try fields.decodeIfPresent(String.self, forKey: .resourceVersion)
        creationTimestamp = try fields.decodeIfPresent(Date.self, forKey: .creationTimestamp) ?? Date(timeIntervalSince1970: 0)
        deletionTimestamp = try fields.decodeIfPresent(Date.self, forKey: .deletionTimestamp)
        finalizers = try fields.decodeIfPresent([String].self, forKey: .finalizers) ?? []
        ownerReferences = try fields.decodeIfPresent([OwnerReference].self, forKey: .ownerReferences) ?? []
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(name, forKey: .name)
        try fields.encode(uid, forKey: .uid)
        if !labels.isEmpty { try fields.encode(labels, forKey: .labels) }
        if !annotations.isEmpty { try fields.encode(annotations, forKey: .annotations) }
        try fields.encode(generation, forKey: .generation)
        try fields.encodeIfPresent(resourceVersion, forKey: .resourceVersion)
        try fields.encode(creationTimestamp, forKey: .creationTimestamp)
        try fields.encodeIfPresent(deletionTimestamp, forKey: .deletionTimestamp)
        if !finalizers.isEmpty { try fields.encode(finalizers, forKey: .finalizers) }
        if !ownerReferences.isEmpty { try fields.encode(ownerReferences, forKey: .ownerReferences) }
    }
}

/// The object that this one is a child of. It leaves when its owner does.
package struct OwnerReference: Hashable, Sendable, Codable {
    package var kind: String
    package var name: String
    package var uid: String

    package init(kind: String, name: String, uid: String) {
        self.kind = kind
        self.name = name
        self.uid = uid
    }

    package var reference: Reference { Reference(kind: kind, name: name) }
}

/// Annotations and labels that plasma itself reads.
package enum Annotation {
    /// "true": the object is observed and planned, but nothing is performed.
    package static let suspended = "plasma.cloud/suspended"
    /// Who applied the object; another applier is refused unless it forces.
    package static let fieldManager = "plasma.cloud/field-manager"
    /// Changed by `plasma reconcile` to ask for a look right now.
    package static let requestedAt = "plasma.cloud/reconcile-requested-at"
}
