import Resource

/// What an object is about to stand on: before it acts, it looks again at the objects that it read.
/// A record may tell yesterday's news; to start a machine over an image that has just vanished, or to
/// make an image anew while a process still holds the old one, would be to act on it.
package struct Footing: Sendable {
    private let loops: [String: AnyLoop]

    package init(_ loops: [AnyLoop]) {
        self.loops = Dictionary(uniqueKeysWithValues: loops.map { ($0.kind, $0) })
    }

    /// The first object, in reference order, of those that `reader` read, whose status would be another one if
    /// somebody looked now. The owner is left out: it waits for its children, not they for it.
    ///
    /// What was read by name must be as recorded in every respect. Of objects that were read because they
    /// name this one only the detail counts, not where they stand: they may be waiting for this very object.
    package func outdated(under record: any AnyResource, _ reader: Reader) async -> Reference? {
        await outdated(under: record, reader) { loop, other, fresh in try? await loop.observe(other, fresh) }
    }

    func outdated(
        under record: any AnyResource, _ reader: Reader,
        look: (AnyLoop, any AnyResource, Reader) async -> (any Sendable)?
    ) async -> Reference? {
        let named = reader.named
        for reference in named + reader.naming where reference != record.reference && reference != record.metadata.owner?.reference {
            guard let other = reader.ledger[reference], let loop = loops[reference.kind] else { continue }
            let fresh = Reader(reader.ledger)
            guard fresh.holdsStill(other) == nil, let seen = await look(loop, other, fresh) else { continue }
            let imagined = loop.imagine(other, seen, fresh, nil)
            // What is suspended, or was tried and failed, stands where it stands: what it would do is not what it is about to do.
            let isAtRest = other.metadata.annotations[Annotation.suspended] == "true" || other.summary?.attempt != nil
            if named.contains(reference) && !isAtRest ? imagined.isNews : imagined.isDetailNews { return reference }
        }
        return nil
    }
}

extension Plan {
    /// The same plan, held back until another object was looked at again.
    package func held(by reference: Reference) -> Plan {
        var held = Plan(.waiting(on: reference, "looking at it again"), children: children, status: statusIfHeld ?? status, differences: differences)
        held.happenings = happenings
        return held
    }

    /// The same plan, or one that holds everything as it is: when it rests on something that is stored, but not known. That may be in use, or be wanted.
    func heldByUnreadable(_ owner: any AnyResource, _ reader: Reader) -> Plan {
        guard let unreadable = reader.unreadable(mayBeAnybody: !actions.isEmpty || owner.metadata.isLeaving) else { return self }
        return Plan(
            reader.ledger.stalled(byUnreadable: unreadable), children: reader.ledger.children(ofUID: owner.metadata.uid),
            status: statusIfHeld ?? status, differences: differences)
    }
}

extension Ledger {
    /// What to say of an object that needs one that is stored, but not known.
    func stalled(byUnreadable reference: Reference) -> Condition {
        .stalled("\(reference) is \(wordsOfUnreadable(reference))")
    }

    func wordsOfUnreadable(_ reference: Reference) -> String {
        "stored in a form that this version of plasma cannot read (\(whyUnreadable(reference) ?? "")); start the version that wrote it, or put it right in the store"
    }
}

extension Reader {
    /// The first of what was read that is stored, but not known.
    /// - Parameter mayBeAnybody: whether one counts that perhaps names what those were sought for that name it.
    func unreadable(mayBeAnybody: Bool) -> Reference? {
        let unknown = ledger.unreadableReferences
        if unknown.isEmpty { return nil }
        let read = subscriptions
        return unknown.first {
            read.contains(.object($0)) || read.contains(.follower($0)) || read.contains(.kind($0.kind))
                || mayBeAnybody && read.contains(.unreadable(kind: $0.kind))
        }
    }

    /// The objects that were read by name, in order.
    fileprivate var named: [Reference] {
        subscriptions.compactMap { if case .object(let reference) = $0 { reference } else { nil } }.sorted()
    }

    /// The objects that were read because they name another, in order.
    fileprivate var naming: [Reference] {
        subscriptions.flatMap { if case .mentions(let reference) = $0 { ledger.mentioning(reference) } else { [Reference]() } }.sorted()
    }
}
