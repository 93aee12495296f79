import Foundation
import Host
import Raft
import Replica
import Simulation
import Store
import Synchronization
import Testing
@testable import Chainfire

struct MachineTests {
    private let leading = Leadership(term: 1, since: Instant(sinceStart: .zero))

    @Test func `a full database loses nothing, says so, and goes on by itself`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path, tiny, pagesMax: 40)
        let value = [UInt8](repeating: 7, count: 3_000)
        for number in 0..<100 { try bench.put(Key("k\(number)"), value) }
        let isWritten = try bench.machine.flush()
        #expect(!isWritten)
        let isFull = bench.machine.isFull.load(ordering: .relaxed)
        #expect(isFull)
        let durable = try bench.machine.checkpoint()
        #expect(durable < bench.index)
        try bench.put("k5", [1])
        #expect(try bench.keys().count == 100)
        #expect(try bench.machine.range(RangeRequest(.single("k7"))).entries.first?.value == value)
        #expect(try bench.machine.range(RangeRequest(.single("k5"), at: 90)).entries.first?.value == value)
        guard let storage = bench.machine.storage as? Storage else { return }
        try storage.writer.withLock { try $0?.run("PRAGMA max_page_count = 100000") }
        #expect(try bench.machine.checkpoint() == bench.index)
        let isStillFull = bench.machine.isFull.load(ordering: .relaxed)
        #expect(!isStillFull)
        try storage.close()
        let again = try Bench(directory.path)
        #expect(again.index == bench.index)
        #expect(try again.keys().count == 100)
    }

    @Test func `an entry that cannot be applied is not written as if it were`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        try bench.put("a", [1])
        try bench.machine.flush()
        #expect(throws: ChainfireError.self) { try bench.machine.apply([Command(index: bench.index + 1, term: 1, bytes: [99, 1])]) }
        #expect(throws: ChainfireError.self) { try bench.machine.flush() }
        #expect(throws: ChainfireError.self) { _ = try bench.machine.checkpoint() }
        #expect(throws: StoreError.self) { _ = try bench.keys() }
        try bench.machine.storage.close()
        let again = try Bench(directory.path)
        #expect(again.index == bench.index)
        #expect(try again.keys() == ["a"])
    }

    @Test func `what a killed process wrote counts as durable only once it was made so`() throws {
        let directory = try TemporaryDirectory()
        let first = try Bench(directory.path)
        for number in 0..<50 { try first.put(Key("k\(number)"), [UInt8](repeating: 7, count: 3_000)) }
        try first.machine.flush()
        // As a process that was killed leaves it.
        let here = try TemporaryDirectory()
        for name in ["state.db", "state.db-wal"] { try FileManager.default.copyItem(atPath: directory.path + "/" + name, toPath: here.path + "/" + name) }
        let again = try Bench(here.path, pagesMax: 1)
        #expect(again.index == first.index)
        try again.put("more", [UInt8](repeating: 1, count: 30_000))
        #expect(try again.machine.checkpoint() == 0, "the disk is full: the log must keep all of it")
    }

    @Test func `the quota raises an alarm that refuses puts, lets deletes through, and clears itself`() throws {
        let directory = try TemporaryDirectory()
        var options = ChainfireOptions()
        options.quotaBytes = 10_000
        let bench = try Bench(directory.path, options)
        for number in 0..<10 { try bench.put(Key("k\(number)"), [UInt8](repeating: 1, count: 1_000)) }
        try bench.tick(.zero, leading)
        let hasAlarm = bench.machine.hasSpaceAlarm.load(ordering: .relaxed)
        #expect(hasAlarm)
        let put = StoreCommand.transaction(Transaction(then: [.put("x", [])]))
        #expect(try bench.refusal(put) == .noSpace)
        #expect(try bench.refusal(.transaction(Transaction(then: [.delete("k0")]))) == nil)
        try bench.tick(.milliseconds(50), leading)
        #expect(try bench.refusal(put) == .noSpace)
        #expect(try bench.refusal(.transaction(Transaction(then: [.delete("k1")]))) == nil)
        try bench.tick(.milliseconds(50), leading)
        #expect(try bench.refusal(put) == nil)
    }

    @Test func `while members are said to differ nothing changes, and leases stay`() throws {
        let directory = try TemporaryDirectory()
        do {
            let bench = try Bench(directory.path)
            try bench.tick(.zero, leading)
            try bench.apply(.leaseGrant(id: 7, ttl: 2))
            try bench.put("k", [1], lease: 7)
            try bench.apply(.alarm(isRaised: true, Alarm(memberID: 1, kind: .corrupt)))
            let sight = try #require(bench.machine.state.withLock { state in state.lessor.leases[7].map { LeaseSight(id: 7, renewed: $0.renewed) } })
            for command: StoreCommand in [
                .transaction(Transaction(then: [.put("k", [2])])), .transaction(Transaction(then: [.delete("k")])), .compaction(1),
                .leaseGrant(id: 8, ttl: 2), .leasesRevoke([7]), .leasesEnd([sight]),
            ] { #expect(try bench.refusal(command) == Keyspace.corruptCluster, "\(command)") }
            #expect(bench.machine.due(Instant(sinceStart: .seconds(600)), leading).isEmpty)
            let hasSpaceAlarm = bench.machine.hasSpaceAlarm.load(ordering: .relaxed)
            #expect(!hasSpaceAlarm)
            _ = try bench.machine.checkpoint()
        }
        let bench = try Bench(directory.path)
        #expect(try bench.keys() == ["k"])
        #expect(try bench.refusal(.transaction(Transaction(then: [.put("k", [2])]))) == Keyspace.corruptCluster)
        try bench.apply(.alarm(isRaised: false, Alarm(memberID: 1, kind: .corrupt)))
        #expect(try bench.refusal(.transaction(Transaction(then: [.put("k", [2])]))) == nil)
    }

    @Test func `a snapshot makes another member the same, and its watchers go on`() throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let source = try Bench(here.path)
        try source.tick(.zero, leading)
        try source.apply(.leaseGrant(id: 7, ttl: 10))
        for number in 0..<50 { try source.put(Key("k\(number % 9)"), [UInt8(number)], lease: number % 9 == 0 ? 7 : 0) }
        try source.apply(.compaction(20))
        let head = try source.machine.snapshot(to: here.path + "/copy")
        #expect(head.position.index == source.index)
        #expect(head.configuration == Configuration(voters: [1]))
        let target = try Bench(there.path, tiny)
        let late = try target.machine.openWatcher(.all, from: 2, listener: WatchSignal {})
        let early = try target.machine.openWatcher(.all, from: 30, listener: WatchSignal {})
        #expect(try early.next() == nil)
        try FileManager.default.moveItem(atPath: here.path + "/copy", toPath: there.path + "/copy")
        // It had no room until it got another database.
        target.machine.isFull.store(true, ordering: .relaxed)
        try target.machine.prepare(there.path + "/copy", head)
        try target.machine.install(there.path + "/copy", head)
        let isFull = target.machine.isFull.load(ordering: .relaxed)
        #expect(!isFull)
        #expect(target.machine.applied.position == head.position)
        #expect(try target.machine.hash(at: nil) == source.machine.hash(at: nil))
        #expect(target.machine.state.withLock { $0.lessor.leases[7]?.keys } == ["k0"])
        #expect(throws: StoreError.compacted(oldest: 20)) { _ = try late.next() }
        var told: [Revision] = []
        while let page = try early.next()?.page { told += page.events.map(\.revision) }
        #expect(told == Array(30...51))
        try target.machine.storage.close()
        #expect(try Bench(there.path).machine.applied.position == head.position)
    }

    @Test func `a copy that is made while another state is put in place is of the one or of the other`() async throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let source = try Bench(here.path)
        for number in 0..<200 { try source.put(Key("new\(number)"), [UInt8](repeating: 1, count: 2_000)) }
        let head = try source.machine.snapshot(to: here.path + "/copy")
        let target = try Bench(there.path)
        for number in 0..<200 { try target.put(Key("old\(number)"), [UInt8](repeating: 2, count: 2_000)) }
        try target.machine.flush()
        let machine = target.machine
        final class Flag: Sendable { let isSet = Atomic(false) }
        let (done, path) = (Flag(), there.path + "/backup")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    _ = try machine.storage.snapshot(to: path)
                    let problems = try Storage.check(path)
                    var kinds: Set<Substring> = []
                    try Storage.readRows(path) { kinds.insert($0.key.description.prefix(3)) }
                    #expect(problems.isEmpty && kinds.count == 1, "\(problems) \(kinds)")
                    if done.isSet.load(ordering: .relaxed) { break }
                }
            }
            for _ in 0..<20 {
                try FileManager.default.copyItem(atPath: here.path + "/copy", toPath: there.path + "/copy")
                try machine.prepare(there.path + "/copy", head)
                try machine.install(there.path + "/copy", head)
            }
            done.isSet.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
    }

    @Test func `a snapshot that was moved into place and not opened yet is found after a crash`() throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let source = try Bench(here.path)
        try source.put("a", [1])
        _ = try source.machine.snapshot(to: there.path + "/state.db.next")
        try Data("old".utf8).write(to: URL(filePath: there.path + "/state.db-wal"))
        #expect(try Bench(there.path).keys() == ["a"])
    }

    @Test func `members of equal revision and compaction have equal hashes, whatever they cached or wrote`() throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let (one, other) = (try Bench(here.path), try Bench(there.path, tiny))
        var dice = SeededDice(3)
        for step in 0..<400 {
            let key = Key("k\(Int.random(in: 0..<30, using: &dice))")
            let command: StoreCommand = step % 100 == 99
                ? .compaction(Revision(step / 2))
                : .transaction(Transaction(then: [step % 5 == 0 ? .delete(key) : .put(key, [UInt8(step % 256)])]))
            try one.apply(command)
            try other.apply(command)
            if step % 7 == 0 { try other.machine.flush() }
            if step % 50 == 0 { #expect(try one.machine.hash(at: nil) == other.machine.hash(at: nil), "step \(step)") }
        }
        _ = try other.machine.checkpoint()
        try other.machine.storage.close()
        #expect(try Bench(there.path).machine.hash(at: nil) == one.machine.hash(at: nil))
        try one.put("x")
        #expect(try one.machine.hash(at: nil).hash != Bench(there.path).machine.hash(at: nil).hash)
    }

    @Test func `progress is told only when everything was given out`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        let watchers = [
            try bench.machine.openWatcher(.prefix("a"), from: nil, listener: WatchSignal {}),
            try bench.machine.openWatcher(.prefix("b"), from: nil, listener: WatchSignal {}),
        ]
        #expect(bench.machine.progress(of: watchers) == nil)
        for watcher in watchers { #expect(try watcher.next() == nil) }
        #expect(bench.machine.progress(of: watchers) == 1)
        try bench.put("a1")
        #expect(bench.machine.progress(of: watchers) == nil)
        #expect(watchers[1].progress() == 2)
        let given = try watchers[0].next()
        #expect(given?.page.revision == 2 && given?.isLast == true)
        #expect(bench.machine.progress(of: watchers) == 2)
        #expect(try watchers[0].next() == nil)
    }

    @Test func `watchers that are asked together are given as much as they may, and the rest keep what is theirs`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        let listener = Tags()
        let watchers = try (0..<5).map { try bench.machine.openWatcher(.prefix("a"), from: nil, listener: listener, tag: UInt64($0)) }
        for watcher in watchers { #expect(try watcher.next() == nil) }
        try bench.put("a1", [UInt8](repeating: 1, count: 1000))
        #expect(listener.told.withLock { $0 } == [[0, 1, 2, 3, 4]])
        let some = Watcher.next(of: watchers.map { ($0, false) }, bytesMax: 3000)
        #expect(some.count == 3)
        let rest = Watcher.next(of: watchers[some.count...].map { ($0, false) }, bytesMax: 1 << 20)
        #expect(rest.count == 2)
        for given in some + rest {
            guard case .portion(let portion) = try given.get() else {
                Issue.record("\(given)")
                continue
            }
            #expect(portion.page.events.count == 1 && portion.isLast)
        }
        // One that is cancelled has nothing, and is no reason to ask no others.
        watchers[0].cancel()
        try bench.put("a2")
        #expect(listener.told.withLock { $0.last } == [1, 2, 3, 4])
        var left = watchers[...]
        var revisions: [Revision?] = []
        while !left.isEmpty {
            let given = Watcher.next(of: left.map { ($0, false) }, bytesMax: 1 << 20)
            revisions += try given.map { if case .portion(let portion) = try $0.get() { portion.page.revision } else { nil } }
            left = left.dropFirst(given.count)
        }
        #expect(revisions == [nil, 3, 3, 3, 3])
    }

    @Test func `old history is read for as many watchers as may, and the others lose nothing by it`() async throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path, tiny, background: true)
        for number in 0..<20 { try bench.put("a", [UInt8(number)]) }
        try bench.machine.flush()
        let listener = Tags()
        let watchers = try (0..<5).map { try bench.machine.openWatcher(.prefix("a"), from: 2, listener: listener, tag: UInt64($0)) }
        func ask(_ some: [Watcher], mayRead: Int) throws -> [String] {
            try Watcher.next(of: some.enumerated().map { ($1, $0 < mayRead) }, bytesMax: 1 << 20).map { given in
                switch try given.get() {
                case .portion(let portion): "\(portion.page.events.map(\.revision))"
                case .nothing: "nothing"
                case .reading: "reading"
                case .behind: "behind"
                }
            }
        }
        #expect(try ask(watchers, mayRead: 2) == ["reading", "reading", "behind", "behind", "behind"])
        while Set(listener.told.withLock { $0.flatMap(\.self) }) != [0, 1] { await Task.yield() }
        let all = "\(Array(Revision(2)...20))"
        #expect(try ask([watchers[0]], mayRead: 0) == [all])
        #expect(try ask([watchers[2], watchers[3]], mayRead: 1) == ["reading", "behind"])
        #expect(try ask([watchers[1]], mayRead: 0) == [all])
        // The newest is in the ring: nobody reads for it.
        #expect(try ask([watchers[0]], mayRead: 0) == ["[21]"])
    }

    @Test func `a restored directory is a new cluster whose old revisions are compacted`() async throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let (copy, target) = (here.path + "/copy", there.path + "/new")
        let before = try await withChainfire(in: here.path) { store in
            for number in 0..<20 { try await store.put(Key("k\(number % 7)"), [UInt8(number)]) }
            try await store.snapshot(to: copy)
            return (try await store.range(RangeRequest(.all)), store.header)
        }
        let report = try Chainfire.restore(snapshot: copy, to: target)
        let fresh = try Chainfire.check(directory: target)
        #expect(fresh.isSound && fresh.description.contains("no log yet"), "\(fresh)")
        let empty = target + "-empty"
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: false)
        #expect(throws: ChainfireError.self) { try Chainfire.check(directory: empty) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: empty) == [])
        #expect(report.keys == 7 && report.identity.clusterID != before.1.clusterID)
        for round in 0..<2 {
            try await withChainfire(in: target) { store in
                #expect(store.header.clusterID == report.identity.clusterID)
                let after = try await store.range(RangeRequest(.all))
                if round == 0 {
                    #expect(after.entries == before.0.entries)
                    #expect(after.revision == before.0.revision + 1_000_000_000)
                }
                await #expect(throws: StoreError.self) { _ = try await store.watch(.all, from: before.0.revision) }
                try await store.put("new", [UInt8(round)])
            }
        }
        #expect(try Chainfire.check(directory: target).isSound)
        #expect(throws: ChainfireError.self) { try Chainfire.restore(snapshot: copy, to: target) }
        // Further than revisions go: nothing is made.
        for bump: Revision in [.max, .max / 2, 1 << 42, 10_000_000_000_000] {
            #expect(throws: ChainfireError.self) { try Chainfire.restore(snapshot: copy, to: there.path + "/far", bumpRevision: bump) }
        }
        #expect(!FileManager.default.fileExists(atPath: there.path + "/far"))
        // A member that would not start is not sound.
        try Data([1, 2, 3]).write(to: URL(filePath: target + "/log/identity"))
        #expect(try Chainfire.check(directory: target).description.contains("log/identity is damaged"))
        try FileManager.default.removeItem(atPath: target + "/log/identity")
        #expect(try Chainfire.check(directory: target).isSound)
        try FileManager.default.removeItem(atPath: target + "/member")
        let nobody = try Chainfire.check(directory: target)
        #expect(!nobody.isSound && nobody.description.contains("/member is missing"))
    }
}

/// Notes what it is told.
private final class Tags: WatchListener {
    let told = Mutex<[[UInt64]]>([])

    func ready(_ tags: [UInt64]) { told.withLock { $0.append(tags) } }
}
