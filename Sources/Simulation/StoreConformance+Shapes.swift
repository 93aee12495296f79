import Store

extension StoreConformance {
    static let shapes: [Check] = [
        Check("entries are sorted as asked, equal ones by key") { store in
            try await fill(store)
            func keys(_ order: RangeRequest.Sort.Order, _ target: RangeRequest.Sort.Target) async throws -> [Key] {
                try await store.range(RangeRequest(.all, sort: .init(order, by: target))).entries.map(\.key)
            }
            try expect(await keys(.descending, .key), is: ["d", "c", "b", "a"])
            try expect(await keys(.ascending, .key), is: ["a", "b", "c", "d"])
            try expect(await keys(.ascending, .createRevision), is: ["c", "a", "d", "b"])
            try expect(await keys(.descending, .modRevision), is: ["a", "b", "d", "c"])
            try expect(await keys(.descending, .value), is: ["c", "b", "d", "a"])
            try expect(await keys(.descending, .version).first, is: "a")
        },
        Check("the limit counts after sorting, and says when it left something out") { store in
            try await fill(store)
            let two = try await store.range(RangeRequest(.all, limit: 2, sort: .init(.descending, by: .modRevision)))
            try expect(two.entries.map(\.key), is: ["a", "b"])
            try expect(two.hasMore, is: true)
            try expect(two.count, is: 4)
            try expect(await store.range(RangeRequest(.all, limit: 3)).hasMore, is: true)
            try expect(await store.range(RangeRequest(.all, limit: 4)).hasMore, is: false)
            try expect(await store.range(RangeRequest(.all)).hasMore, is: false)
        },
        Check("bounds on revisions leave entries out, and do not change the count") { store in
            try await fill(store)
            var request = RangeRequest(.all)
            request.minMod = 4
            var seen = try await store.range(request)
            try expect(seen.entries.map(\.key), is: ["a", "b", "d"])
            try expect(seen.count, is: 4)
            request.maxMod = 5
            request.limit = 1
            seen = try await store.range(request)
            try expect(seen.entries.map(\.key), is: ["b"])
            try expect(seen.hasMore, is: true)
            request = RangeRequest(.all, keysOnly: true)
            request.maxCreate = 3
            try expect(await store.range(request).entries.map(\.key), is: ["a", "c"])
            request.minCreate = 3
            try expect(await store.range(request).entries.map(\.value), is: [[]])
        },
        Check("keys alone are sorted by their values, and at old revisions too") { store in
            try await fill(store)
            let keys = try await store.range(RangeRequest(.all, keysOnly: true, sort: .init(.ascending, by: .value)))
            try expect(keys.entries.map(\.key), is: ["a", "d", "b", "c"])
            try expect(keys.entries.allSatisfy { $0.value.isEmpty }, is: true)
            let old = try await store.range(RangeRequest(.all, at: 5, sort: .init(.descending, by: .value)))
            try expect(old.entries.map(\.key), is: ["a", "c", "b", "d"])
        },
        Check("a compare may ask for every key of a range") { store in
            try await fill(store)
            try expect(await holds(store, Compare(allOf: .all, .greater, .version(0))), is: true)
            try expect(await holds(store, Compare(allOf: .all, .equal, .version(1))), is: false)
            try expect(await holds(store, Compare(allOf: .prefix("b"), .equal, .version(1))), is: true)
            try expect(await holds(store, Compare(allOf: .prefix("z"), .equal, .version(0))), is: true)
            try expect(await holds(store, Compare(allOf: .prefix("z"), .notEqual, .value([1]))), is: false)
        },
    ]

    private static func holds(_ store: any Store, _ compare: Compare) async throws -> Bool {
        let result = try await store.commit(Transaction(if: [compare], then: []))
        return result.succeeded
    }

    static let amendments: [Check] = [
        Check("an amendment keeps what it does not name") { store in
            try await store.put("a", [1])
            let result = try await store.commit(Transaction(then: [.amend("a", value: nil, lease: 0)]))
            try expect(result.revision, is: 3)
            let before = Entry(key: "a", value: [1], createRevision: 2, modRevision: 2, version: 1)
            try expect(result.results, is: [.put(previous: before)])
            _ = try await store.commit(Transaction(then: [.amend("a", value: [2], lease: nil)]))
            try expect(
                await store.get("a"), is: Entry(key: "a", value: [2], createRevision: 2, modRevision: 4, version: 3))
        },
        Check("an amendment of what is not there refuses the whole transaction") { store in
            try await store.put("a", [1])
            _ = try await store.commit(Transaction(then: [.delete("a")]))
            for key: Key in ["a", "b"] {
                try await expect(refusal: .invalid("etcdserver: key not found")) {
                    _ = try await store.commit(Transaction(then: [.put("c", [1]), .amend(key, value: nil, lease: nil)]))
                }
            }
            try expect(await store.get("c"), is: nil)
            try expect(await store.range(RangeRequest(.all)).revision, is: 3)
        },
        Check("a put with a lease that is not there is refused") { store in
            try await expect(refusal: .missing("etcdserver: requested lease not found")) {
                _ = try await store.commit(Transaction(then: [.put("a", [1], lease: 77)]))
            }
            try await expect(refusal: .missing("etcdserver: requested lease not found")) {
                _ = try await store.commit(Transaction(then: [.put("a", [1]), .put("b", [1], lease: 77)]))
            }
            try expect(await store.range(RangeRequest(.all)).revision, is: 1)
        },
    ]

    /// c=9 (2), a=10 (3), d=2 (4), b=3 (5), a=1 (6)
    private static func fill(_ store: any Store) async throws {
        try await store.put("c", [9])
        try await store.put("a", [10])
        try await store.put("d", [2])
        try await store.put("b", [3])
        try await store.put("a", [1])
    }
}
