import API
import Reconcile
import Resource
import Store
import Synchronization

/// Answers `diff`: what an apply would change, or what has drifted.
struct Judgement: Sendable {
    var differ: Differ
    var mirror: Mirror
    var store: any Store

    @Sendable func diff(_ wish: Wish?, _ selection: DiffSelection) async throws -> DiffReport {
        // The mirror may lag behind a write that was acknowledged to the one who asks now.
        let newest = try await store.range(RangeRequest(.prefix(Key(Registry.root)), countOnly: true)).revision
        await mirror.caughtUp(to: newest, orFor: .seconds(2))
        guard mirror.isSynced, mirror.ledger.revision >= newest else {
            throw StoreError.unavailable("the records are still being read; ask again in a moment")
        }
        let ledger = mirror.ledger
        let selector = try selection.selector.map { try LabelSelector($0) }
        let chosen = Set(selection.references)
        let met = Mutex<Set<Reference>>([])
        let wanted = Dictionary(
            (wish?.drafts ?? []).map { ($0.resource.reference, $0.resource.metadata.labels) }, uniquingKeysWith: { first, _ in first })
        var report = await differ.diff(
            stored: ledger, records: wish?.records ?? [], retired: wish?.retired ?? [], drafts: wish?.drafts ?? []
        ) { reference in
            if !chosen.isEmpty {
                guard chosen.contains(reference) else { return false }
                met.withLock { _ = $0.insert(reference) }
            }
            // Of what cannot be read nobody knows the labels.
            guard let selector, wanted[reference] != nil || ledger.whyUnreadable(reference) == nil else { return true }
            return selector.matches(wanted[reference] ?? ledger[reference]?.metadata.labels ?? [:])
        }
        let missing = chosen.subtracting(met.withLock { $0 }).sorted()
        if !missing.isEmpty { report.missing = missing }
        return report
    }
}
