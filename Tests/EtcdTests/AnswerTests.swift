import Foundation
import GRPC
import Logging
import NIOCore
import Store
import Synchronization
import Testing

@testable import Etcd

/// Answers that a real etcd gives seldom, or never.
@Suite(.timeLimit(.minutes(2))) struct AnswerTests {
    private final class Asked: Sendable { let times = Atomic(0) }

    /// Answers every message of a watch in one way, or none.
    private final class Watch: CallHandler {
        private let call: ServerCall
        private let answers: [Etcdserverpb_WatchResponse]

        init(_ call: ServerCall, _ answers: [Etcdserverpb_WatchResponse], _ asked: Asked) {
            asked.times.add(1, ordering: .relaxed)
            self.call = call
            self.answers = answers
        }

        func receive(_ payload: ByteBuffer) { for answer in answers { call.send(answer) } }
        func halfClose() { call.finish() }
        func cancel() {}
    }

    private func withStore(answering answer: Etcdserverpb_WatchResponse?, _ body: (EtcdClient, Asked) async throws -> Void) async throws {
        try await withStore(answeringAll: answer.map { [$0] } ?? [], body)
    }

    private func withStore(answeringAll answers: [Etcdserverpb_WatchResponse], _ body: (EtcdClient, Asked) async throws -> Void) async throws {
        let asked = Asked()
        var router = Router()
        router.stream("/etcdserverpb.Watch/Watch") { Watch($0, answers, asked) }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try PortServer(host: "127.0.0.1", port: 0, tls: nil, router: router, http: { $1.notFound() }, limits: Limits(), logger: logger)
        let port = try await server.start()
        var options = EtcdClient.Options()
        options.callWithin = .seconds(1)
        let client = try EtcdClient(endpoints: ["http://127.0.0.1:\(port)"], options: options, logger: logger)
        do { try await body(client, asked) } catch { Issue.record(error) }
        await client.close()
        await server.stop()
    }

    @Test func `a revision that comes in fragments is one batch, and none of its events is lost`() async throws {
        func answer(_ revision: Int64, _ keys: [String], fragment: Bool = false) -> Etcdserverpb_WatchResponse {
            .with {
                $0.header.revision = revision
                $0.fragment = fragment
                $0.events = keys.map { key in
                    .with {
                        $0.kv.key = Data(key.utf8)
                        $0.kv.modRevision = revision
                    }
                }
            }
        }
        var created = answer(4, [])
        created.created = true
        let answers = [created, answer(5, ["a", "b"], fragment: true), answer(5, ["c"], fragment: true), answer(5, ["d"]), answer(6, ["e"])]
        try await withStore(answeringAll: answers) { client, _ in
            let watch = EtcdWatch(client, .all, from: 5)
            try await watch.begin()
            let first = try await watch.next(), second = try await watch.next()
            #expect(first?.revision == 5 && first?.events.map { String(decoding: $0.key.bytes, as: UTF8.self) } ?? [] == ["a", "b", "c", "d"])
            #expect(second?.revision == 6 && second?.events.count == 1)
        }
    }

    @Test(arguments: [("etcdserver: permission denied", "denied"), ("etcdserver: invalid auth token", "auth token")])
    func `a watch that is refused for good is not asked for for ever`(_ reason: String, _ word: String) async throws {
        let refusal = Etcdserverpb_WatchResponse.with {
            $0.created = true
            $0.canceled = true
            $0.cancelReason = reason
        }
        try await withStore(answering: refusal) { client, asked in
            let failure = await #expect(throws: StoreError.self) { try await EtcdWatch(client, .all, from: nil).begin() }
            #expect("\(failure.map { "\($0)" } ?? "")".contains(word))
            #expect(asked.times.load(ordering: .relaxed) == 1)
        }
    }

    @Test func `a server that takes a watch and never says so is not waited for for ever`() async throws {
        try await withStore(answering: nil) { client, asked in
            let failure = await #expect(throws: StoreError.self) { try await EtcdWatch(client, .all, from: nil).begin() }
            #expect("\(failure.map { "\($0)" } ?? "")".contains("nothing more for 1.0 seconds"))
            #expect(asked.times.load(ordering: .relaxed) == 1)
        }
    }

    @Test func `a revision that is none is the server's mistake`() async throws {
        let answer = Etcdserverpb_WatchResponse.with {
            $0.created = true
            $0.header.revision = .max
        }
        try await withStore(answering: answer) { client, _ in
            let failure = await #expect(throws: StoreError.self) { try await EtcdWatch(client, .all, from: nil).begin() }
            #expect("\(failure.map { "\($0)" } ?? "")".contains("9223372036854775807"))
        }
        for revision in [Int64.min, -1, .max] {
            let transaction = Etcdserverpb_TxnResponse.with {
                $0.header.revision = revision
                $0.responses = [.with { $0.responsePut = .init() }]
            }
            #expect(throws: StoreError.self) { try TransactionResult(transaction) }
        }
    }
}
