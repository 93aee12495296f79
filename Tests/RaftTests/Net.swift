@testable import Raft

/// A group of Raft values with a network that loses, repeats and reorders, and disks that a crash finds unfinished.
/// Everything follows from the seed. What must never be is noted in `faults`.
struct Net {
    struct Write {
        var state: HardState?
        var restore: SnapshotHead?
        var entries: [Entry]
    }

    struct Node {
        var raft: Raft
        var options: Raft.Options
        var isUp = true
        /// Asked for, and not durable.
        var writes: [Write] = []
        // Durable:
        var state = HardState()
        var base = Position.start
        var entries: [Entry] = []
        /// The machine's checkpoint.
        var applied: UInt64 = 0
        var configuration: Configuration
        /// Applied in memory, since the checkpoint.
        var configurations: [(index: UInt64, Configuration)] = []
        var appliedNow: UInt64 = 0
        var snapshots: [UInt64] = []

        var end: Position { entries.last?.position ?? base }

        /// Whether a crash now would lose, of the log in memory, the entry at `index`.
        func lacks(_ index: UInt64) -> Bool {
            guard index > base.index else { return false }
            let at = Int(index - base.index) - 1
            guard at < entries.count else { return true }
            return raft.log.term(at: index).map { $0 != entries[at].term } ?? false
        }
    }

    var nodes: [UInt64: Node] = [:]
    var ids: [UInt64] = []
    var wire: [Message] = []
    /// Hears nobody outside, and is not heard there.
    var island: Set<UInt64> = []
    var dice: SplitMix64
    let seed: UInt64
    var faults: [String] = []
    /// What was applied anywhere, by index from 1 on.
    var history: [Entry] = []
    var leaders: [UInt64: UInt64] = [:]
    var inForce: [UInt64: Configuration] = [:]
    /// Reads under way: how much was applied when they were asked for.
    var reads: [UInt64: UInt64] = [:]
    var readsDone = 0
    var nextID: UInt64 = 0
    var refused: Set<UInt64> = []
    var forwarded: [UInt64: [UInt64]] = [:]
    var tune: (inout Raft.Options) -> Void = { _ in }

    init(seed: UInt64, voters: [UInt64], spare: [UInt64] = [], tune: @escaping (inout Raft.Options) -> Void = { _ in }) {
        self.seed = seed
        self.tune = tune
        dice = SplitMix64(seed: seed)
        ids = voters + spare
        let founding = ConfigurationChange.founding(Configuration(voters: voters))
        let first = Entry(index: 1, term: 1, kind: .configuration, bytes: founding.encoded)
        history = [first]
        inForce = [1: Configuration(voters: voters)]
        for id in ids { addNode(id, voters.contains(id) ? [first] : []) }
    }

    private mutating func addNode(_ id: UInt64, _ entries: [Entry]) {
        var options = Raft.Options()
        options.seed = dice.next()
        tune(&options)
        let configuration = entries.isEmpty ? Configuration() : inForce[1]!
        let state = HardState(term: UInt64(entries.count))
        let applied = UInt64(entries.count)
        let raft = Raft(
            id: id, configuration: configuration, hardState: state, entries: entries, commit: applied, options: options)
        nodes[id] = Node(
            raft: raft, options: options, state: state, entries: entries, applied: applied, configuration: configuration)
        nodes[id]!.appliedNow = applied
        step(id, .start)
    }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &dice) == 0 }
    mutating func someone() -> UInt64 { ids[Int.random(in: 0..<ids.count, using: &dice)] }
    mutating func fault(_ text: String) { if faults.count < 5 { faults.append("seed \(seed): \(text)") } }

    var leader: UInt64? {
        let leading = ids.filter { nodes[$0]!.isUp && nodes[$0]!.raft.role == .leader }
        return leading.max { nodes[$0]!.raft.hardState.term < nodes[$1]!.raft.hardState.term }
    }

    @discardableResult
    mutating func step(_ id: UInt64, _ event: Event) -> Effects {
        guard nodes[id]!.isUp else { return Effects() }
        let effects = nodes[id]!.raft.step(event)
        check(id, effects)
        if effects.save != nil || !effects.append.isEmpty || effects.restore != nil {
            nodes[id]!.writes.append(Write(state: effects.save, restore: effects.restore, entries: effects.append))
        }
        if let head = effects.restore {
            nodes[id]!.appliedNow = head.position.index
            nodes[id]!.configurations = [(head.position.index, head.configuration)]
        }
        wire += effects.send
        nodes[id]!.snapshots += effects.snapshotWanted
        if let commit = effects.commit { apply(id, commit, effects) }
        finish(effects)
        return effects
    }

    private mutating func apply(_ id: UInt64, _ commit: UInt64, _ effects: Effects) {
        for change in effects.configurations {
            if let known = inForce[change.index], known != change.configuration {
                fault("configuration \(change.index) is \(known) and \(change.configuration)")
            }
            inForce[change.index] = change.configuration
            nodes[id]!.configurations.append((change.index, change.configuration))
        }
        for entry in nodes[id]!.raft.entries(after: nodes[id]!.appliedNow, through: commit) {
            if entry.index <= history.count {
                let known = history[Int(entry.index) - 1]
                if known != entry { fault("member \(id) applied \(entry), others \(known)") }
            } else if entry.index == history.count + 1 {
                history.append(entry)
            } else {
                fault("member \(id) skipped to \(entry.index)")
            }
        }
        nodes[id]!.appliedNow = commit
        if !effects.configurations.isEmpty { checkpoint(id) }
    }

    private mutating func finish(_ effects: Effects) {
        for read in effects.reads {
            guard let floor = reads.removeValue(forKey: read.id) else { continue }
            readsDone += 1
            if read.index < floor { fault("a read may see \(read.index), and \(floor) was applied before it") }
        }
        for id in effects.readsFailed { reads[id] = nil }
        for refusal in effects.refusedForwards {
            guard let ids = forwarded[refusal.sequence] else { continue }
            refused.formUnion(ids.suffix(refusal.count))
        }
    }
}
