/// What a run did, so that one that tests nothing is seen.
package struct Counts: Sendable, CustomStringConvertible {
    package var events = 0
    package var steps = 0
    package var answered = 0
    package var unknown = 0
    package var refused = 0
    package var crashes = 0
    package var elections = 0
    package var snapshots = 0
    package var changes = 0
    package var expiries = 0
    package var recordings = 0
    package var batches = 0
    package var strangers = 0
    /// Voters that lost power as their vote left, and appends of old leaders that came after it.
    package var ambushes = 0
    package var lateAppends = 0
    package var lateVotes = 0
    /// Members that stayed broken at the end while the others had to go on.
    package var lame = 0

    private static let fields: [(String, WritableKeyPath<Counts, Int> & Sendable)] = [
        ("events", \.events), ("steps", \.steps), ("calls answered", \.answered), ("given up", \.unknown),
        ("refused", \.refused), ("crashes", \.crashes), ("elections", \.elections), ("snapshots", \.snapshots),
        ("changes of members", \.changes), ("leases ended", \.expiries), ("leases' times recorded", \.recordings), ("watch batches", \.batches),
        ("messages of strangers", \.strangers), ("voters ambushed", \.ambushes), ("late appends", \.lateAppends), ("late votes", \.lateVotes),
        ("stayed broken", \.lame),
    ]

    mutating func add(_ other: Counts) {
        for (_, path) in Self.fields { self[keyPath: path] += other[keyPath: path] }
    }

    package var description: String { Self.fields.map { "\(self[keyPath: $0.1]) \($0.0)" }.joined(separator: ", ") }
}
