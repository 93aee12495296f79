import Manifest
import Reconcile
import Resource

/// Where records are looked up: those of a store, or the drafts of a manifest.
package protocol RecordLookup {
    func get<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>?
    /// For what it is meant to be, not for how it stands: whoever acts on it need not look at it again.
    func glance<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>?
    /// In the order of their names.
    func list<K: Kind>(_ kind: K.Type) -> [Resource<K>]
}

extension Reader: RecordLookup {
    package func glance<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>? { follower(Reference(kind, name)) as? Resource<K> }
}

/// The objects of a manifest.
package struct DraftLookup: RecordLookup, Sendable {
    private let objects: [Reference: any AnyResource]

    package init(_ drafts: [Draft]) {
        objects = Dictionary(drafts.map { ($0.reference, $0.resource) }, uniquingKeysWith: { first, _ in first })
    }

    package func get<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>? { objects[Reference(kind, name)] as? Resource<K> }

    package func glance<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>? { get(kind, name) }

    package func list<K: Kind>(_ kind: K.Type) -> [Resource<K>] {
        objects.values.compactMap { $0 as? Resource<K> }.sorted { $0.name < $1.name }
    }
}
