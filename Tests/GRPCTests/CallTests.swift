import Foundation
import NIOCore
import SwiftProtobuf
import Synchronization
import Testing

@testable import GRPC

@Suite(.serialized, .timeLimit(.minutes(2))) struct CallTests {
    @Test func `a unary call is answered, from this thread and another, empty or not`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            for size in [0, 1, 300, 16_384, 16_385] {
                let blob = Blob(Data(repeating: 3, count: size))
                for method in ["/test.Echo/Blob", "/test.Echo/Late"] {
                    let answer: Blob = try await client.unary(method, blob)
                    #expect(answer == blob)
                }
            }
            let told: Text = try await client.unary("/test.Echo/Metadata", Text("token"), metadata: [("token", "abc")])
            #expect(told.value == "abc")
            await client.close()
        }
    }

    @Test func `a status arrives with its code and its text, whatever letters it has`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            for text in ["etcdserver: key not found", "100 % ünsichtbar\n", ""] {
                await #expect(throws: GRPCStatus(.failedPrecondition, text)) {
                    try await client.unary("/test.Echo/Fail", Text(text), as: Text.self)
                }
            }
        }
    }

    @Test func `what calls still send after they were ended does not use the connection's window up`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            let (large, usual) = (Blob(Data(count: 6 << 20)), Blob(Data(count: 3 << 19)))
            for method in ["/test.Echo/Blob", "/test.Echo/Nope", "/no.Such/Thing"] {
                for _ in 0..<24 {
                    await #expect(throws: GRPCStatus.self) { try await client.unary(method, large, within: .seconds(20), as: Blob.self) }
                }
            }
            // Given up by the client in the middle.
            for _ in 0..<24 { _ = try? await client.unary("/test.Echo/Blob", usual, within: .microseconds(200), as: Blob.self) }
            let answer: Blob = try await client.unary("/test.Echo/Blob", usual, within: .seconds(20))
            #expect(answer == usual)
            await client.close()
        }
    }

    @Test func `much that is asked for at once is given whole to a client that reads`() async throws {
        try await withServer { _, server, port in
            for (calls, bytes) in [(10, 10 << 20), (1_000, 100 << 10)] {
                let client = try await connect(port)
                let sizes = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<calls {
                        group.addTask {
                            let answer: Blob = try await client.unary("/test.Echo/Large", Google_Protobuf_Int64Value(Int64(bytes)), within: .seconds(60))
                            return answer.value.count
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(sizes == Array(repeating: bytes, count: calls))
                await client.close()
            }
        }
    }

    @Test func `an unknown service and an unknown method are told apart`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            await #expect(throws: GRPCStatus(.unimplemented, "unknown service no.Such")) {
                try await client.unary("/no.Such/Thing", Text("a"), as: Text.self)
            }
            await #expect(throws: GRPCStatus(.unimplemented, "unknown method Nope for service test.Echo")) {
                try await client.unary("/test.Echo/Nope", Text("a"), as: Text.self)
            }
            let answer: Text = try await client.unary("/test.Echo/Text", Text("still here"))
            #expect(answer.value == "still here")
        }
    }

    @Test func `messages larger than every window come through both ways, and too large ones are refused`() async throws {
        var limits = Limits()
        limits.receiveBytesMax = 30 << 20
        try await withServer(limits: limits) { _, _, port in
            let client = try await connect(port)
            let large = Blob(Data(repeating: 0x5a, count: 20 << 20))
            let answer: Blob = try await client.unary("/test.Echo/Blob", large)
            #expect(answer == large)
            let huge: Blob = try await client.unary("/test.Echo/Large", Google_Protobuf_Int64Value(40 << 20))
            #expect(huge.value.count == 40 << 20)
        }
        try await withServer { _, _, port in
            let client = try await connect(port)
            let most = Blob(Data(repeating: 0, count: (2 << 20) - 5))
            let answer: Blob = try await client.unary("/test.Echo/Blob", most)
            #expect(answer == most)
            let error = await #expect(throws: GRPCStatus.self) {
                try await client.unary("/test.Echo/Blob", Blob(Data(repeating: 0, count: 2 << 20)), as: Blob.self)
            }
            #expect(error?.code == .resourceExhausted)
            #expect(error?.message == "grpc: received message larger than max (2097157 vs. 2097152)")
        }
    }

    @Test func `a hundred calls at once on one connection get their own answers`() async throws {
        try await withServer { _, server, port in
            let client = try await connect(port)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let blob = Blob(Data(repeating: UInt8(number), count: number * 400))
                        for _ in 0..<5 {
                            let answer: Blob = try await client.unary(number % 2 == 0 ? "/test.Echo/Blob" : "/test.Echo/Late", blob)
                            #expect(answer == blob)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(server.connections == 1)
        }
    }

    @Test func `a deadline ends the call on both sides`() async throws {
        try await withServer { echo, _, port in
            let client = try await connect(port)
            let error = await #expect(throws: GRPCStatus.self) {
                try await client.unary("/test.Echo/Never", Text("a"), within: .milliseconds(30), as: Text.self)
            }
            #expect(error?.code == .deadlineExceeded)
            await echo.noticed { $0.cancelled == ["a"] }
            let answer: Text = try await client.unary("/test.Echo/Text", Text("b"), within: .seconds(20))
            #expect(answer.value == "b")
        }
    }

    @Test func `cancelling the task cancels the call at the server`() async throws {
        try await withServer { echo, _, port in
            let client = try await connect(port)
            let task = Task { () throws(GRPCStatus) -> Text in try await client.unary("/test.Echo/Never", Text("c")) }
            await echo.noticed { $0.calls == ["c"] }
            task.cancel()
            let result = await task.result
            guard case .failure(let error) = result else {
                Issue.record("answered: \(result)")
                return
            }
            #expect((error as? GRPCStatus)?.code == .cancelled)
            await echo.noticed { $0.cancelled == ["c"] }
        }
    }

    @Test func `a connection that breaks ends its calls, and what was not sent is known to be unsent`() async throws {
        try await withServer { echo, server, port in
            let client = try await connect(port)
            let waiting = Task { try await client.unary("/test.Echo/Never", Text("d"), as: Text.self) }
            await echo.noticed { $0.calls == ["d"] }
            await client.close()
            let status = await #expect(throws: GRPCStatus.self) { _ = try await waiting.value }
            #expect(status?.code == .unavailable)
            #expect(status?.isUnsent == false)
            await echo.noticed { $0.cancelled == ["d"] }
            #expect(!client.isOpen)
            let late = await #expect(throws: GRPCStatus.self) {
                try await client.unary("/test.Echo/Text", Text("e"), as: Text.self)
            }
            #expect(late?.isUnsent == true)
        }
        let nobody = await #expect(throws: GRPCStatus.self) { _ = try await connect(1) }
        #expect(nobody?.code == .unavailable)
        #expect(nobody?.isUnsent == true)
    }

    @Test func `the callback version answers each call once`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port) { $0.connections = 3 }
            let (answers, sink) = AsyncStream.makeStream(of: Bool.self)
            for number in 0..<1000 {
                let blob = Blob(Data(repeating: UInt8(truncatingIfNeeded: number), count: 10))
                client.unary("/test.Echo/Blob", blob) { (result: Result<Blob, GRPCStatus>) in
                    sink.yield((try? result.get()) == blob)
                }
            }
            var count = 0
            for await isRight in answers {
                #expect(isRight)
                count += 1
                if count == 1000 { break }
            }
        }
    }
}
