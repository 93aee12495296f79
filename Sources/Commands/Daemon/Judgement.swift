import API
import Reconcile
import Resource
import Store

/// Answers `diff`: what an apply of these drafts would change, or what has drifted.
struct Judgement: Sendable {
    var differ: Differ
    var mirror: Mirror
    var store: any Store

    @Sendable func diff(_ drafts: [Draft]?, _ selection: DiffSelection) async throws -> DiffReport {
        // The mirror may lag behind a write that was acknowledged to the one who asks now.
        let newest = try await store.range(RangeRequest(.prefix(Key(Registry.root)), countOnly: true)).revision
        await mirror.caughtUp(to: newest, orFor: .seconds(2))
        let ledger = mirror.ledger
        let selector = try selection.selector.map { try LabelSelector($0) }
        let chosen = Set(selection.references)
        return await differ.diff(stored: ledger, drafts: drafts, retired: retired(drafts, selection, ledger)) { reference in
            if !chosen.isEmpty, !chosen.contains(reference) { return false }
            guard let selector else { return true }
            let labels = drafts?.first { $0.resource.reference == reference }?.resource.metadata.labels
                ?? ledger[reference]?.metadata.labels
            return selector.matches(labels ?? [:])
        }
    }

    /// What `apply --prune` would delete.
    private func retired(_ drafts: [Draft]?, _ selection: DiffSelection, _ ledger: Ledger) -> [Reference] {
        guard let drafts, selection.prune else { return [] }
        let kept = Set(drafts.map(\.resource.reference))
        return ledger.all.filter {
            $0.metadata.annotations[Annotation.fieldManager] == selection.fieldManager && $0.metadata.owner == nil && !kept.contains($0.reference)
        }.map(\.reference)
    }
}
