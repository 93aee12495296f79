import Manifest
import Resource

/// Draws the report from what was imagined.
struct Reporter {
    let stored: Ledger
    let drafts: [Draft]
    let started: Overlay
    let future: Imagination
    let loops: [String: AnyLoop]
    let strays: [Result<Stray, StrayFailure>]

    func report(_ isWanted: (Reference) -> Bool) -> DiffReport {
        let draftsByReference = Dictionary(drafts.map { ($0.resource.reference, $0) }, uniquingKeysWith: { first, _ in first })
        var everything = Set(started.ledger.all.map(\.reference))
        everything.formUnion(future.ledger.all.map(\.reference))
        var objects: [ObjectDiff] = []
        let wanted = everything.sorted().filter(isWanted)
        for reference in wanted {
            guard var object = object(reference, place(of: reference, draftsByReference), isWanted) else { continue }
            // Of what is made by another the paths are not that one's.
            if let own = draftsByReference[reference] {
                for index in object.changes.indices { object.changes[index].mark = own.mark(of: object.changes[index].path) }
            }
            objects.append(object)
        }
        for reference in stored.unreadableReferences where isWanted(reference) {
            let draft = draftsByReference[reference]
            objects.append(ObjectDiff(
                reference: reference, file: draft?.file, mark: draft?.mark(of: ""), operation: .keep,
                changes: [Change(path: "", from: nil, to: nil, class: .unknown, impact: .none)], note: stored.wordsOfUnreadable(reference), isUnknown: true))
        }
        for stray in strays {
            switch stray {
            case .success(let stray) where isWanted(stray.reference) && stored.whyUnreadable(stray.reference) == nil:
                objects.append(ObjectDiff(
                    reference: stray.reference, operation: .unmanaged,
                    changes: [Change(path: "world", from: .string(stray.what), to: nil, class: .drift, impact: .none)],
                    note: "nobody declared it; plasma leaves it alone: declare it, or remove it yourself"))
            case .success: break
            case .failure(let failure):
                objects.append(ObjectDiff(
                    reference: Reference(kind: failure.kind, name: "*"), operation: .keep,
                    note: "could not look for unmanaged ones: \(failure.why)", isUnknown: true))
            }
        }
        return DiffReport(objects: objects.sorted { $0.reference < $1.reference }, examined: wanted.count { loops[$0.kind] != nil })
    }

    /// Where a manifest speaks of an object, or of whom it is made by.
    private func place(of reference: Reference, _ drafts: [Reference: Draft]) -> Draft? {
        var next: Reference? = reference
        for _ in 0..<8 {
            guard let one = next else { return nil }
            if let draft = drafts[one] { return draft }
            next = (future.ledger[one] ?? started.ledger[one])?.metadata.owner?.reference
        }
        return nil
    }

    /// Whoever is leaving already is not as it was wanted by whoever deleted it, until it is gone.
    private func operation(_ reference: Reference) -> ObjectDiff.Operation {
        started.operations[reference] ?? future.operations[reference] ?? (stored[reference]?.metadata.isLeaving == true ? .delete : .keep)
    }

    /// Whether an object is reported, with a reason of its own or at the end of those it waits on, or goes on. Of a circle nobody is.
    private func isTold(_ reference: Reference, _ isWanted: (Reference) -> Bool, _ asked: inout Set<Reference>) -> Bool {
        guard isWanted(reference), future.sights[reference] != nil, asked.insert(reference).inserted else { return false }
        if case .unseen = future.sights[reference] { return true }
        let operation = operation(reference)
        if operation != .keep || future.actions[reference]?.isEmpty == false || !changes(reference, operation).isEmpty { return true }
        switch future.conditions[reference] {
        // What goes on by itself is nobody's trouble.
        case .stalled, .failing, .converging: return true
        case .waiting(let next, _): return isTold(next, isWanted, &asked)
        case .ready, nil: return false
        }
    }

    private func object(_ reference: Reference, _ draft: Draft?, _ isWanted: (Reference) -> Bool) -> ObjectDiff? {
        let operation = operation(reference)
        var object = ObjectDiff(
            reference: reference, file: draft?.file, mark: draft?.mark(of: ""), operation: operation,
            actions: future.actions[reference] ?? [])
        object.changes = changes(reference, operation)
        if case .unseen(let why) = future.sights[reference] {
            object.isUnknown = true
            object.note = why
            object.changes = object.changes.map { change in
                var change = change
                change.class = .unknown
                return change
            }
            if object.changes.isEmpty { object.changes = [Change(path: "", from: nil, to: nil, class: .unknown, impact: .none)] }
            return object
        }
        switch future.conditions[reference] {
        case .stalled(let why): object.note = why
        case .failing(let why, _): object.note = why
        case .waiting(let other, let why):
            // What only follows another's trouble is no difference of its own: the other one tells it.
            var asked: Set<Reference> = [reference]
            let isFollower = operation == .keep && object.changes.isEmpty && object.actions.isEmpty && isTold(other, isWanted, &asked)
            if !isFollower { object.note = why.isEmpty ? "waits on \(other)" : "waits on \(other): \(why)" }
        case .ready, .converging, nil: break
        }
        let isQuiet = operation == .keep && object.changes.isEmpty && object.actions.isEmpty && object.note == nil
        return isQuiet ? nil : object
    }

    /// What differs, and on whose side: a path that differs between store and world is drift, one
    /// between manifest and store is config, one in both is both.
    private func changes(_ reference: Reference, _ operation: ObjectDiff.Operation) -> [Change] {
        let differences = future.differences[reference] ?? []
        switch operation {
        case .create:
            let spec = specJSON(future.ledger[reference] ?? started.ledger[reference])
            return [Change(path: "spec", from: nil, to: spec, class: .config, impact: differences.map(\.impact).max() ?? .none)]
        case .delete:
            return [Change(path: "spec", from: specJSON(stored[reference]), to: nil, class: .config, impact: differences.map(\.impact).max() ?? .none)]
        case .keep, .unmanaged:
            guard !differences.isEmpty else { return [] }
            // What the world did not differ in before follows from what the manifest makes of others.
            let drifted = Set(driftBefore(reference).map(\.path))
            return differences.map {
                Change(path: $0.path, from: $0.seen, to: $0.wanted, class: started.operations.isEmpty || drifted.contains($0.path) ? .drift : .config, impact: $0.impact)
            }
        case .update:
            let drifted = Dictionary(driftBefore(reference).map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
            var byPath: [String: Change] = [:]
            var wanted = future.ledger[reference] ?? started.ledger[reference]
            // In thought nobody is suspended, and nothing else is annotated there: what is written is what was laid over the store.
            if let laid = started.ledger[reference] { wanted?.metadata.annotations = laid.metadata.annotations }
            for (path, from, to) in leaves(specJSON(stored[reference]), specJSON(wanted), at: "spec") {
                byPath[path] = Change(path: path, from: from, to: to, class: drifted[path] == nil ? .config : .both, impact: .none)
            }
            for (path, from, to) in leaves(noted(stored[reference]), noted(wanted), at: "metadata") {
                byPath[path] = Change(path: path, from: from, to: to, class: .config, impact: .none)
            }
            for difference in differences {
                // "spec.disks" speaks for "spec.disks[0].size" and the other way round.
                let related = byPath.keys.sorted().filter { $0 == difference.path || $0.hasPrefix(difference.path) || difference.path.hasPrefix($0) }
                if related.isEmpty {
                    byPath[difference.path] = Change(
                        path: difference.path, from: difference.seen, to: difference.wanted,
                        class: drifted[difference.path] == nil ? .config : .drift, impact: difference.impact)
                }
                for path in related { byPath[path]!.impact = max(byPath[path]!.impact, difference.impact) }
            }
            return byPath.keys.sorted().map { byPath[$0]! }
        }
    }

    /// What differed from the world before the manifest was laid over the store.
    private func driftBefore(_ reference: Reference) -> [Difference] {
        guard let record = stored[reference], let loop = loops[reference.kind], let first = future.firstSights[reference] else { return [] }
        return loop.imagine(record, first, Reader(stored), nil).differences
    }

    private func specJSON(_ record: (any AnyResource)?) -> JSON? {
        guard let record, let json = try? record.json() else { return nil }
        return json["spec"]
    }

    /// Labels and annotations, but for plasma's own bookkeeping.
    private func noted(_ record: (any AnyResource)?) -> JSON? {
        guard let metadata = record?.metadata else { return nil }
        let notes = metadata.annotations.filter { ![Annotation.fieldManager, Annotation.requestedAt].contains($0.key) }
        return .object(["labels": .object(metadata.labels.mapValues { .string($0) }), "annotations": .object(notes.mapValues { .string($0) })])
    }

    /// Every leaf at which two trees differ, in path order.
    private func leaves(_ a: JSON?, _ b: JSON?, at path: String) -> [(String, JSON?, JSON?)] {
        if a == b { return [] }
        if let a = a?.object, let b = b?.object {
            return Set(a.keys).union(b.keys).sorted().flatMap { leaves(a[$0], b[$0], at: Manifest.path(path, $0)) }
        }
        if let a = a?.array, let b = b?.array, a.count == b.count {
            return a.indices.flatMap { leaves(a[$0], b[$0], at: "\(path)[\($0)]") }
        }
        return [(path, a, b)]
    }
}
