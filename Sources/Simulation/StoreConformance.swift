import Store

/// What every `Store` promises, as named checks. Each wants a fresh, empty store. They run against
/// `MemoryStore`, Chainfire and a real etcd alike.
package enum StoreConformance {
    package struct Check: Sendable, CustomStringConvertible {
        package var name: String
        package var run: @Sendable (any Store) async throws -> Void
        package var description: String { name }

        init(_ name: String, _ run: @escaping @Sendable (any Store) async throws -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// A promise that was not kept.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package static let all: [Check] = revisions + ranges + shapes + transactions + amendments + rules + watches + compactions
}

func expect(_ isTrue: Bool, _ claim: @autoclosure () -> String, line: UInt = #line, file: String = #fileID) throws {
    guard isTrue else { throw StoreConformance.Failure(description: "\(file):\(line): \(claim())") }
}

func expect<T: Equatable>(
    _ seen: T, is wanted: T, _ what: String = "", line: UInt = #line, file: String = #fileID
) throws {
    try expect(seen == wanted, "\(what) is \(seen), not \(wanted)", line: line, file: file)
}

func expect(
    refusal wanted: StoreError, line: UInt = #line, file: String = #fileID, _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let error as StoreError {
        return try expect(error == wanted, "refused with \(error), not \(wanted)", line: line, file: file)
    }
    throw StoreConformance.Failure(description: "\(file):\(line): not refused (\(wanted))")
}

extension StoreConformance {
    static let revisions: [Check] = [
        Check("an empty store is at revision 1") { store in
            try expect(await store.range(RangeRequest(.all)), is: RangeResult(entries: [], count: 0, revision: 1))
        },
        Check("a transaction that changes something raises the revision by one, whatever it does") { store in
            try expect(await store.put("a", [1]), is: 2)
            let result = try await store.commit(Transaction(then: [.put("b", [1]), .put("c", [2]), .delete("a")]))
            try expect(result.revision, is: 3)
            let all = try await store.range(RangeRequest(.all))
            try expect(all.entries.map(\.modRevision), is: [3, 3])
            try expect(all.revision, is: 3)
        },
        Check("a transaction that changes nothing leaves the revision") { store in
            try await store.put("a", [1])
            try expect(await store.commit(Transaction(then: [])).revision, is: 2, "of an empty one")
            try expect(await store.commit(Transaction(then: [.delete("z")])).revision, is: 2, "of an empty delete")
            try expect(await store.commit(Transaction(then: [.range(RangeRequest(.all))])).revision, is: 2, "of a read")
            let failed = try await store.commit(Transaction(if: [Compare("a", .equal, .version(7))], then: [.put("a", [2])]))
            try expect(failed, is: TransactionResult(revision: 2, succeeded: false, results: []))
            try expect(await store.range(RangeRequest(.all)).revision, is: 2)
        },
        Check("a refused transaction changes nothing") { store in
            try await store.put("a", [1])
            try await expect(refusal: .futureRevision(asked: 9, current: 2)) {
                _ = try await store.commit(Transaction(then: [.put("b", [1]), .range(RangeRequest(.all, at: 9))]))
            }
            try expect(await store.range(RangeRequest(.all)).entries.map(\.key), is: ["a"])
            try expect(await store.put("b", [1]), is: 3)
        },
        Check("versions count the puts since the creation, and begin again after a delete") { store in
            try await store.put("a", [1])
            try await store.put("a", [2])
            try await store.put("b", [9])
            try await store.put("a", [3])
            try expect(
                await store.get("a"), is: Entry(key: "a", value: [3], createRevision: 2, modRevision: 5, version: 3))
            _ = try await store.commit(Transaction(then: [.delete("a")]))
            try expect(await store.get("a"), is: nil)
            try await store.put("a", [4])
            try expect(
                await store.get("a"), is: Entry(key: "a", value: [4], createRevision: 7, modRevision: 7, version: 1))
        },
        Check("a put tells what was there, a delete all that it took") { store in
            let first = try await store.commit(Transaction(then: [.put("a", [1])]))
            try expect(first.results, is: [.put(previous: nil)])
            let entry = Entry(key: "a", value: [1], createRevision: 2, modRevision: 2, version: 1)
            let second = try await store.commit(Transaction(then: [.put("a", [2])]))
            try expect(second.results, is: [.put(previous: entry)])
            try await store.put("ab", [3])
            let third = try await store.commit(Transaction(then: [.delete(.prefix("a"))]))
            try expect(third.results, is: [.delete(previous: [
                Entry(key: "a", value: [2], createRevision: 2, modRevision: 3, version: 2),
                Entry(key: "ab", value: [3], createRevision: 4, modRevision: 4, version: 1),
            ])])
        },
        Check("an empty value is a value") { store in
            try await store.put("a", [])
            try expect(await store.get("a")?.value, is: [])
        },
    ]

    static let ranges: [Check] = [
        Check("a range is in byte order and excludes its upper end") { store in
            for key in ["b", "a", "ab", "c", "é", "b\0"] { try await store.put(Key(key), []) }
            try expect(await keys(store, .all), is: ["a", "ab", "b", "b\0", "c", "é"])
            try expect(await keys(store, KeyRange(lower: "ab", upper: "c")), is: ["ab", "b", "b\0"])
            try expect(await keys(store, KeyRange(lower: "b\0", upper: nil)), is: ["b\0", "c", "é"])
            try expect(await keys(store, .single("b")), is: ["b"])
            try expect(await keys(store, KeyRange(lower: "c", upper: "a")), is: [])
        },
        Check("a prefix holds all keys that begin with it, up to bytes of 0xff") { store in
            let ff = Key([0x61, 0xff])
            for key in [Key("a"), ff, Key([0x61, 0xff, 0xff]), Key("b"), Key([0xff]), Key([0xff, 0x01])] {
                try await store.put(key, [])
            }
            try expect(await keys(store, .prefix("a")), is: ["a", ff, Key([0x61, 0xff, 0xff])])
            try expect(await keys(store, .prefix(ff)), is: [ff, Key([0x61, 0xff, 0xff])])
            try expect(await keys(store, .prefix(Key([0xff]))), is: [Key([0xff]), Key([0xff, 0x01])])
        },
        Check("limit bounds the entries, not the count") { store in
            for key in ["a", "b", "c", "d"] { try await store.put(Key(key), [7]) }
            let two = try await store.range(RangeRequest(.all, limit: 2))
            try expect(two.entries.map(\.key), is: ["a", "b"])
            try expect(two.count, is: 4)
            try expect(await store.range(RangeRequest(.all, limit: 9)).entries.count, is: 4)
            let none = try await store.range(RangeRequest(.all, countOnly: true))
            try expect(none, is: RangeResult(entries: [], count: 4, revision: 5))
        },
        Check("keysOnly leaves the values out, and nothing else") { store in
            try await store.put("a", [7])
            try expect(await store.range(RangeRequest(.all, keysOnly: true)).entries, is: [
                Entry(key: "a", value: [], createRevision: 2, modRevision: 2, version: 1)
            ])
            try await store.put("a", [8])
            try expect(await store.range(RangeRequest(.all, at: 2, keysOnly: true)).entries, is: [
                Entry(key: "a", value: [], createRevision: 2, modRevision: 2, version: 1)
            ])
        },
        Check("an old revision is read as it was") { store in
            try await store.put("a", [1])
            try await store.put("b", [2])
            try await store.put("a", [3])
            _ = try await store.commit(Transaction(then: [.delete("b")]))
            try await store.put("b", [4])
            func values(_ revision: Revision) async throws -> [[UInt8]] {
                let result = try await store.range(RangeRequest(.all, at: revision))
                try expect(result.revision, is: 6, "the answer's revision")
                return result.entries.map(\.value)
            }
            try expect(await values(1), is: [])
            try expect(await values(2), is: [[1]])
            try expect(await values(3), is: [[1], [2]])
            try expect(await values(4), is: [[3], [2]])
            try expect(await values(5), is: [[3]])
            try expect(await values(6), is: [[3], [4]])
            let old = try await store.range(RangeRequest(.single("a"), at: 3)).entries
            try expect(old, is: [Entry(key: "a", value: [1], createRevision: 2, modRevision: 2, version: 1)])
        },
        Check("a future revision is refused") { store in
            try await store.put("a", [1])
            try await expect(refusal: .futureRevision(asked: 3, current: 2)) {
                _ = try await store.range(RangeRequest(.all, at: 3))
            }
        },
        Check("a value of a megabyte comes back whole, and old ones too") { store in
            let large = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try await store.put("a", large)
            try await store.put("a", [1])
            try expect(await store.range(RangeRequest(.single("a"), at: 2)).entries.first?.value == large, is: true)
        },
    ]

    private static func keys(_ store: any Store, _ range: KeyRange) async throws -> [Key] {
        try await store.range(RangeRequest(range)).entries.map(\.key)
    }
}
