/// Linearizable reads without the log: the leader notes its commit and makes sure that it still leads
/// (dissertation §6.4). A read joins a round that begins after it came, never one under way.
extension Raft {
    mutating func read(_ id: UInt64, _ effects: inout Effects) {
        if role == .leader { return serve(Leading.Read(from: self.id, id: id), &effects) }
        guard leader != nil else {
            effects.readsFailed.append(id)
            return
        }
        reads.queued.append(id)
        askLeader(&effects)
    }

    // MARK: Following

    private mutating func askLeader(_ effects: inout Effects) {
        guard reads.request == 0, !reads.queued.isEmpty, let leader else { return }
        reads.request = nextSequence()
        reads.asked = reads.queued
        reads.queued = []
        say(.readRequest(id: reads.request), to: leader, &effects)
    }

    /// The question or its answer may be lost. An answer to either copy is right: all its reads came before both.
    mutating func repeatReadRequest(_ effects: inout Effects) {
        guard reads.request != 0, let leader else { return }
        say(.readRequest(id: reads.request), to: leader, &effects)
    }

    mutating func readAnswered(_ request: UInt64, _ index: UInt64?, _ effects: inout Effects) {
        guard request == reads.request, request != 0 else { return }
        if let index {
            effects.reads += reads.asked.map { .init(id: $0, index: index) }
        } else {
            effects.readsFailed += reads.asked
        }
        reads.request = 0
        reads.asked = []
        askLeader(&effects)
    }

    mutating func failReads(_ effects: inout Effects) {
        effects.readsFailed += reads.asked
        effects.readsFailed += reads.queued
        reads = FollowerReads()
    }

    // MARK: Leading

    mutating func readRequested(_ member: UInt64, _ request: UInt64, _ effects: inout Effects) {
        guard role == .leader else { return say(.readAnswer(id: request, index: nil), to: member, &effects) }
        let isWaiting = leading.queued.contains { $0.from == member && $0.id == request }
        if !isWaiting { serve(Leading.Read(from: member, id: request), &effects) }
    }

    private mutating func serve(_ read: Leading.Read, _ effects: inout Effects) {
        let isOpen = commit >= leading.termStart
        if isOpen, isSoleVoter || holdsLease {
            var read = read
            read.index = commit
            return answer(read, &effects)
        }
        leading.queued.append(read)
        // Before the first commit of its term a leader does not know what is committed.
        if isOpen, leading.asked.isEmpty { startReadRound(&effects) }
    }

    /// Whoever asks may go elsewhere, or ask again: what waits for a term that is not opened is not kept for ever.
    mutating func refuseReads(_ effects: inout Effects) {
        for read in leading.queued {
            if read.from == id { effects.readsFailed.append(read.id) } else { say(.readAnswer(id: read.id, index: nil), to: read.from, &effects) }
        }
        leading.queued = []
    }

    /// Half an election, since a pause of the process is noticed only when it is as long as the other half.
    private var holdsLease: Bool {
        guard options.leaseReads, let start = leading.leaseStart, !leading.leaseIsVoid, transferee == nil else { return false }
        return now - start < UInt64(options.electionTicks / 2 - 1)
    }

    private mutating func answer(_ read: Leading.Read, _ effects: inout Effects) {
        if read.from == id {
            effects.reads.append(.init(id: read.id, index: read.index))
        } else {
            say(.readAnswer(id: read.id, index: read.index), to: read.from, &effects)
        }
    }

    /// A round for reads asks those who count.
    mutating func startReadRound(_ effects: inout Effects) {
        beginRound()
        for member in members.ids where member != id && configuration.isVoter(member) { sendHeartbeat(to: member, &effects) }
        confirmRounds(&effects)
    }

    mutating func startRound(_ effects: inout Effects) {
        leading.sinceHeartbeat = 0
        beginRound()
        for member in members.ids where member != id { sendHeartbeat(to: member, &effects) }
        confirmRounds(&effects)
    }

    private mutating func beginRound() {
        leading.round += 1
        if options.leaseReads { leading.roundStarts.append((leading.round, now)) }
        guard commit >= leading.termStart else { return }
        for var read in leading.queued {
            read.index = commit
            read.round = leading.round
            leading.asked.append(read)
        }
        leading.queued = []
    }

    private func heartbeat(to member: UInt64) -> Message {
        Message(from: id, to: member, term: hardState.term, body: .heartbeat(commit: commit, round: leading.round))
    }

    private mutating func sendHeartbeat(to member: UInt64, _ effects: inout Effects) {
        effects.send.append(heartbeat(to: member))
    }

    /// A round counts when a majority answered it or a later one.
    mutating func confirmRounds(_ effects: inout Effects) {
        let reached = Quorum.reached(by: configuration) { $0 == id ? leading.round : members[$0]?.round ?? 0 }
        guard reached > leading.confirmed else { return }
        leading.confirmed = min(reached, leading.round)
        while let first = leading.roundStarts.first, first.round <= leading.confirmed {
            leading.leaseStart = first.tick
            leading.roundStarts.removeFirst()
        }
        let done = leading.asked.prefix { $0.round <= leading.confirmed }
        for read in done { answer(read, &effects) }
        leading.asked.removeFirst(done.count)
        if leading.asked.isEmpty, !leading.queued.isEmpty, commit >= leading.termStart { startReadRound(&effects) }
    }
}
