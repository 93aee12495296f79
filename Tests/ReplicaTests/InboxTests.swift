import Dispatch
import Testing
@testable import Replica

struct InboxTests {
    private func lost(_ items: [Inbox<Int>.Item]) -> [UInt64] {
        items.map { if case .lost(let peer) = $0 { peer } else { 0 } }
    }

    @Test(arguments: [Duration.zero, .microseconds(50)]) func `what waits is taken at once and in order, and who has looked and sleeps is woken`(_ watch: Duration) {
        let inbox = Inbox<Int>(bytesMax: 100)
        inbox.put(.lost(1))
        inbox.put(.lost(2))
        #expect(lost(inbox.take(within: .zero, watch: watch).items) == [1, 2])
        #expect(lost(inbox.take(within: .milliseconds(1), watch: watch).items) == [])
        for number: UInt64 in 3...20 {
            DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(Int(number) * 100)) { inbox.put(.lost(number)) }
            #expect(lost(inbox.take(within: .seconds(60), watch: watch).items) == [number])
        }
    }

    @Test func `who stops is heard by one who sleeps`() {
        let inbox = Inbox<Int>(bytesMax: 100)
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(5)) { inbox.stop() }
        #expect(lost(inbox.take(within: .seconds(60), watch: .microseconds(50)).items) == [])
        #expect(inbox.isStopping)
    }
}
