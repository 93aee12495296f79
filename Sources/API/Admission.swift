import Foundation
import Manifest
import Resource

/// Decides what a user's write makes of an object. Pure: the stored object and the wish go in, the object to be
/// stored or a refusal comes out. Users write spec, labels and annotations; never status.
enum Admission {
    /// A new object, as it is stored first.
    static func creation(
        of wish: any AnyResource, manager: String?, reconciledKinds: Set<String>, uid: String, now: Date
    ) -> any AnyResource {
        var new = wish
        var metadata = Metadata(
            name: wish.name, uid: uid, labels: wish.metadata.labels, annotations: wish.metadata.annotations,
            creationTimestamp: wholeSeconds(now))
        if reconciledKinds.contains(wish.reference.kind) { metadata.finalizers = [Registry.finalizer] }
        if let manager { metadata.annotations[Annotation.fieldManager] = manager }
        new.metadata = metadata
        return new
    }

    /// What an apply makes of a stored object; nil when it stays as it is.
    static func application(
        of wish: any AnyResource, onto stored: any AnyResource, manager: String, force: Bool
    ) throws(Refusal) -> (any AnyResource)? {
        let reference = stored.reference
        try refuseLeaving(stored)
        var new = stored.replacingSpec(with: wish)
        new.metadata.labels = wish.metadata.labels
        // What plasma itself keeps there survives a manifest that does not speak of it.
        var annotations = stored.metadata.annotations.filter { $0.key.hasPrefix("plasma.cloud/") }
        annotations.merge(wish.metadata.annotations) { $1 }
        annotations[Annotation.fieldManager] = stored.metadata.annotations[Annotation.fieldManager]
        new.metadata.annotations = annotations
        if stored.metadata.owner != nil, !force {
            // Its owner writes it. A manifest that says the same (`get -o yaml | apply -f -`) does no harm.
            if !differs(new, stored) { return nil }
            try refuseOwned(stored, "change")
        }
        if let other = stored.metadata.annotations[Annotation.fieldManager], other != manager, !force {
            throw .conflict(
                reference,
                "\(reference) is managed by \"\(other)\", not by \"\(manager)\"; apply with --force-conflicts to take it over")
        }
        new.metadata.annotations[Annotation.fieldManager] = manager
        return differs(new, stored) ? new : nil
    }

    /// What a PUT makes of a stored object; nil when it stays as it is.
    static func replacement(
        of stored: any AnyResource, by wish: any AnyResource, manager: String?, force: Bool
    ) throws(Refusal) -> (any AnyResource)? {
        try refuseLeaving(stored)
        var new = stored.replacingSpec(with: wish)
        new.metadata.labels = wish.metadata.labels
        new.metadata.annotations = wish.metadata.annotations
        if let manager { new.metadata.annotations[Annotation.fieldManager] = manager }
        guard differs(new, stored) else { return nil }
        if !force, !stored.hasSameSpec(as: new) { try refuseOwned(stored, "change") }
        return new
    }

    /// New labels and annotations only: possible on a child and on a leaving object too.
    static func relabelling(
        of stored: any AnyResource, labels: [String: String], annotations: [String: String]
    ) -> (any AnyResource)? {
        var new = stored
        new.metadata.labels = labels
        new.metadata.annotations = annotations
        return differs(new, stored) ? new : nil
    }

    enum Deletion {
        /// Nobody cleans up after it: it goes at once.
        case remove
        /// It leaves: its loop retires its children, cleans up and lets it go.
        case mark(any AnyResource)
        case isLeavingAlready
    }

    static func deletion(of stored: any AnyResource, _ preconditions: Preconditions, now: Date) throws(Refusal) -> Deletion {
        try preconditions.check(stored)
        if stored.metadata.isLeaving { return .isLeavingAlready }
        if stored.metadata.finalizers.isEmpty { return .remove }
        var new = stored
        new.metadata.deletionTimestamp = wholeSeconds(now)
        return .mark(new)
    }

    struct Preconditions: Hashable, Sendable {
        var uid: String?
        var resourceVersion: String?

        func check(_ stored: any AnyResource) throws(Refusal) {
            if let uid, uid != stored.metadata.uid {
                throw .conflict(
                    stored.reference,
                    "\(stored.reference) is another object of that name: its uid is \(stored.metadata.uid), not \(uid)")
            }
            if let resourceVersion, resourceVersion != stored.metadata.resourceVersion {
                throw .conflict(
                    stored.reference,
                    "\(stored.reference) was changed meanwhile: you read version \(resourceVersion), it is now "
                        + "\(stored.metadata.resourceVersion ?? "unknown"); read it again and repeat the change")
            }
        }
    }

    private static func refuseLeaving(_ stored: any AnyResource) throws(Refusal) {
        guard stored.metadata.isLeaving else { return }
        let why = stored.summary?.condition("Ready").flatMap { $0.status == .yes ? nil : $0.lasting }
        throw .conflict(
            stored.reference,
            "\(stored.reference) is being deleted and cannot be changed; wait until it is gone, then apply again"
                + (why.map { " (\($0))" } ?? ""))
    }

    private static func refuseOwned(_ stored: any AnyResource, _ verb: String) throws(Refusal) {
        guard let owner = stored.metadata.owner else { return }
        throw .conflict(
            stored.reference,
            "\(stored.reference) belongs to \(owner.reference), which would undo the \(verb); change \(owner.reference) instead, "
                + "or force it")
    }

    private static func differs(_ a: any AnyResource, _ b: any AnyResource) -> Bool {
        !a.hasSameSpec(as: b) || a.metadata != b.metadata
    }

    /// Records keep whole seconds (RFC 3339).
    private static func wholeSeconds(_ date: Date) -> Date {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down))
    }
}
