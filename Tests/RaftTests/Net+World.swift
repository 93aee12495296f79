@testable import Raft

/// What happens to the group.
extension Net {
    /// One write becomes durable.
    mutating func persist(_ id: UInt64) {
        guard nodes[id]!.isUp, !nodes[id]!.writes.isEmpty else { return }
        let write = nodes[id]!.writes.removeFirst()
        if let state = write.state { nodes[id]!.state = state }
        if let head = write.restore {
            nodes[id]!.base = head.position
            nodes[id]!.entries = []
            nodes[id]!.applied = head.position.index
            nodes[id]!.configuration = head.configuration
        }
        if let first = write.entries.first {
            nodes[id]!.entries.removeAll { $0.index >= first.index }
            nodes[id]!.entries += write.entries
        }
        step(id, .persisted(nodes[id]!.state, through: nodes[id]!.end))
    }

    mutating func persistAll(_ id: UInt64) {
        while nodes[id]!.isUp, !nodes[id]!.writes.isEmpty { persist(id) }
    }

    /// The machine's state becomes durable, and the log is cut somewhere before it.
    mutating func checkpoint(_ id: UInt64) {
        guard nodes[id]!.isUp, nodes[id]!.writes.allSatisfy({ $0.restore == nil }) else { return }
        let applied = nodes[id]!.appliedNow
        guard applied > nodes[id]!.applied else { return }
        nodes[id]!.applied = applied
        if let last = nodes[id]!.configurations.last { nodes[id]!.configuration = last.1 }
        nodes[id]!.configurations = []
        let cut = UInt64.random(in: nodes[id]!.base.index...applied, using: &dice)
        guard let entry = nodes[id]!.entries.first(where: { $0.index == cut }) else { return }
        nodes[id]!.base = entry.position
        nodes[id]!.entries.removeAll { $0.index <= cut }
    }

    mutating func crash(_ id: UInt64) {
        nodes[id]!.isUp = false
        nodes[id]!.writes = []
        nodes[id]!.snapshots = []
    }

    mutating func restart(_ id: UInt64) {
        guard !nodes[id]!.isUp else { return }
        var node = nodes[id]!
        node.options.seed = dice.next()
        node.raft = Raft(
            id: id, configuration: node.configuration, hardState: node.state, base: node.base, entries: node.entries,
            commit: node.applied, options: node.options)
        node.isUp = true
        node.appliedNow = node.applied
        node.configurations = []
        nodes[id] = node
        step(id, .start)
    }

    mutating func deliver(_ message: Message) {
        guard nodes[message.to] != nil else { return }
        step(message.to, .received(message))
    }

    /// A snapshot that was asked for arrives, or does not.
    mutating func sendSnapshot(_ id: UInt64, succeeds: Bool) {
        guard nodes[id]!.isUp, !nodes[id]!.snapshots.isEmpty else { return }
        let to = nodes[id]!.snapshots.removeFirst()
        let raft = nodes[id]!.raft
        guard let term = raft.log.term(at: raft.applied), let other = nodes[to], other.isUp, succeeds else {
            step(id, .snapshotSent(to: to, succeeded: false))
            return
        }
        let head = SnapshotHead(position: Position(index: raft.applied, term: term), configuration: raft.configuration)
        deliver(Message(from: id, to: to, term: raft.hardState.term, body: .snapshot(head)))
        step(id, .snapshotSent(to: to, succeeded: true))
    }

    mutating func propose(_ id: UInt64, count: Int = 1) {
        guard nodes[id]!.isUp else { return }
        let first = nextID + 1
        nextID += UInt64(count)
        let names = Array(first...nextID)
        let effects = step(id, .propose(names.map { Proposal(bytes: Self.bytes($0)) }))
        refused.formUnion(names.suffix(effects.refusedCount))
        if let sent = effects.forwarded { forwarded[sent.sequence] = names }
    }

    mutating func read(_ id: UInt64) {
        guard nodes[id]!.isUp else { return }
        nextID += 1
        reads[nextID] = UInt64(history.count)
        step(id, .read(nextID))
    }

    static func bytes(_ name: UInt64) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: name >> UInt64(8 * $0)) } }
    static func name(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    /// Everything that is on its way arrives in order, and every write is done, until nothing is left.
    mutating func settle(lost: (Message) -> Bool = { _ in false }) {
        for _ in 0..<10_000 {
            for id in ids { persistAll(id) }
            for id in ids where nodes[id]!.isUp && !nodes[id]!.snapshots.isEmpty { sendSnapshot(id, succeeds: true) }
            guard !wire.isEmpty else {
                if ids.allSatisfy({ nodes[$0]!.writes.isEmpty }) { return }
                continue
            }
            let messages = wire
            wire = []
            for message in messages where !lost(message) { deliver(message) }
        }
        fault("the group never comes to rest")
    }

    /// Time for everyone, with a fair network.
    mutating func run(ticks: Int, lost: (Message) -> Bool = { _ in false }) {
        for _ in 0..<ticks {
            for id in ids { step(id, .tick) }
            settle(lost: lost)
        }
    }
}
