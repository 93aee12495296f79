import Foundation
import Host
import Synchronization
import Testing

@Suite struct ListenersTests {
    @Test func everybodyIsToldEverythingInOrderAfterWhatCameFirst() async {
        var listeners = Listeners<Int>()
        let early = listeners.add()
        listeners.tell(1)
        let late = listeners.add(first: [10, 11])
        listeners.tell(2)
        listeners.finish()
        listeners.tell(3)
        #expect(await early.reduce(into: []) { $0.append($1) } == [1, 2])
        #expect(await late.reduce(into: []) { $0.append($1) } == [10, 11, 2])
    }

    @Test func onlyTheNewestAreKeptWhereSoWanted() async {
        var listeners = Listeners<Int>()
        let stream = listeners.add(keeping: .bufferingNewest(2))
        for number in 1...5 { listeners.tell(number) }
        listeners.finish()
        #expect(await stream.reduce(into: []) { $0.append($1) } == [4, 5])
    }

    /// A listener whose task is cancelled while it is told something: with a handler that signs it off under the owner's lock, both stood still
    /// within some hundred rounds. The threads are our own, for none of the pool's may be left then.
    @Test func tellingAndCancellingAtOnceDoNotWaitForEachOther() async {
        let owner = Owner()
        let hasEnded = Latch()
        Thread.detachNewThread {
            var (seen, still) = (0, 0)
            while !hasEnded.isSet {
                usleep(100_000)
                let now = owner.rounds.load(ordering: .relaxed)
                (seen, still) = (now, now == seen ? still + 1 : 0)
                if still == 600 { fatalError("telling and cancelling wait for each other") }
            }
        }
        let teller = Thread {
            while !hasEnded.isSet {
                owner.state.withLock { $0.tell(1) }
                // Nobody else gets the lock otherwise.
                sched_yield()
            }
        }
        teller.start()
        for _ in 0..<2_000 {
            owner.rounds.add(1, ordering: .relaxed)
            let task = Task { for await _ in owner.state.withLock({ $0.add() }) where Task.isCancelled { break } }
            await Task.yield()
            task.cancel()
            await task.value
        }
        hasEnded.set()
    }

    private final class Owner: Sendable {
        let state = Mutex(Listeners<Int>())
        let rounds = Atomic(0)
    }
}
