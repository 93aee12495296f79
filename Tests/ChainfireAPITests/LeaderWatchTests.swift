import Etcd
import Foundation
import GRPC
import Simulation
import Synchronization
import Testing
@testable import ChainfireAPI

/// Clients that want a member with a leader (`WithRequireLeader`).
@Suite struct LeaderWatchTests {
    private final class Open: Session {
        let cancelled = Mutex(false)
        func receive(_ request: Etcdserverpb_WatchRequest) {}
        func halfClose() {}
        func cancel() { cancelled.withLock { $0 = true } }
    }

    private typealias Stream = ClientStream<Etcdserverpb_WatchRequest, Etcdserverpb_WatchResponse>

    private func end(of stream: Stream) async -> GRPCStatus? {
        do throws(GRPCStatus) {
            while try await stream.next() != nil {}
            return nil
        } catch {
            return error
        }
    }

    @Test func `streams end when there is no leader for long, calls at once, and only of those who asked`() async throws {
        let hasLeader = Mutex(true)
        let watch = LeaderWatch { hasLeader.withLock { $0 } }
        let session = Open()
        var endpoints = Endpoints(leader: watch)
        endpoints.stream("/test.Watch/Watch") { _ in session }
        endpoints.unary("/test.Watch/Call") { (_: Etcdserverpb_WatchRequest, answer: Answer<Etcdserverpb_WatchResponse>) in
            answer(.success(.init()))
        }
        let server = try PortServer(host: "127.0.0.1", port: 0, router: endpoints.router, logger: quiet)
        let client = try await GRPCClient.connect(host: "127.0.0.1", port: try await server.start())
        let time = ManualTime()
        let watching = Task { await watch.run(time) }
        let wants: Stream = client.stream("/test.Watch/Watch", metadata: [("hasleader", "true")])
        let other: Stream = client.stream("/test.Watch/Watch")
        for stream in [wants, other] { try await stream.send(.init()) }
        // Answered in order: both streams are open by then.
        let _: Etcdserverpb_WatchResponse = try await client.unary("/test.Watch/Call", Etcdserverpb_WatchRequest())
        hasLeader.withLock { $0 = false }
        do throws(GRPCStatus) {
            let _: Etcdserverpb_WatchResponse = try await client.unary(
                "/test.Watch/Call", Etcdserverpb_WatchRequest(), metadata: [("hasleader", "true")])
            Issue.record("a call was answered without a leader")
        } catch {
            #expect(error == .noLeader)
        }
        for _ in 0..<3 {
            await time.sleepers(atLeast: 1)
            time.advance(by: .milliseconds(500))
        }
        #expect(await end(of: wants) == .noLeader)
        #expect(session.cancelled.withLock { $0 })
        let _: Etcdserverpb_WatchResponse = try await client.unary("/test.Watch/Call", Etcdserverpb_WatchRequest())
        other.cancel()
        #expect(await end(of: other)?.code == .cancelled)
        watching.cancel()
        await client.close()
        await server.stop()
    }
}
