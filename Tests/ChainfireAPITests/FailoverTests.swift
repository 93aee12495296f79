import Chainfire
import Etcd
import GRPC
import NIOCore
import Store
import Testing
@testable import ChainfireAPI

/// Our client with two ways to one store, of which one fails.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FailoverTests {
    private func withStore(_ body: (_ store: EtcdStore, _ direct: Member, _ one: Relay, _ two: Relay) async throws -> Void) async throws {
        try await withMember { member in
            let (one, two) = (try await Relay(to: member.port), try await Relay(to: member.port))
            var options = EtcdClient.Options()
            options.readWithin = .milliseconds(300)
            options.pause = .milliseconds(5)
            options.askProgressEvery = .milliseconds(50)
            let client = try EtcdClient(endpoints: [one.endpoint, two.endpoint], options: options, logger: quiet)
            let store = EtcdStore(client)
            try await body(store, member, one, two)
            await store.close()
            await one.cut()
            await two.cut()
        }
    }

    @Test func `calls go to the next endpoint when the one in use breaks, and a write is made once or said to be unknown`() async throws {
        try await withStore { store, _, one, two in
            var least = 0, most = 0
            for round in 0..<40 {
                do {
                    let count = try await store.range(RangeRequest(.single("n"))).entries.first.map { Int($0.version) } ?? 0
                    #expect((least...most).contains(count), "round \(round)")
                    (least, most) = (count, count)
                    most += 1
                    try await store.put("n", [UInt8(round)])
                    least += 1
                } catch {
                    guard case .unavailable? = error as? StoreError else { throw error }
                }
                switch round % 10 {
                case 3: await one.cut()
                case 6: try await one.open()
                case 7: await two.cut()
                case 9: try await two.open()
                default: break
                }
            }
            // Most rounds were not disturbed at all.
            #expect(least > 30, "\(least)")
        }
    }

    /// Refuses every watch, and stays connected.
    private final class Refusal: CallHandler {
        private let call: ServerCall

        init(_ call: ServerCall) { self.call = call }

        func receive(_ payload: ByteBuffer) { call.finish(GRPCStatus(.unavailable, "etcdserver: no leader")) }
        func halfClose() {}
        func cancel() {}
    }

    @Test func `a watch leaves an endpoint that refuses it, though its connection is good`() async throws {
        try await withMember { member in
            var router = Router()
            router.stream("/etcdserverpb.Watch/Watch") { Refusal($0) }
            let sick = try PortServer(host: "127.0.0.1", port: 0, router: router, logger: quiet)
            let port = try await sick.start()
            var options = EtcdClient.Options()
            options.pause = .milliseconds(5)
            let client = try EtcdClient(endpoints: ["http://127.0.0.1:\(port)", "http://127.0.0.1:\(member.port)"], options: options, logger: quiet)
            let store = EtcdStore(client)
            var watch = try await store.watch(.all, from: nil).makeAsyncIterator()
            try await member.put("a", "b")
            var told: [Event] = []
            while told.isEmpty, let batch = try await watch.next() { told = batch.events }
            #expect(told.count == 1)
            await store.close()
            await sick.stop()
        }
    }

    @Test func `a read that nobody answers is asked of the next endpoint`() async throws {
        try await withStore { store, member, one, _ in
            try await member.put("a", "b")
            #expect(try await store.get("a")?.value == Array("b".utf8))
            one.silence()
            #expect(try await store.get("a")?.value == Array("b".utf8))
        }
    }

    @Test func `an endpoint that is not there at the start is passed over`() async throws {
        try await withStore { store, member, one, _ in
            await one.cut()
            try await member.put("a", "b")
            #expect(try await store.get("a")?.value == Array("b".utf8))
            var watch = try await store.watch(.all, from: 2).makeAsyncIterator()
            #expect(try await watch.next()?.events.map(\.revision) == [2])
        }
    }

    @Test func `a watch goes on at the next endpoint, misses nothing and repeats nothing`() async throws {
        try await withStore { store, member, one, two in
            var watch = try await store.watch(.prefix("w"), from: nil).makeAsyncIterator()
            var seen: [Revision] = []
            var wanted: Revision = 1
            for round in 0..<24 {
                switch round % 6 {
                case 1: await one.cut()
                case 2: try await one.open()
                case 3: await two.cut()
                // Both, while things happen.
                case 4: await one.cut()
                default: break
                }
                for number in 0..<5 {
                    try await member.put("w\(number)", "\(round)")
                    wanted += 1
                }
                if round % 6 == 4 {
                    try await one.open()
                    try await two.open()
                }
                while (seen.last ?? 1) < wanted, let batch = try await watch.next() { seen += batch.events.map(\.revision) }
            }
            #expect(seen == Array(2...wanted))
        }
    }

    @Test func `a watch whose place was compacted while it was away says so, with the oldest revision`() async throws {
        try await withStore { store, member, one, two in
            var watch = try await store.watch(.all, from: nil).makeAsyncIterator()
            try await member.put("a", "1")
            #expect(try await watch.next()?.revision == 2)
            await one.cut()
            await two.cut()
            for number in 2..<10 { try await member.put("a", "\(number)") }
            try await member.store.compact(through: 8)
            try await one.open()
            do {
                while try await watch.next() != nil {}
                Issue.record("the watch went on")
            } catch {
                #expect(error as? StoreError == .compacted(oldest: 8))
            }
        }
    }
}
