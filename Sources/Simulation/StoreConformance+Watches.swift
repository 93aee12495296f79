import Store

extension StoreConformance {
    static let watches: [Check] = [
        Check("a watch tells of what comes after it, in order") { store in
            try await store.put("a", [0])
            var teller = Teller(try await store.watch(.prefix("a"), from: nil))
            try await store.put("b", [9])
            try await store.put("a", [1])
            try await store.put("ab", [2])
            _ = try await store.commit(Transaction(then: [.delete("a")]))
            let a0 = Entry(key: "a", value: [0], createRevision: 2, modRevision: 2, version: 1)
            let a1 = Entry(key: "a", value: [1], createRevision: 2, modRevision: 4, version: 2)
            try expect(await teller.next(3), is: [
                .put(a1, previous: a0),
                .put(Entry(key: "ab", value: [2], createRevision: 5, modRevision: 5, version: 1), previous: nil),
                .delete("a", modRevision: 6, previous: a1),
            ])
        },
        Check("all events of a revision come in one batch") { store in
            var teller = Teller(try await store.watch(.all, from: nil))
            _ = try await store.commit(Transaction(then: (0..<100).map { .put(Key("k\($0)"), [1]) }))
            _ = try await store.commit(Transaction(then: [.delete(.all)]))
            _ = try await store.commit(Transaction(then: (0..<100).map { .put(Key("k\($0)"), [1]) }))
            let events = try await teller.next(300)
            try expect(events.map(\.revision), is: [2, 3, 4].flatMap { Array(repeating: $0, count: 100) })
        },
        Check("a watch from an old revision tells the history first, then goes on") { store in
            for number in 0..<20 { try await store.put("a", [UInt8(number)]) }
            var teller = Teller(try await store.watch(.single("a"), from: 7))
            try expect(await teller.next(15).map(\.revision), is: Array(7...21))
            try await store.put("b", [])
            try await store.put("a", [])
            let last = try await teller.next(1)
            try expect(last.map(\.revision), is: [23])
            if case .put(_, let previous) = last[0] { try expect(previous?.value, is: [19]) }
        },
        Check("a watch resumed after its last batch misses nothing and repeats nothing") { store in
            for number in 0..<30 { try await store.put(Key("k\(number % 3)"), [UInt8(number)]) }
            var seen: [Revision] = []
            var from: Revision = 2
            while seen.count < 30 {
                var iterator = try await store.watch(.all, from: from).makeAsyncIterator()
                guard let batch = try await iterator.next() else { break }
                seen += batch.events.map(\.revision)
                from = batch.revision + 1
            }
            try expect(seen, is: Array(2...31))
        },
        Check("a watch from a future revision sends nothing older") { store in
            var teller = Teller(try await store.watch(.all, from: 5))
            for number in 0..<5 { try await store.put("a", [UInt8(number)]) }
            try expect(await teller.next(2).map(\.revision), is: [5, 6])
        },
        Check("a watch tells only of its range") { store in
            var teller = Teller(try await store.watch(KeyRange(lower: "b", upper: "d"), from: 1))
            for key in ["a", "b", "c", "d", "bb"] { try await store.put(Key(key), []) }
            try expect(await teller.next(3).map(\.key), is: ["b", "c", "bb"])
        },
        Check("a watcher that does not read starves nobody and misses nothing") { store in
            var slow = Teller(try await store.watch(.all, from: nil))
            var quick = Teller(try await store.watch(.all, from: nil))
            for number in 0..<500 {
                try await store.put("a", [UInt8(truncatingIfNeeded: number)])
                _ = try await quick.next(1)
            }
            try expect(await slow.next(500).map(\.revision), is: Array(2...501))
        },
        Check("many watchers each get every event once") { store in
            let watches = try await Watches(store, count: 20)
            try await withThrowingTaskGroup(of: [Revision].self) { group in
                for watch in watches.all {
                    group.addTask {
                        var teller = Teller(watch)
                        return try await teller.next(100).map(\.revision)
                    }
                }
                for number in 0..<100 { try await store.put(Key("k\(number)"), []) }
                for try await revisions in group { try expect(revisions, is: Array(2...101)) }
            }
        },
        Check("cancelling its task ends a watch") { store in
            let watch = try await store.watch(.all, from: nil)
            let task = Task {
                for try await _ in watch {}
                return true
            }
            task.cancel()
            let ended = try? await task.value
            // It may end or say that it was cancelled, but it must come to an end.
            try expect(ended ?? true, is: true)
            try expect(await store.put("a", []), is: 2)
        },
    ]

    private struct Watches {
        var all: [Watch] = []

        init(_ store: any Store, count: Int) async throws {
            for _ in 0..<count { all.append(try await store.watch(.all, from: nil)) }
        }
    }
}

/// Reads a watch, and checks of every batch what holds of all: revisions rise, none is torn between
/// two batches, and none lies beyond what the batch says it tells.
struct Teller {
    private var iterator: AsyncThrowingStream<WatchBatch, any Error>.Iterator
    private var pending: [Event] = []
    private var told: Revision = 0

    init(_ watch: Watch) { iterator = watch.makeAsyncIterator() }

    /// The next `count` events.
    mutating func next(_ count: Int) async throws -> [Event] {
        while pending.count < count {
            guard let batch = try await iterator.next() else {
                throw StoreConformance.Failure(description: "the watch ended after \(pending.count) of \(count) events")
            }
            try take(batch)
        }
        defer { pending.removeFirst(count) }
        return Array(pending.prefix(count))
    }

    /// All events up to and including `revision`, which must concern the watch.
    mutating func next(through revision: Revision) async throws -> [Event] {
        while told < revision {
            guard let batch = try await iterator.next() else { break }
            try take(batch)
        }
        defer { pending = [] }
        return pending
    }

    private mutating func take(_ batch: WatchBatch) throws {
        let revisions = batch.events.map(\.revision)
        try expect(revisions == revisions.sorted(), "events out of order: \(revisions)")
        try expect((revisions.first ?? told + 1) > told, "revision \(revisions.first ?? 0) again, \(told) was told")
        try expect((revisions.last ?? 0) <= batch.revision, "an event beyond the batch's revision \(batch.revision)")
        told = batch.revision
        pending += batch.events
    }
}
