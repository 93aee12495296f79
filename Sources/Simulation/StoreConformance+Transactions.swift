import Store

extension StoreConformance {
    static let transactions: [Check] = [
        Check("compares look at version, revisions, value and lease") { store in
            try await store.put("a", [5])
            try await store.put("a", [6])
            let holds: [Compare] = [
                Compare("a", .equal, .version(2)), Compare("a", .greater, .version(1)), Compare("a", .less, .version(3)),
                Compare("a", .notEqual, .version(1)), Compare("a", .equal, .createRevision(2)),
                Compare("a", .less, .createRevision(3)), Compare("a", .equal, .modRevision(3)),
                Compare("a", .greater, .modRevision(2)), Compare("a", .notEqual, .modRevision(2)),
                Compare("a", .equal, .value([6])), Compare("a", .greater, .value([5, 9])), Compare("a", .less, .value([6, 0])),
                Compare("a", .notEqual, .value([])), Compare("a", .equal, .lease(0)),
            ]
            for compare in holds { try await check(store, compare, holds: true) }
            let fails: [Compare] = [
                Compare("a", .equal, .version(1)), Compare("a", .greater, .version(2)), Compare("a", .less, .version(2)),
                Compare("a", .notEqual, .version(2)), Compare("a", .greater, .createRevision(2)),
                Compare("a", .notEqual, .modRevision(3)), Compare("a", .equal, .value([5])),
                Compare("a", .greater, .value([6])), Compare("a", .less, .value([6])), Compare("a", .notEqual, .lease(0)),
            ]
            for compare in fails { try await check(store, compare, holds: false) }
        },
        Check("a missing key compares as zeros; a compare of its value never holds") { store in
            let holds: [Compare] = [
                Compare("a", .equal, .version(0)), Compare("a", .equal, .createRevision(0)),
                Compare("a", .equal, .modRevision(0)), Compare("a", .less, .modRevision(1)), Compare("a", .equal, .lease(0)),
            ]
            for compare in holds { try await check(store, compare, holds: true) }
            let fails: [Compare] = [
                Compare("a", .greater, .version(0)), Compare("a", .notEqual, .createRevision(0)),
                Compare("a", .equal, .value([])), Compare("a", .notEqual, .value([1])), Compare("a", .less, .value([1])),
            ]
            for compare in fails { try await check(store, compare, holds: false) }
            try await store.put("a", [1])
            _ = try await store.commit(Transaction(then: [.delete("a")]))
            try await check(store, Compare("a", .equal, .modRevision(0)), holds: true)
        },
        Check("all compares must hold; else the other branch is taken") { store in
            try await store.put("a", [1])
            let transaction = Transaction(
                if: [Compare("a", .equal, .version(1)), Compare("b", .greater, .version(0))],
                then: [.put("then", [])], otherwise: [.put("else", [])])
            let result = try await store.commit(transaction)
            try expect(result, is: TransactionResult(revision: 3, succeeded: false, results: [.put(previous: nil)]))
            try await store.put("b", [])
            try expect(await store.commit(transaction).succeeded, is: true)
            try expect(await store.range(RangeRequest(.all)).entries.map(\.key), is: ["a", "b", "else", "then"])
        },
        Check("operations see those before them in the transaction") { store in
            try await store.put("a", [1])
            let all = RangeRequest(.all)
            let result = try await store.commit(Transaction(then: [
                .range(all), .put("b", [2]), .range(all), .delete("a"), .range(all), .range(RangeRequest(.all, at: 2)),
            ]))
            let a = Entry(key: "a", value: [1], createRevision: 2, modRevision: 2, version: 1)
            let b = Entry(key: "b", value: [2], createRevision: 3, modRevision: 3, version: 1)
            try expect(result.results, is: [
                .range(RangeResult(entries: [a], count: 1, revision: 2)), .put(previous: nil),
                .range(RangeResult(entries: [a, b], count: 2, revision: 3)), .delete(previous: [a]),
                .range(RangeResult(entries: [b], count: 1, revision: 3)),
                .range(RangeResult(entries: [a], count: 1, revision: 3)),
            ])
        },
        Check("nested transactions are one revision, and all compares look at the state before it") { store in
            try await store.put("a", [1])
            let inner = Transaction(
                if: [Compare("b", .equal, .version(0))], then: [.put("c", [3])], otherwise: [.put("d", [4])])
            let result = try await store.commit(Transaction(
                if: [Compare("a", .equal, .version(1))], then: [.put("b", [2]), .transaction(inner)]))
            try expect(result.revision, is: 3)
            try expect(result.results, is: [
                .put(previous: nil),
                .transaction(TransactionResult(revision: 3, succeeded: true, results: [.put(previous: nil)])),
            ])
            try expect(await store.get("c")?.modRevision, is: 3)
            try expect(await store.get("d"), is: nil)
        },
        Check("of two transactions that compare the same, one wins") { store in
            try await store.put("a", [0])
            let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 1...20 {
                    group.addTask {
                        try await store.commit(Transaction(
                            if: [Compare("a", .equal, .modRevision(2))], then: [.put("a", [UInt8(number)])])).succeeded
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try expect(winners, is: 1)
            try expect(await store.get("a")?.modRevision, is: 3)
        },
        Check("an acknowledged write is seen by every later read") { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<8 {
                    group.addTask {
                        for number in 0..<25 {
                            let key = Key("\(writer)")
                            let revision = try await store.put(key, [UInt8(number)])
                            let entry = try await store.get(key)
                            try expect(entry?.modRevision, is: revision)
                            try expect(entry?.value, is: [UInt8(number)])
                        }
                    }
                }
                try await group.waitForAll()
            }
            try expect(await store.range(RangeRequest(.all)).revision, is: 201)
        },
    ]

    private static let duplicate = StoreError.invalid("etcdserver: duplicate key given in txn request")
    private static let tooMany = StoreError.invalid("etcdserver: too many operations in txn request")

    static let rules: [Check] = [
        Check("a key may not be put twice") { store in
            try await expect(refusal: duplicate) {
                _ = try await store.commit(Transaction(then: [.put("a", [1]), .put("a", [2])]))
            }
            try await expect(refusal: duplicate) {
                _ = try await store.commit(Transaction(then: [], otherwise: [.put("a", [1]), .put("a", [2])]))
            }
            try await expect(refusal: duplicate) {
                _ = try await store.commit(Transaction(then: [.put("a", [1]), .transaction(Transaction(then: [.put("a", [2])]))]))
            }
            try expect(await store.range(RangeRequest(.all)).revision, is: 1)
        },
        Check("the branches of one transaction may put the same key") { store in
            let inner = Transaction(then: [.put("b", [1])], otherwise: [.put("b", [2])])
            _ = try await store.commit(Transaction(then: [.put("a", [1]), .transaction(inner)], otherwise: [.put("a", [2])]))
            try expect(await store.get("b")?.value, is: [1])
        },
        Check("a key may not be put where the transaction deletes") { store in
            for operations: [Operation] in [
                [.put("a", [1]), .delete("a")], [.delete("a"), .put("a", [1])], [.delete(.prefix("a")), .put("ab", [1])],
                [.put("ab", [1]), .delete(.all)], [.delete(.all), .transaction(Transaction(then: [.put("ab", [1])]))],
            ] {
                try await expect(refusal: duplicate) { _ = try await store.commit(Transaction(then: operations)) }
            }
            _ = try await store.commit(Transaction(then: [.delete(.prefix("a")), .delete(.prefix("ab")), .put("b", [1])]))
        },
        Check("at most 128 operations, nested ones counted with their parent's") { store in
            func puts(_ count: Int, _ prefix: String = "k") -> [Operation] { (0..<count).map { .put(Key("\(prefix)\($0)"), []) } }
            _ = try await store.commit(Transaction(then: puts(128), otherwise: puts(128)))
            try await expect(refusal: tooMany) { _ = try await store.commit(Transaction(then: puts(129))) }
            try await expect(refusal: tooMany) { _ = try await store.commit(Transaction(then: [], otherwise: puts(129))) }
            try await expect(refusal: tooMany) {
                _ = try await store.commit(Transaction(
                    if: (0..<129).map { Compare(Key("k\($0)"), .equal, .version(0)) }, then: []))
            }
            let nested = Transaction(then: puts(64) + [.transaction(Transaction(then: puts(64, "n")))])
            try await expect(refusal: tooMany) { _ = try await store.commit(nested) }
            _ = try await store.commit(Transaction(then: puts(64) + [.transaction(Transaction(then: puts(63, "n")))]))
            try expect(await store.range(RangeRequest(.all)).revision, is: 3)
        },
        Check("a request over 1.5 MiB is refused") { store in
            try await expect(refusal: .invalid("etcdserver: request is too large")) {
                try await store.put("a", [UInt8](repeating: 1, count: Transaction.bytesMax))
            }
            let half = [UInt8](repeating: 1, count: Transaction.bytesMax / 2)
            try await expect(refusal: .invalid("etcdserver: request is too large")) {
                _ = try await store.commit(Transaction(then: [.put("a", half), .put("b", half)]))
            }
            try expect(await store.range(RangeRequest(.all)).revision, is: 1)
        },
        Check("a key must not be empty") { store in
            try await expect(refusal: .invalid("etcdserver: key is not provided")) { try await store.put("", [1]) }
        },
    ]

    private static func check(
        _ store: any Store, _ compare: Compare, holds: Bool, line: UInt = #line, file: String = #fileID
    ) async throws {
        let result = try await store.commit(Transaction(if: [compare], then: []))
        try expect(result.succeeded, is: holds, "\(compare)", line: line, file: file)
    }
}
