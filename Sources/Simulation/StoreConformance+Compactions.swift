import Store

extension StoreConformance {
    static let compactions: [Check] = [
        Check("what is visible at the compaction's revision stays, what was overwritten goes") { store in
            try await fill(store)
            try await store.compact(through: 5)
            for revision: Revision in [1, 2, 4] {
                try await expect(refusal: .compacted(oldest: 5)) {
                    _ = try await store.range(RangeRequest(.all, at: revision))
                }
            }
            try expect(await store.range(RangeRequest(.all, at: 5)).entries.map(\.value), is: [[3]])
            try expect(await store.range(RangeRequest(.all, at: 6)).entries.map(\.value), is: [[3], [5]])
            try expect(await store.range(RangeRequest(.all)).entries.map(\.value), is: [[3], [6]])
            try expect(await store.range(RangeRequest(.all)).revision, is: 7)
        },
        Check("a compaction of what is compacted, or of the future, is refused") { store in
            try await fill(store)
            try await expect(refusal: .futureRevision(asked: 8, current: 7)) { try await store.compact(through: 8) }
            try await store.compact(through: 4)
            try await expect(refusal: .compacted(oldest: 4)) { try await store.compact(through: 4) }
            try await expect(refusal: .compacted(oldest: 4)) { try await store.compact(through: 2) }
            try await store.compact(through: 7)
            try expect(await store.range(RangeRequest(.all)).entries.map(\.value), is: [[3], [6]])
        },
        Check("a compaction neither raises the revision nor touches the newest state") { store in
            try await fill(store)
            let before = try await store.range(RangeRequest(.all))
            try await store.compact(through: 7)
            try expect(await store.range(RangeRequest(.all)), is: before)
            try expect(await store.put("a", [7]), is: 8)
            try expect(await store.get("a")?.version, is: 3)
        },
        Check("a transaction that reads what is compacted is refused as a whole") { store in
            try await fill(store)
            try await store.compact(through: 5)
            try await expect(refusal: .compacted(oldest: 5)) {
                _ = try await store.commit(Transaction(then: [.put("z", []), .range(RangeRequest(.all, at: 3))]))
            }
            try expect(await store.get("z"), is: nil)
        },
        Check("a watch from a compacted revision is told so, with the oldest that is left") { store in
            try await fill(store)
            try await store.compact(through: 5)
            try await expect(refusal: .compacted(oldest: 5)) {
                var teller = Teller(try await store.watch(.all, from: 4))
                _ = try await teller.next(1)
            }
            var teller = Teller(try await store.watch(.all, from: 6))
            try expect(await teller.next(2).map(\.revision), is: [6, 7])
        },
        Check("deletes at the compaction's revision do not vanish from a watch") { store in
            try await fill(store)
            try await store.compact(through: 5)
            var teller = Teller(try await store.watch(.all, from: 5))
            try expect(await teller.next(1), is: [.delete("b", modRevision: 5, previous: nil)])
            try expect(await teller.next(2).map(\.revision), is: [6, 7])
        },
        Check("deletes after the compaction's revision keep what was deleted") { store in
            try await fill(store)
            try await store.compact(through: 4)
            var teller = Teller(try await store.watch(.all, from: 5))
            let b = Entry(key: "b", value: [2], createRevision: 3, modRevision: 3, version: 1)
            try expect(await teller.next(1), is: [.delete("b", modRevision: 5, previous: b)])
        },
        Check("a key deleted before the compaction is gone, and may come again") { store in
            try await fill(store)
            _ = try await store.commit(Transaction(then: [.delete(.all)]))
            try await store.put("c", [1])
            try await store.compact(through: 9)
            try expect(await store.range(RangeRequest(.all, at: 9)).entries.map(\.key), is: ["c"])
            try await store.put("a", [9])
            try expect(await store.get("a"), is: Entry(key: "a", value: [9], createRevision: 10, modRevision: 10, version: 1))
        },
        Check("a watch that is up to date outlives a compaction") { store in
            var teller = Teller(try await store.watch(.all, from: nil))
            try await fill(store)
            _ = try await teller.next(6)
            try await store.compact(through: 7)
            try await store.put("z", [])
            try expect(await teller.next(1).map(\.key), is: ["z"])
        },
    ]

    /// a=1 (2), b=2 (3), a=3 (4), b deleted (5), b=5 (6), b=6 (7)
    private static func fill(_ store: any Store) async throws {
        try await store.put("a", [1])
        try await store.put("b", [2])
        try await store.put("a", [3])
        _ = try await store.commit(Transaction(then: [.delete("b")]))
        try await store.put("b", [5])
        try await store.put("b", [6])
    }
}
