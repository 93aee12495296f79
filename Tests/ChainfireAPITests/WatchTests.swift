import Chainfire
import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

typealias WatchStream = ClientStream<Etcdserverpb_WatchRequest, Etcdserverpb_WatchResponse>

extension Member {
    func watch() -> WatchStream { grpc.stream("/etcdserverpb.Watch/Watch", within: .seconds(30)) }
}

extension ClientStream where Request == Etcdserverpb_WatchRequest, Response == Etcdserverpb_WatchResponse {
    func create(_ key: String, _ fill: (inout Etcdserverpb_WatchCreateRequest) -> Void = { _ in }) async throws {
        try await send(.with {
            $0.createRequest.key = Data(key.utf8)
            fill(&$0.createRequest)
        })
    }

    func answer() async throws -> Etcdserverpb_WatchResponse {
        guard let answer = try await next() else { throw GRPCStatus(.unknown, "the stream ended") }
        return answer
    }
}

struct WatchTests {
    @Test func `many watchers share a stream, and each hears of its own`() async throws {
        try await withMember { member in
            let stream = member.watch()
            try await stream.create("a")
            let first = try await stream.answer()
            #expect(first.created && first.watchID == 0 && first.header.revision == 1)
            try await stream.create("b") { $0.watchID = 7 }
            let second = try await stream.answer()
            #expect(second.created && second.watchID == 7)
            try await stream.create("c") { $0.watchID = 7 }
            let refused = try await stream.answer()
            #expect(refused.created && refused.canceled && refused.watchID == -1)
            #expect(refused.cancelReason == "mvcc: duplicate watch ID provided on the WatchStream")
            try await member.put("b", "1")
            try await member.put("a", "2")
            let heard = [try await stream.answer(), try await stream.answer()]
            #expect(heard.map(\.watchID) == [7, 0])
            #expect(heard.map { $0.events.map(\.kv.value.text) } == [["1"], ["2"]])
            try await stream.send(.with { $0.cancelRequest.watchID = 7 })
            let cancelled = try await stream.answer()
            #expect(cancelled.canceled && cancelled.watchID == 7 && !cancelled.created)
            try await stream.create("") { $0.rangeEnd = Data([0]) }
            let everything = try await stream.answer()
            #expect(everything.watchID == 1)
            stream.cancel()
        }
    }

    @Test func `previous values are told only to who asks, and filters leave out`() async throws {
        try await withMember { member in
            let stream = member.watch()
            try await stream.create("a") { $0.prevKv = true }
            try await stream.create("a") { $0.filters = [.noput] }
            try await stream.create("a") { $0.filters = [.nodelete] }
            for _ in 0..<3 { _ = try await stream.answer() }
            try await member.put("a", "1")
            try await member.put("a", "2")
            let _: Etcdserverpb_DeleteRangeResponse = try await member.call(
                "etcdserverpb.KV/DeleteRange", Etcdserverpb_DeleteRangeRequest.with { $0.key = Data("a".utf8) })
            var heard: [Int64: [Mvccpb_Event]] = [:]
            while heard.values.reduce(0, { $0 + $1.count }) < 6 {
                let answer = try await stream.answer()
                heard[answer.watchID, default: []] += answer.events
            }
            #expect(heard[0]?.map { $0.hasPrevKv ? $0.prevKv.value.text : "-" } == ["-", "1", "2"])
            #expect(heard[1]?.map(\.type) == [.delete])
            #expect(heard[2]?.map(\.kv.value.text) == ["1", "2"])
            #expect(heard[2]?.contains(where: \.hasPrevKv) == false)
            stream.cancel()
        }
    }

    @Test func `a watch of compacted history is created and cancelled with the revision to go on from`() async throws {
        try await withMember { member in
            for number in 0..<5 { try await member.put("a", "\(number)") }
            let _: Etcdserverpb_CompactionResponse = try await member.call(
                "etcdserverpb.KV/Compact", Etcdserverpb_CompactionRequest.with { $0.revision = 4 })
            let stream = member.watch()
            try await stream.create("a") { $0.startRevision = 2 }
            let answers = [try await stream.answer(), try await stream.answer()]
            #expect(answers[0].created && !answers[0].canceled && answers[0].watchID == 0)
            #expect(answers[1].canceled && answers[1].compactRevision == 4 && answers[1].watchID == 0)
            try await stream.create("a") { $0.startRevision = 5 }
            _ = try await stream.answer()
            var told: [Int64] = []
            while told.count < 2 { told += try await stream.answer().events.map(\.kv.modRevision) }
            #expect(told == [5, 6])
            stream.cancel()
        }
    }

    @Test func `a progress request is answered after all events before it`() async throws {
        try await withMember { member in
            let stream = member.watch()
            try await stream.create("a")
            _ = try await stream.answer()
            for number in 0..<100 { try await member.put("a", "\(number)") }
            try await stream.send(.with { $0.progressRequest = .init() })
            var told: Int64 = 1
            while true {
                let answer = try await stream.answer()
                guard answer.events.isEmpty else {
                    told = answer.events.map(\.kv.modRevision).max() ?? told
                    continue
                }
                #expect(answer.watchID == -1 && answer.header.revision == 101 && told == 101)
                break
            }
            stream.cancel()
        }
    }

    @Test func `a watcher that asked for it is told of progress while nothing concerns it`() async throws {
        try await withMember({ $0.watches.progressInterval = .milliseconds(50) }) { member in
            let stream = member.watch()
            try await stream.create("quiet") { $0.progressNotify = true }
            _ = try await stream.answer()
            try await member.put("other", "1")
            while true {
                let answer = try await stream.answer()
                #expect(answer.events.isEmpty && answer.watchID == 0)
                if answer.header.revision == 2 { break }
            }
            stream.cancel()
        }
    }

    @Test func `large events come in fragments to who asks`() async throws {
        try await withMember { member in
            let value = String(repeating: "x", count: 900_000)
            for key in ["a1", "a2", "a3", "a4"] { try await member.put(key, value) }
            let stream = member.watch()
            try await stream.create("a") {
                $0.rangeEnd = Data("b".utf8)
                $0.startRevision = 2
                $0.fragment = true
            }
            _ = try await stream.answer()
            var keys: [String] = []
            while keys.count < 4 {
                let answer = try await stream.answer()
                #expect(answer.events.reduce(0) { $0 + $1.kv.value.count } < 2 << 20)
                keys += answer.events.map(\.kv.key.text)
            }
            #expect(keys == ["a1", "a2", "a3", "a4"])
            stream.cancel()
        }
    }

    /// Protobuf ends at 2 GiB, a revision does not.
    @Test func `a revision that no message holds comes in fragments to all`() async throws {
        try await withMember({ ($0.watches.wholeBytesMax, $0.watches.fragmentBytes) = (2_000, 1_000) }) { member in
            let value = String(repeating: "x", count: 400)
            for key in ["a1", "a2", "a3", "a4"] { try await member.put(key, value) }
            let stream = member.watch()
            try await stream.create("a") {
                $0.rangeEnd = Data("b".utf8)
                $0.prevKv = true
            }
            _ = try await stream.answer()
            let _: Etcdserverpb_DeleteRangeResponse = try await member.call("etcdserverpb.KV/DeleteRange", Etcdserverpb_DeleteRangeRequest.with {
                ($0.key, $0.rangeEnd) = (Data("a".utf8), Data("b".utf8))
            })
            var parts: [(keys: [String], isPart: Bool)] = []
            while parts.last.map(\.isPart) ?? true {
                let answer = try await stream.answer()
                #expect(answer.header.revision == 6)
                parts.append((answer.events.map(\.kv.key.text), answer.fragment))
            }
            #expect(parts.flatMap(\.keys) == ["a1", "a2", "a3", "a4"])
            #expect(parts.count > 1)
            stream.cancel()
        }
    }

    /// A store whose history is three pages long for whoever watches `k`, and a ring that has next to none of it.
    private func withHistory(_ body: (Member) async throws -> Void) async throws {
        var store = ChainfireOptions()
        store.ring.eventsMax = 2
        try await withMember(store: store) { member in
            let value = String(repeating: "v", count: 100_000)
            for number in 0..<30 { try await member.put("k", "\(number) \(value)") }
            try await body(member)
        }
    }

    private func watchOld(_ ids: ClosedRange<Int64>, _ stream: WatchStream) async throws {
        for id in ids {
            try await stream.create("k") {
                $0.watchID = id
                $0.startRevision = 2
            }
        }
    }

    @Test func `watchers of one stream that lag behind are told of old history by turns`() async throws {
        try await withHistory { member in
            let stream = member.watch()
            try await watchOld(1...12, stream)
            var told: [Int64: [String]] = [:]
            while told.count < 12 || told.values.contains(where: { $0.count < 30 }) {
                let answer = try await stream.answer()
                guard !answer.events.isEmpty else { continue }
                told[answer.watchID, default: []] += answer.events.map { String($0.kv.value.text.prefix { $0 != " " }) }
                // Nobody is told all before everybody was told something.
                if told[answer.watchID]?.count == 30 { #expect(told.count == 12) }
            }
            for values in told.values { #expect(values == (0..<30).map { "\($0)" }) }
            stream.cancel()
        }
    }

    @Test func `watchers that leave while old history is read for them leave their turn to others`() async throws {
        try await withHistory { member in
            let stream = member.watch()
            try await watchOld(1...8, stream)
            // More than can be read for at once; the others come after them.
            for id in Int64(1)...6 { try await stream.send(.with { $0.cancelRequest.watchID = id }) }
            // A number may be had again at once.
            try await watchOld(3...3, stream)
            var told: [Int64: Int] = [:]
            var cancelled: Set<Int64> = []
            while ![3, 7, 8].allSatisfy({ told[$0] == 30 }) {
                let answer = try await stream.answer()
                if answer.canceled {
                    cancelled.insert(answer.watchID)
                    // What the first of that number was told is not the second's.
                    told[answer.watchID] = nil
                }
                told[answer.watchID, default: 0] += answer.events.count
            }
            #expect(cancelled == [1, 2, 3, 4, 5, 6])
            stream.cancel()
        }
    }

    @Test func `watchers that wait for their turn hear of a compaction that passes them`() async throws {
        try await withHistory { member in
            let stream = member.watch()
            try await watchOld(1...40, stream)
            // More than is sent to a client that reads nothing.
            for _ in 0..<40 { _ = try await stream.answer() }
            try await member.store.compact(through: 29)
            var (told, cancelled): ([Int64: Int], Set<Int64>) = ([:], [])
            while told.filter({ $0.value == 30 }).count + cancelled.count < 40 {
                let answer = try await stream.answer()
                if answer.canceled {
                    #expect(answer.compactRevision == 29)
                    cancelled.insert(answer.watchID)
                } else {
                    told[answer.watchID, default: 0] += answer.events.count
                }
            }
            #expect(cancelled.count > 8 && cancelled.allSatisfy { told[$0, default: 0] < 30 })
            try await member.put("k", "new")
            var heard: Set<Int64> = []
            while heard.count < 40 - cancelled.count { heard.insert(try await stream.answer().watchID) }
            #expect(heard.isDisjoint(with: cancelled))
            stream.cancel()
        }
    }

    @Test func `a thousand watchers of one stream all hear, and a stream that is not read holds up nobody`() async throws {
        try await withMember { member in
            let slow = member.watch()
            try await slow.create("k")
            let stream = member.watch()
            for number in 0..<1000 { try await stream.create("k") { $0.watchID = Int64(number) + 1 } }
            for _ in 0..<1000 { _ = try await stream.answer() }
            let value = String(repeating: "v", count: 1000)
            for _ in 0..<20 { try await member.put("k", value) }
            var told: [Int64: Int] = [:]
            while told.values.reduce(0, +) < 20_000 {
                let answer = try await stream.answer()
                told[answer.watchID, default: 0] += answer.events.count
            }
            #expect(told.count == 1000 && told.values.allSatisfy { $0 == 20 })
            _ = try await slow.answer()
            var late = 0
            while late < 20 { late += try await slow.answer().events.count }
            slow.cancel()
            stream.cancel()
        }
    }
}
