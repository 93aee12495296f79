import Dispatch
import Testing
@testable import Replica

struct InboxTests {
    private func lost(_ items: [Inbox<Int>.Item]) -> [UInt64] {
        items.map { if case .lost(let peer) = $0 { peer } else { 0 } }
    }

    @Test(arguments: [0, 60]) func `what waits is taken at once and in order, and who has looked and sleeps is woken`(_ looks: Int) {
        let inbox = Inbox<Int>(bytesMax: 100)
        inbox.put(.lost(1))
        inbox.put(.lost(2))
        #expect(lost(inbox.take(within: .zero, looks: looks)) == [1, 2])
        #expect(lost(inbox.take(within: .milliseconds(1), looks: looks)) == [])
        for number: UInt64 in 3...20 {
            DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(Int(number) * 100)) { inbox.put(.lost(number)) }
            #expect(lost(inbox.take(within: .seconds(60), looks: looks)) == [number])
        }
    }

    @Test func `who stops is heard by one who sleeps`() {
        let inbox = Inbox<Int>(bytesMax: 100)
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(5)) { inbox.stop() }
        #expect(lost(inbox.take(within: .seconds(60), looks: 3)) == [])
        #expect(inbox.isStopping)
    }
}
