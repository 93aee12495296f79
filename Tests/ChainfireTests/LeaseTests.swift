import Host
import Replica
import Simulation
import Store
import Testing
@testable import Chainfire

struct LeaseTests {
    private let leading = Leadership(term: 1, since: Instant(sinceStart: .zero))

    @Test func `a lease that ends takes its keys with it, in one revision and in order`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        try bench.apply(.leaseGrant(id: 7, ttl: 10))
        for key: Key in ["b", "a", "c"] { try bench.put(key, lease: 7) }
        try bench.put("free")
        try bench.put("c")
        let watcher = try bench.machine.openWatcher(.all, from: nil, listener: WatchSignal {})
        #expect(try watcher.next() == nil)
        try bench.tick(.milliseconds(9_900), leading)
        #expect(try bench.keys() == ["a", "b", "c", "free"])
        try bench.tick(.milliseconds(200), leading)
        #expect(try bench.keys() == ["c", "free"])
        let page = try #require(try watcher.next()?.page)
        #expect(page.events.map(\.key) == ["a", "b"])
        #expect(Set(page.events.map(\.revision)).count == 1)
        #expect(try bench.refusal(.leasesRevoke([7])) == .missing("etcdserver: requested lease not found"))
    }

    @Test func `a renewal that is lost on its way is not waited for by others`() throws {
        let desk = RenewalDesk()
        func at(_ milliseconds: Int) -> Instant { Instant(sinceStart: .milliseconds(milliseconds)) }
        func add(_ id: Int64, _ milliseconds: Int) -> RenewalDesk.Batch? { desk.add(id, { _ in }, now: at(milliseconds)) }
        func ids(_ batch: RenewalDesk.Batch?) -> [Int64]? { batch?.wishes.map(\.id) }
        let first = try #require(add(1, 0))
        #expect(ids(first) == [1])
        #expect(ids(add(2, 10)) == nil && ids(add(3, 20)) == nil)
        #expect(ids(desk.overdue(now: at(400))) == nil)
        let second = try #require(desk.overdue(now: at(500)))
        #expect(ids(second) == [2, 3])
        #expect(ids(add(4, 600)) == nil)
        // The second is answered, the first is lost: nobody waits for it any more.
        let third = try #require(desk.next(after: second.number, now: at(700)))
        #expect(ids(third) == [4])
        #expect(ids(desk.next(after: third.number, now: at(710))) == nil)
        let fourth = try #require(add(5, 720))
        #expect(ids(add(6, 730)) == nil)
        #expect(ids(desk.next(after: first.number, now: at(6000))) == nil)
        #expect(ids(desk.next(after: fourth.number, now: at(6001))) == [6])
        #expect(ids(desk.overdue(now: at(9000))) == nil)
    }

    @Test func `a renewal that is in the log before the end wins`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        try bench.apply(.leaseGrant(id: 7, ttl: 10))
        try bench.put("a", lease: 7)
        bench.time.advance(by: .seconds(11))
        let due = try bench.machine.due(bench.time.now(), leading).map { try StoreCommand(decoding: $0) }
        #expect(due.contains { if case .leasesEnd = $0 { true } else { false } })
        guard case .renewed(let seconds) = try bench.apply(.leasesRenew([7, 8])) else {
            Issue.record("no renewal")
            return
        }
        #expect(seconds == [10, nil])
        for command in due { try bench.apply(command) }
        #expect(try bench.keys() == ["a"])
        try bench.tick(.milliseconds(9_900), leading)
        #expect(try bench.keys() == ["a"])
        try bench.tick(.milliseconds(200), leading)
        #expect(try bench.keys() == [])
    }

    @Test func `after a change of leader or a pause every lease has its whole time again`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        try bench.apply(.leaseGrant(id: 7, ttl: 10))
        try bench.put("a", lease: 7)
        bench.time.advance(by: .seconds(60))
        let again = Leadership(term: 1, since: bench.time.now())
        try bench.tick(.milliseconds(9_900), again)
        #expect(try bench.keys() == ["a"])
        #expect(bench.machine.state.withLock { $0.lessor.remaining(7, now: bench.time.now()) } == 0)
        try bench.tick(.milliseconds(200), again)
        #expect(try bench.keys() == [])
    }

    @Test func `who does not lead counts with the leader of the term`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        func left() -> Int64? { bench.machine.state.withLock { $0.lessor.remaining(7, now: bench.time.now()) } }
        try bench.apply(.leaseGrant(id: 7, ttl: 20))
        bench.time.advance(by: .seconds(12))
        #expect(left() == 8)
        // A new leader gives it its whole time, and says so with the first entry of its term.
        bench.term += 1
        try bench.put("a")
        #expect(left() == 20)
        bench.time.advance(by: .seconds(5))
        try bench.put("a")
        #expect(left() == 15)
        try bench.apply(.leasesRenew([7]))
        bench.time.advance(by: .seconds(2))
        #expect(left() == 18)
    }

    @Test func `a long lease's recorded time is what a new leader gives it`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        try bench.apply(.leaseGrant(id: 7, ttl: 1_000))
        let commands = try bench.tick(.seconds(301), leading)
        #expect(commands.contains(.leasesRecord([.init(sight: LeaseSight(id: 7, renewed: 2), seconds: 699)])), "\(commands)")
        bench.time.advance(by: .seconds(1))
        let next = Leadership(term: 2, since: bench.time.now())
        try bench.tick(.seconds(698), next)
        #expect(bench.machine.state.withLock { $0.lessor.sortedIDs } == [7])
        try bench.tick(.seconds(2), next)
        #expect(bench.machine.state.withLock { $0.lessor.sortedIDs } == [])
    }

    @Test func `time that was recorded passes once, however often it is recorded and whoever leads afterwards`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.apply(.leaseGrant(id: 7, ttl: 3_600))
        try bench.put("a", lease: 7)
        bench.time.advance(by: .seconds(10))
        bench.term = 2
        let second = Leadership(term: 2, since: bench.time.now())
        try bench.tick(.zero, second)
        func left() -> Int64? { bench.machine.state.withLock { $0.lessor.remaining(7, now: bench.time.now()) } }
        for _ in 0..<100 {
            try bench.tick(.seconds(12), second)
            // Its whole time from the beginning of this leadership on.
            #expect(left() == 3_600 - Int64((bench.time.now() - second.since) / .seconds(1)))
        }
        // It is known up to the last recording, and what passed since then is given again.
        let third = Leadership(term: 3, since: bench.time.now())
        bench.term = 3
        try bench.tick(.zero, third)
        try bench.put("a", lease: 7)
        #expect((2_400...2_700).contains(try #require(left())), "\(left() ?? 0)")
        try bench.tick(.seconds(try #require(left()) - 1), third)
        #expect(try bench.keys() == ["a"])
        try bench.tick(.seconds(2), third)
        #expect(try bench.keys() == [])
    }

    @Test func `what is left is recorded in whole seconds, not one too few`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        try bench.apply(.leaseGrant(id: 7, ttl: 1_000))
        let commands = try bench.tick(.milliseconds(300_100), leading)
        #expect(commands.contains(.leasesRecord([.init(sight: LeaseSight(id: 7, renewed: 2), seconds: 700)])), "\(commands)")
    }

    @Test func `no more than five hundred leases end at once, and a thousand in a second`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.tick(.zero, leading)
        for id: Int64 in 1...2_000 { try bench.apply(.leaseGrant(id: id, ttl: 2)) }
        func left() -> Int { bench.machine.state.withLock { $0.lessor.leases.count } }
        try bench.tick(.seconds(3), leading)
        #expect(left() == 1_500)
        try bench.tick(.milliseconds(100), leading)
        #expect(left() == 1_400)
        try bench.tick(.seconds(1), leading)
        #expect(left() == 900)
    }

    @Test func `grants are refused with etcd's words`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.apply(.leaseGrant(id: 7, ttl: 10))
        #expect(try bench.refusal(.leaseGrant(id: 7, ttl: 10)) == .precondition("etcdserver: lease already exists"))
        #expect(try bench.refusal(.leaseGrant(id: 8, ttl: 9_000_000_001)) == .outOfRange("etcdserver: too large lease TTL"))
        let put = StoreCommand.transaction(Transaction(then: [.put("a", [], lease: 8)]))
        #expect(try bench.refusal(put) == .missing("etcdserver: requested lease not found"))
    }

    @Test func `leases and what hangs on them survive a restart`() throws {
        let directory = try TemporaryDirectory()
        do {
            let bench = try Bench(directory.path)
            try bench.apply(.leaseGrant(id: 7, ttl: 10))
            try bench.apply(.leaseGrant(id: -8, ttl: 20))
            try bench.put("a", lease: 7)
            try bench.put("b", lease: -8)
            try bench.apply(.leasesRevoke([-8]))
            try bench.apply(.leasesRenew([7]))
            _ = try bench.machine.checkpoint()
            try bench.machine.storage.close()
        }
        let bench = try Bench(directory.path)
        let lease = try #require(bench.machine.state.withLock { $0.lessor.leases[7] })
        #expect(lease.granted == 10 && lease.renewed == 6 && lease.keys == ["a"])
        #expect(bench.machine.state.withLock { $0.lessor.sortedIDs } == [7])
        try bench.apply(.leasesRevoke([7]))
        #expect(try bench.keys() == [])
    }
}
