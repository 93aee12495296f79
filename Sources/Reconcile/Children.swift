import Foundation
import Resource

/// What must happen to an owner's children so that they are the complete set its plan names.
package struct ChildChanges: Sendable {
    package var create: [any AnyResource] = []
    package var update: [any AnyResource] = []
    package var retire: [any AnyResource] = []
    /// Objects that bear a wanted name but belong to somebody else.
    package var foreign: [Reference] = []
    /// Wanted names under which something is stored that cannot be read.
    package var unreadable: [Reference] = []

    package var isEmpty: Bool { create.isEmpty && update.isEmpty && retire.isEmpty }

    /// - Parameter wanted: metadata with name and labels only.
    package init(of owner: any AnyResource, wanted: [any AnyResource], in ledger: Ledger, now: Date, makeUID: () -> String) {
        let ownership = OwnerReference(kind: owner.reference.kind, name: owner.name, uid: owner.metadata.uid)
        var names: Set<Reference> = []
        for child in wanted {
            names.insert(child.reference)
            guard let existing = ledger[child.reference] else {
                guard ledger.whyUnreadable(child.reference) == nil else {
                    unreadable.append(child.reference)
                    continue
                }
                var new = child
                new.metadata.uid = makeUID()
                new.metadata.generation = 1
                new.metadata.creationTimestamp = now
                new.metadata.finalizers = [Registry.finalizer]
                new.metadata.ownerReferences = [ownership]
                create.append(new)
                continue
            }
            guard existing.metadata.owner?.uid == owner.metadata.uid else {
                foreign.append(child.reference)
                continue
            }
            var updated = existing.replacingSpec(with: child)
            // An owner's labels are its children's: one that went there goes here.
            updated.metadata.labels = child.metadata.labels
            if !existing.metadata.isLeaving, !existing.hasSameSpec(as: updated) || existing.metadata.labels != updated.metadata.labels {
                update.append(updated)
            }
        }
        for existing in ledger.children(ofUID: owner.metadata.uid) where !names.contains(existing.reference) && !existing.metadata.isLeaving {
            var leaving = existing
            leaving.metadata.deletionTimestamp = now
            retire.append(leaving)
        }
    }
}
