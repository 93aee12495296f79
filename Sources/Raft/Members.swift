/// The progress of all members of a configuration, the leader itself among them.
struct Members: Sendable {
    /// Sorted.
    private(set) var ids: [UInt64] = []
    /// In the order of `ids`.
    var progress: [Progress] = []

    func place(of id: UInt64) -> Int? {
        // A handful: nothing finds one of them faster.
        for at in ids.indices where ids[at] == id { return at }
        return nil
    }

    subscript(id: UInt64) -> Progress? { place(of: id).map { progress[$0] } }

    func match(_ id: UInt64) -> UInt64 {
        guard let at = place(of: id) else { return 0 }
        return progress[at].match
    }

    /// Who stays keeps its progress. Who is new is asked at `last`, the end of the leader's log.
    mutating func follow(_ configuration: Configuration, last: UInt64) {
        let now = configuration.members
        let kept = now.map { id in self[id] ?? Progress(next: max(last, 1)) }
        ids = now
        progress = kept
    }
}
