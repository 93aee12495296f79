import HashTreeCollections
import Resource

/// All records as of one revision: a value, cheap to copy and to change.
package struct Ledger: Sendable {
    private var records: TreeDictionary<String, TreeDictionary<String, any AnyResource>> = [:]
    private var childrenByOwner: TreeDictionary<String, TreeSet<Reference>> = [:]
    private var mentioning: TreeDictionary<Reference, TreeSet<Reference>> = [:]
    /// Why a record that is stored is not among them, by what its key names.
    private var unreadable: TreeDictionary<Reference, (why: String, ownerUID: String?)> = [:]
    /// The store's revision it reflects.
    package var revision: Int64 = 0

    package init() {}

    package subscript(_ reference: Reference) -> (any AnyResource)? {
        get { records[reference.kind]?[reference.name] }
        set {
            // Values are put back whole: changing one in its place in a tree crashed now and then (HashTreeCollections' `_modify`
            // descends without holding what it descends through).
            unreadable.removeValue(forKey: reference)
            var ofKind = records[reference.kind] ?? [:]
            let old = ofKind[reference.name]
            if let newValue { ofKind.updateValue(newValue, forKey: reference.name) } else { ofKind.removeValue(forKey: reference.name) }
            records.updateValue(ofKind, forKey: reference.kind)
            if let owner = old?.metadata.owner, var children = childrenByOwner[owner.uid] {
                children.remove(reference)
                childrenByOwner.updateValue(children, forKey: owner.uid)
            }
            for other in old?.mentions ?? [] {
                guard var those = mentioning[other] else { continue }
                those.remove(reference)
                mentioning.updateValue(those, forKey: other)
            }
            for other in newValue?.mentions ?? [] {
                var those = mentioning[other] ?? []
                those.insert(reference)
                mentioning.updateValue(those, forKey: other)
            }
            if let owner = newValue?.metadata.owner {
                var children = childrenByOwner[owner.uid] ?? []
                children.insert(reference)
                childrenByOwner.updateValue(children, forKey: owner.uid)
            }
        }
    }

    /// Why what is stored there is not known; nil where nothing is, or is known.
    package func whyUnreadable(_ reference: Reference) -> String? { unreadable[reference]?.why }

    /// The first that is stored, not known, and has an owner of this uid.
    package func unreadableChild(ofUID uid: String) -> Reference? { unreadableReferences.first { unreadable[$0]?.ownerUID == uid } }

    package mutating func note(unreadable reference: Reference, why: String, ownerUID: String? = nil) {
        self[reference] = nil
        unreadable.updateValue((why, ownerUID), forKey: reference)
    }

    /// What is stored and not known, in order.
    package var unreadableReferences: [Reference] { unreadable.keys.sorted() }

    package func get<K: Kind>(_: K.Type, _ name: String) -> Resource<K>? {
        records[K.name]?[name] as? Resource<K>
    }

    /// In name order.
    package func list<K: Kind>(_: K.Type) -> [Resource<K>] {
        inOrder(K.name).compactMap { $0 as? Resource<K> }
    }

    /// Every record, in reference order.
    package var all: [any AnyResource] {
        records.keys.sorted().flatMap(inOrder)
    }

    /// By name: sorting the records themselves would copy their metadata with every comparison.
    private func inOrder(_ kind: String) -> [any AnyResource] {
        guard let named = records[kind] else { return [] }
        return named.keys.sorted().compactMap { named[$0] }
    }

    /// Every reference of a kind, in name order.
    package func references(kind: String) -> [Reference] {
        (records[kind] ?? [:]).keys.sorted().map { Reference(kind: kind, name: $0) }
    }

    /// Whose spec names `reference`, in reference order.
    package func mentioning(_ reference: Reference) -> [Reference] { (mentioning[reference] ?? []).sorted() }

    /// The records of a kind whose spec names `reference`, in name order.
    package func mentioning<K: Kind>(_ reference: Reference, _: K.Type) -> [Resource<K>] {
        (mentioning[reference] ?? []).sorted().compactMap { $0.kind == K.name ? get(K.self, $0.name) : nil }
    }

    /// The records whose owner has this uid, in reference order.
    package func children(ofUID uid: String) -> [any AnyResource] {
        (childrenByOwner[uid] ?? []).sorted().compactMap { self[$0] }
    }
}
