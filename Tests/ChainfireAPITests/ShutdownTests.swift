import Chainfire
import Etcd
import Foundation
import GRPC
import Host
import ServiceLifecycle
import Testing
@testable import ChainfireAPI

struct ShutdownTests {
    @Test func `a graceful shutdown ends streams with a status, and what was acknowledged is there afterwards`() async throws {
        let directory = try TemporaryDirectory()
        func open() throws -> Chainfire {
            try Chainfire.open(directory: directory.path + "/store", time: SystemTime(), disk: SystemDisk(), logger: quiet)
        }
        var options = ChainfireServer.Options(scratchDirectory: directory.path)
        options.port = 0
        let (listening, open1) = AsyncStream.makeStream(of: Int.self)
        let server = try ChainfireServer(store: try open(), options: options, time: SystemTime(), logger: quiet) {
            open1.yield($0.port)
            open1.finish()
        }
        let services = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            for await port in listening {
                let client = try await GRPCClient.connect(host: "127.0.0.1", port: port)
                let stream: WatchStream = client.stream("/etcdserverpb.Watch/Watch")
                try await stream.create("a")
                _ = try await stream.answer()
                let _: Etcdserverpb_PutResponse = try await client.unary("/etcdserverpb.KV/Put", Etcdserverpb_PutRequest.with {
                    $0.key = Data("a".utf8)
                })
                _ = try await stream.answer()
                await services.triggerGracefulShutdown()
                do throws(GRPCStatus) {
                    while try await stream.next() != nil {}
                    Issue.record("the stream ended as if nothing had happened")
                } catch {
                    #expect(error.code == .unavailable, "\(error)")
                }
                await client.close()
            }
            try await group.waitForAll()
        }
        let again = try open()
        #expect(again.header.revision == 2)
    }
}
