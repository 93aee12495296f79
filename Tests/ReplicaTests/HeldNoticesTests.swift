import Host
import Raft
import Testing
@testable import Replica

struct HeldNoticesTests {
    private func at(_ microseconds: Int) -> Instant { Instant(sinceStart: .microseconds(microseconds)) }

    private func message(to member: UInt64, _ body: Message.Body) -> PeerMessage {
        PeerMessage(from: 1, to: member, body: .raft(Message(from: 1, to: member, term: 3, body: body)))
    }

    private func commit(_ index: UInt64, to member: UInt64) -> PeerMessage { message(to: member, .commit(index)) }

    private func append(_ commit: UInt64, to member: UInt64) -> PeerMessage {
        message(to: member, .append(previous: Position(index: commit, term: 3), entries: [], commit: commit))
    }

    /// To whom entries followed soon after the last notices.
    private func expecting() -> HeldNotices {
        var held = HeldNotices()
        #expect(held.hold([commit(1, to: 2), commit(1, to: 3)], at(0)) == [commit(1, to: 2), commit(1, to: 3)])
        #expect(held.join([append(1, to: 2), append(1, to: 3)], at(100)) == [append(1, to: 2), append(1, to: 3)])
        return held
    }

    @Test func `nothing is held as long as entries have not followed notices`() {
        var held = HeldNotices()
        for time in [0, 5_000, 10_000] {
            #expect(held.hold([commit(1, to: 2)], at(time)) == [commit(1, to: 2)])
            #expect(held.patience(at(time)) == nil)
            // Too late to have been worth the wait.
            #expect(held.join([append(1, to: 2)], at(time + 300)) == [append(1, to: 2)])
        }
    }

    @Test func `the next entries tell what is held, and anything else takes it along`() {
        var held = expecting()
        #expect(held.hold([commit(2, to: 2), commit(2, to: 3)], at(400)) == [])
        #expect(held.patience(at(450)) == .microseconds(200))
        let beat = message(to: 3, .heartbeat(commit: 1, round: 1))
        #expect(held.join([append(2, to: 2), beat], at(500)) == [append(2, to: 2), commit(2, to: 3), beat])
        #expect(held.patience(at(500)) == nil)
        #expect(held.due(at(9_000), isLast: true) == [])
    }

    @Test func `what nothing follows leaves in time, and then nothing is held until entries follow again`() {
        var held = expecting()
        #expect(held.hold([commit(2, to: 2)], at(400)) == [])
        #expect(held.due(at(649), isLast: false) == [])
        #expect(held.patience(at(700)) == .zero)
        #expect(held.due(at(650), isLast: false) == [commit(2, to: 2)])
        #expect(held.due(at(651), isLast: false) == [])
        #expect(held.hold([commit(3, to: 2)], at(900)) == [commit(3, to: 2)])
    }

    @Test func `a later notice takes the place of one that is held, and whoever stops says all`() {
        var held = expecting()
        #expect(held.hold([commit(2, to: 2), commit(2, to: 3)], at(400)) == [])
        #expect(held.hold([commit(3, to: 2)], at(410)) == [])
        #expect(held.due(at(420), isLast: true) == [commit(2, to: 3), commit(3, to: 2)])
    }

    @Test func `a member that waits for what it proposed is told at once, until it was told of all of it`() {
        var held = expecting()
        held.note([3], last: 5)
        #expect(held.hold([commit(4, to: 2), commit(4, to: 3)], at(400)) == [commit(4, to: 3)])
        #expect(held.hold([commit(5, to: 2), commit(5, to: 3)], at(410)) == [commit(5, to: 3)])
        #expect(held.hold([commit(6, to: 2), commit(6, to: 3)], at(420)) == [])
    }

    @Test func `entries tell of a commit where they come after the notice, and not where they were made before it`() {
        var held = HeldNotices()
        #expect(held.pass([commit(5, to: 2), commit(5, to: 3), append(5, to: 2)], at(0)) == [commit(5, to: 3), append(5, to: 2)])
        held = HeldNotices()
        #expect(held.pass([append(4, to: 2), commit(5, to: 2), commit(5, to: 3)], at(0)) == [append(4, to: 2), commit(5, to: 2), commit(5, to: 3)])
        // Also where notices are held: it leaves in time.
        held = expecting()
        #expect(held.pass([append(4, to: 2), commit(5, to: 2)], at(400)) == [append(4, to: 2)])
        #expect(held.due(at(700), isLast: false) == [commit(5, to: 2)])
        held = expecting()
        #expect(held.pass([commit(5, to: 2)], at(400)) == [])
        #expect(held.pass([append(5, to: 2)], at(500)) == [append(5, to: 2)])
        #expect(held.due(at(700), isLast: false) == [])
    }
}
