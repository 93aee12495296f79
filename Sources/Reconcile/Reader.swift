import Resource
import Synchronization

/// Reads other records for one object, and remembers which: the object is looked at again when
/// one of them changes.
package struct Reader: Sendable {
    /// What a reader looked at: one object, or all objects of a kind.
    package enum Subscription: Hashable, Sendable {
        case object(Reference)
        case kind(String)
        /// Whoever names this object in its spec.
        case mentions(Reference)
        /// Of this kind, one that is stored and cannot be read: it may name the object that is asked for.
        case unreadable(kind: String)
        /// One object that follows this one.
        case follower(Reference)
    }

    private final class Reads: Sendable {
        let seen = Mutex<Set<Subscription>>([])
    }

    package let ledger: Ledger
    private let reads = Reads()

    package init(_ ledger: Ledger) { self.ledger = ledger }

    package func get<K: Kind>(_ kind: K.Type, _ name: String) -> Resource<K>? {
        note(.object(Reference(kind, name)))
        return ledger.get(kind, name)
    }

    package func get(_ reference: Reference) -> (any AnyResource)? {
        note(.object(reference))
        return ledger[reference]
    }

    package func list<K: Kind>(_ kind: K.Type) -> [Resource<K>] {
        note(.kind(K.name))
        return ledger.list(kind)
    }

    package func mentioning<K: Kind>(_ reference: Reference, _ kind: K.Type) -> [Resource<K>] {
        note(.mentions(reference))
        note(.unreadable(kind: K.name))
        return ledger.mentioning(reference, kind)
    }

    /// Reads an object that follows this one, as a certificate follows its authority: this one is looked at again when it
    /// changes, but does not stand on it (`Footing`), since it waits for this one.
    package func follower(_ reference: Reference) -> (any AnyResource)? {
        note(.follower(reference))
        return ledger[reference]
    }

    package var subscriptions: Set<Subscription> { reads.seen.withLock { $0 } }

    private func note(_ subscription: Subscription) {
        reads.seen.withLock { _ = $0.insert(subscription) }
    }
}

extension Reader {
    /// A child holds still while its owner's latest wish has not reached it: acting on the old one
    /// would be undone a moment later.
    /// - Returns: the owner that it holds still for.
    package func holdsStill(_ record: any AnyResource) -> Reference? {
        guard let owner = record.metadata.owner, !record.metadata.isLeaving, let above = get(owner.reference),
            above.metadata.uid == owner.uid
        else { return nil }
        let isCurrent = above.summary?.observedGeneration == above.metadata.generation && !above.metadata.isLeaving
        return isCurrent ? nil : owner.reference
    }
}

/// Who wants to hear of which record.
struct Subscriptions {
    private var readers: [Reader.Subscription: Set<String>] = [:]
    private var reads: [String: Set<Reader.Subscription>] = [:]

    mutating func replace(_ key: String, with new: Set<Reader.Subscription>) {
        let old = reads[key] ?? []
        for gone in old.subtracting(new) { readers[gone]?.remove(key) }
        for added in new.subtracting(old) { readers[added, default: []].insert(key) }
        reads[key] = new.isEmpty ? nil : new
    }

    func isInterested(_ key: String, in change: LedgerChange) -> Bool {
        guard let reads = reads[key] else { return false }
        return reads.contains(.object(change.reference)) || reads.contains(.kind(change.reference.kind))
            || reads.contains(.follower(change.reference))
            || change.isAboutUnreadable && reads.contains(.unreadable(kind: change.reference.kind))
            || ((change.before?.mentions ?? []) + (change.after?.mentions ?? [])).contains { reads.contains(.mentions($0)) }
    }

    func interested(in change: LedgerChange) -> [String] {
        var keys = (readers[.object(change.reference)] ?? []).union(readers[.kind(change.reference.kind)] ?? [])
        if let more = readers[.follower(change.reference)] { keys.formUnion(more) }
        if change.isAboutUnreadable, let more = readers[.unreadable(kind: change.reference.kind)] { keys.formUnion(more) }
        for named in (change.before?.mentions ?? []) + (change.after?.mentions ?? []) {
            if let more = readers[.mentions(named)] { keys.formUnion(more) }
        }
        return keys.sorted()
    }
}
