import Store

/// Decides when the store compacts itself: it keeps the last `keep` revisions, and works in steps of
/// a tenth of that, so that not every write brings a compaction.
package struct CompactionPolicy: Hashable, Sendable {
    /// nil: only when asked to.
    package var keep: Revision?

    package init(keep: Revision? = 10_000) { self.keep = keep }

    /// The revision to compact through now, if any.
    package func due(revision: Revision, compacted: Revision) -> Revision? {
        guard let keep else { return nil }
        let wanted = revision - keep
        return wanted - compacted >= max(1, keep / 10) && wanted > 0 ? wanted : nil
    }
}
