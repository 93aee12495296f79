import Resource

/// The changes that came while rounds ran. What a round reads for the first time it is told of only once it has ended: a
/// change in between would wake nobody.
struct RecentChanges {
    /// More are not kept: who may have missed one looks again.
    static let countMax = 4096

    private var changes: [LedgerChange] = []
    /// The number of the first one that is kept.
    private var first = 0
    /// What the number of the next change was when the round of the key began.
    private var started: [String: Int] = [:]

    mutating func begin(_ key: String) { started[key] = first + changes.count }

    mutating func note(_ change: LedgerChange) {
        guard !started.isEmpty else { return }
        if changes.count >= Self.countMax {
            first += changes.count
            changes = []
        }
        changes.append(change)
    }

    /// - Returns: whether one of those that came since the key's round began is of interest to it, or may have been.
    mutating func end(_ key: String, isOfInterest: (LedgerChange) -> Bool) -> Bool {
        guard let start = started.removeValue(forKey: key) else { return false }
        let found = start < first || changes[(start - first)...].contains(where: isOfInterest)
        if started.isEmpty {
            first += changes.count
            changes = []
        }
        return found
    }
}
