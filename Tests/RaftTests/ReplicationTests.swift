@testable import Raft
import Testing

@Suite struct ReplicationTests {
    private func entry(_ index: UInt64, _ term: UInt64, _ bytes: [UInt8] = [7]) -> Entry {
        Entry(index: index, term: term, bytes: bytes)
    }

    private func member(_ id: UInt64 = 1, term: UInt64, _ terms: [UInt64], commit: UInt64 = 0) -> Raft {
        Raft(
            id: id, configuration: Configuration(voters: [1, 2, 3, 4, 5]), hardState: HardState(term: term, vote: 0),
            entries: terms.enumerated().map { entry(UInt64($0.offset + 1), $0.element) }, commit: commit)
    }

    /// Dissertation §3.6.2, figure 3.7 (figure 8 of the paper).
    @Test func `an entry of an earlier term is not committed by being on a majority`() {
        var raft = member(term: 3, [1, 2])
        while raft.role != .preCandidate { _ = raft.step(.tick) }
        for voter in [2, 3] as [UInt64] {
            _ = raft.step(.received(Message(from: voter, to: 1, term: 4, body: .preVoteAnswer(granted: true))))
        }
        _ = raft.step(.persisted(raft.hardState, through: raft.last))
        for voter in [2, 3] as [UInt64] {
            _ = raft.step(.received(Message(from: voter, to: 1, term: 4, body: .voteAnswer(granted: true))))
        }
        #expect(raft.role == .leader)
        _ = raft.step(.persisted(raft.hardState, through: raft.last))
        for voter in [2, 3] as [UInt64] {
            let effects = raft.step(.received(Message(from: voter, to: 1, term: 4, body: .appendAnswer(matched: 2))))
            #expect(effects.commit == nil && raft.commit == 0)
        }
        _ = raft.step(.received(Message(from: 2, to: 1, term: 4, body: .appendAnswer(matched: 3))))
        let effects = raft.step(.received(Message(from: 3, to: 1, term: 4, body: .appendAnswer(matched: 3))))
        #expect(effects.commit == 3, "its own entry commits, and all before with it")
    }

    @Test func `the leader sends before it has written, and applies only what it has written`() {
        var net = Net.led()
        net.step(1, .propose([Proposal(bytes: [1])]))
        #expect(net.wire.count == 2)
        for message in net.take() {
            let effects = net.step(message.to, .received(message))
            #expect(effects.send.isEmpty, "a follower answers when it has written")
            net.persist(message.to)
        }
        let commit = net.raft(1).commit
        for message in net.take() { net.deliver(message) }
        #expect(net.raft(1).commit == commit + 1, "two of three have it, the leader's disk not among them")
        #expect(net.raft(1).applied == commit)
        net.persist(1)
        #expect(net.raft(1).applied == commit + 1)
        net.settle()
        #expect(net.raft(2).applied == commit + 1 && net.raft(3).applied == commit + 1)
        #expect(net.faults.isEmpty)
    }

    @Test func `entries follow each other without answers, up to the limit of messages`() {
        var net = Net.led { $0.inflightMessagesMax = 3 }
        for _ in 0..<5 { net.propose(1) }
        #expect(net.wire.count { $0.to == 2 } == 3)
        net.settle()
        #expect(net.names == [1, 2, 3, 4, 5])
        #expect(net.raft(2).last == net.raft(1).last)
    }

    @Test func `entries on their way are limited in bytes, and messages are split`() {
        var net = Net.led {
            $0.inflightBytesMax = 500
            $0.appendBytesMax = 200
        }
        net.step(1, .propose((0..<20).map { _ in Proposal(bytes: [UInt8](repeating: 1, count: 50)) }))
        let sizes = net.wire.filter { $0.to == 2 }.map { message in
            if case .append(_, let entries, _) = message.body { entries.count } else { 0 }
        }
        #expect(sizes == [2, 2, 2], "two of 98 each fit a message, and the third message passes the limit")
        net.settle()
        #expect(net.raft(3).applied == net.raft(1).last.index)
    }

    @Test func `one exchange skips a whole term that differs`() {
        var net = Net.led()
        let term = net.raft(1).hardState.term
        for _ in 0..<60 { net.propose(1) }
        net.settle(lost: cut(2, 3))
        net.crash(1)
        net.elect(2)
        for _ in 0..<60 { net.propose(2) }
        net.settle()
        net.restart(1)
        var refusals = 0
        net.run(ticks: 20) { message in
            if case .appendRefused = message.body { refusals += 1 }
            return false
        }
        #expect(net.raft(1).last == net.raft(2).last)
        #expect(net.raft(1).hardState.term > term)
        #expect(refusals <= 2, "60 entries differ, and one exchange tells")
        #expect(net.faults.isEmpty)
    }

    @Test func `a lost message is noticed by the next, or within two heartbeats when none follows`() {
        var net = Net.led()
        net.propose(1)
        net.settle(lost: { $0.to == 2 })
        net.propose(1)
        net.settle()
        #expect(net.raft(2).last == net.raft(1).last)
        net.propose(1)
        net.settle(lost: { $0.to == 2 })
        net.run(ticks: 7)
        #expect(net.raft(2).applied == net.raft(1).last.index)
    }

    @Test func `on a network that overtakes, one refusal does not bring forth the next`() {
        var net = Net.led { $0.inflightMessagesMax = 64 }
        var onTheWay: [Message] = []
        var appends = 0
        for round in 0..<400 {
            if round < 200 { net.propose(1) }
            let sent = net.take()
            appends += sent.count { if case .append = $0.body { true } else { false } }
            onTheWay += sent
            onTheWay.shuffle(using: &net.dice)
            let arriving = (onTheWay.count + 7) / 8
            for message in onTheWay.suffix(arriving) { net.deliver(message) }
            onTheWay.removeLast(arriving)
            for id in net.ids { net.persistAll(id) }
        }
        #expect(net.raft(2).last == net.raft(1).last && net.raft(3).last == net.raft(1).last)
        #expect(appends < 300, "\(appends) messages for 200 entries to two members")
        #expect(net.faults.isEmpty)
    }

    @Test func `a member whose answers take longer than a heartbeat is streamed to all the same, while entries come`() {
        var net = Net.led()
        let late = net.raft(1).options.heartbeatTicks + 1
        net.step(1, .lost(2))
        #expect(net.raft(1).progress(of: 2)?.state == .probe)
        var onTheWay: [(due: Int, message: Message)] = []
        for round in 0..<(10 * late) {
            net.step(1, .tick)
            net.propose(1)
            let due = onTheWay.filter { $0.due <= round }
            onTheWay.removeAll { $0.due <= round }
            for (_, message) in due { net.deliver(message) }
            for id in net.ids { net.persistAll(id) }
            for message in net.take() { onTheWay.append((round + (message.from == 2 || message.to == 2 ? late : 1), message)) }
        }
        #expect(net.raft(1).progress(of: 2)?.state == .replicate)
        #expect(net.raft(1).role == .leader && net.faults.isEmpty)
    }

    @Test func `a member that is probed is told the entries once, and asked again at the pace of heartbeats, not of reads`() {
        var net = Net.led()
        for _ in 0..<20 { net.propose(1) }
        net.settle(lost: { $0.to == 2 })
        net.step(1, .lost(2))
        var (questions, told) = (0, 0)
        for number in 0..<200 {
            net.step(1, .read(UInt64(number)))
            if number % 10 == 9 { net.step(1, .tick) }
            net.settle { message in
                guard message.to == 2, case .append(_, let entries, _) = message.body else { return false }
                questions += 1
                told += entries.count
                return true
            }
        }
        // 200 rounds of reads in 20 ticks, which are 10 heartbeats.
        #expect((5...11).contains(questions), "\(questions) questions")
        #expect(told == 20, "\(told) entries told, of 20")
        #expect(net.raft(1).progress(of: 2)?.state == .probe)
        net.run(ticks: 4)
        #expect(net.raft(2).last == net.raft(1).last)
        #expect(net.faults.isEmpty)
    }

    @Test func `what was persisted before a truncation says nothing of what replaced it`() {
        var raft = member(3, term: 1, [1], commit: 1)
        func append(_ from: UInt64, _ term: UInt64, _ previous: Position, _ entries: [Entry]) -> Effects {
            let body = Message.Body.append(previous: previous, entries: entries, commit: 0)
            return raft.step(.received(Message(from: from, to: 3, term: term, body: body)))
        }
        _ = append(1, 2, Position(index: 1, term: 1), [entry(2, 2), entry(3, 2)])
        let replaced = append(2, 3, Position(index: 1, term: 1), [entry(2, 3)])
        #expect(replaced.append == [entry(2, 3)])
        let late = raft.step(.persisted(HardState(term: 2, vote: 0), through: Position(index: 3, term: 2)))
        #expect(late.send.isEmpty)
        #expect(raft.durable == Position(index: 1, term: 1))
        // A third leader has the first entries again; only a write after that counts.
        _ = append(4, 4, Position(index: 1, term: 1), [entry(2, 2), entry(3, 2)])
        let again = raft.step(.persisted(HardState(term: 2, vote: 0), through: Position(index: 3, term: 2)))
        #expect(again.send.isEmpty)
        #expect(raft.durable == Position(index: 1, term: 1))
        let written = raft.step(.persisted(HardState(term: 4, vote: 0), through: Position(index: 3, term: 2)))
        #expect(written.send == [Message(from: 3, to: 4, term: 4, body: .appendAnswer(matched: 3))])
    }

    @Test func `a heartbeat's commit counts only as far as the log is known to be the leader's`() {
        var raft = member(3, term: 2, [1, 1, 2], commit: 1)
        let beat = raft.step(.received(Message(from: 1, to: 3, term: 2, body: .heartbeat(commit: 3, round: 1))))
        #expect(beat.commit == nil)
        #expect(beat.send == [Message(from: 3, to: 1, term: 2, body: .heartbeatAnswer(round: 1, matched: 0))])
        let body = Message.Body.append(previous: Position(index: 2, term: 1), entries: [], commit: 3)
        let probed = raft.step(.received(Message(from: 1, to: 3, term: 2, body: body)))
        #expect(probed.commit == 2)
    }

    @Test func `word of a commit counts only as far, too, and is not answered`() {
        var raft = member(3, term: 2, [1, 1, 2], commit: 1)
        func hear(_ body: Message.Body) -> Effects { raft.step(.received(Message(from: 1, to: 3, term: 2, body: body))) }
        #expect(hear(.commit(3)).commit == nil)
        #expect(hear(.append(previous: Position(index: 2, term: 1), entries: [], commit: 1)).commit == nil)
        let heard = hear(.commit(3))
        #expect(heard.commit == 2)
        #expect(heard.send.isEmpty)
    }

    @Test func `where no entry follows, all are told of a commit at once`() {
        var net = Net.led()
        net.propose(1)
        var heard: [Message] = []
        net.settle {
            heard.append($0)
            return false
        }
        #expect(Set(heard.filter { $0.body == .commit(net.raft(1).commit) }.map(\.to)) == [2, 3])
        #expect(net.raft(2).applied == net.raft(1).applied && net.raft(3).applied == net.raft(1).applied)
    }

    @Test func `a member that forgot what it acknowledged is given it again`() {
        var net = Net.led()
        for _ in 0..<5 { net.propose(1) }
        net.settle()
        net.crash(3)
        net.nodes[3]!.entries = []
        net.nodes[3]!.base = .start
        net.nodes[3]!.applied = 0
        net.nodes[3]!.configuration = Configuration()
        net.nodes[3]!.options.isRepairing = true
        net.restart(3)
        net.run(ticks: 10)
        #expect(net.raft(3).applied == net.raft(1).applied)
        #expect(net.raft(3).configuration == net.raft(1).configuration)
        #expect(net.faults.isEmpty)
    }

    @Test func `uncommitted bytes are capped, and room returns with the commit`() {
        var net = Net.led(voters: [1]) { $0.uncommittedBytesMax = 10 }
        let proposal = Proposal(bytes: [UInt8](repeating: 7, count: 4))
        let first = net.step(1, .propose([proposal, proposal, proposal]))
        #expect(first.append.count == 2)
        #expect(first.refused == .uncommittedBytes(bytesMax: 10))
        #expect(first.refusedCount == 1)
        let full = net.step(1, .propose([proposal]))
        #expect(full.refusedCount == 1)
        net.settle()
        let huge = net.step(1, .propose([Proposal(bytes: [UInt8](repeating: 7, count: 99))]))
        #expect(huge.append.count == 1, "one proposal is always let in")
    }
}
