import Foundation
import NIOCore
import SwiftProtobuf
import Testing

@testable import GRPC

/// Bounds that hold for all connections of a port together.
@Suite struct PressureTests {
    /// Until a call is answered as wanted; each takes its time.
    private func until(_ body: () async throws -> Bool) async throws {
        for _ in 0..<3000 {
            if try await body() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not come to that within thirty seconds")
    }

    private func code(_ client: GRPCClient) async -> GRPCStatus.Code {
        do throws(GRPCStatus) {
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"), within: .seconds(20))
            return answer.value == "x" ? .ok : .unknown
        } catch {
            return error.code
        }
    }

    /// Those who do not read at all, and those who take a byte now and then.
    @Test(arguments: [false, true]) func `when too much waits for those who do not read, they are closed, and all others are served`(_ isTrickle: Bool) async throws {
        var limits = Limits()
        limits.unsentBytesOfAllMax = 10 << 20
        limits.headersWithin = .seconds(60)
        try await withServer(limits: limits) { _, server, port in
            let healthy = try await connect(port)
            #expect(await code(healthy) == .ok)
            var size = Google_Protobuf_Int64Value()
            size.value = 3 << 20
            // Nothing is taken of a stream; what waits is less than any bound of one connection.
            var bytes = HTTP2.preface + MuteClient.frame(4, [0, 4, 0, 0, 0, 0])
            for stream in 0..<3 { bytes += try MuteClient.call(UInt32(2 * stream + 1), "/test.Echo/Large", Array(try size.serializedData())) }
            var mutes: [any Channel] = []
            for _ in 0..<8 {
                let mute = try await MuteClient.connect(port, reads: isTrickle)
                try await mute.writeAndFlush(ByteBuffer(bytes: bytes))
                mutes.append(mute)
            }
            try await until { server.connections == mutes.count + 1 && server.meters.unsent.isOver }
            // As many go as made it too much; whoever else calls is served meanwhile.
            try await until {
                #expect(await code(healthy) == .ok)
                for mute in mutes where isTrickle && mute.isActive { try? await mute.writeAndFlush(ByteBuffer(bytes: MuteClient.frame(8, stream: 1, [0, 0, 0, 1]))) }
                return server.connections <= mutes.count && !server.meters.unsent.isOver
            }
            #expect(healthy.isOpen)
            for mute in mutes { try? await mute.close() }
            try await until { server.connections == 1 }
            #expect(await code(healthy) == .ok)
            await healthy.close()
        }
    }

    @Test func `what waited for calls that were reset, or comes too late for them, is counted no more`() async throws {
        try await withServer { _, server, port in
            var size = Google_Protobuf_Int64Value()
            size.value = 3 << 20
            let mute = try await MuteClient.connect(port)
            func send(_ bytes: [UInt8]) async throws { try await mute.writeAndFlush(ByteBuffer(bytes: bytes)) }
            func reset(_ call: UInt32) -> [UInt8] { MuteClient.frame(3, stream: 2 * call + 1, [0, 0, 0, 8]) }
            try await send(HTTP2.preface + MuteClient.frame(4, [0, 4, 0, 0, 0, 0]))
            for call: UInt32 in 0..<3 { try await send(MuteClient.call(2 * call + 1, "/test.Echo/Large", Array(size.serializedData()))) }
            try await until { server.meters.unsent.waiting > 9 << 20 }
            try await send((0..<3).flatMap(reset))
            try await until { server.meters.unsent.waiting == 0 }
            // The answers come from other threads, some of them after the reset.
            for call: UInt32 in 3..<203 { try await send(MuteClient.call(2 * call + 1, "/test.Echo/Late", [10, 1, 7]) + reset(call)) }
            try await Task.sleep(for: .milliseconds(200))
            try await until { server.meters.unsent.waiting == 0 }
            #expect(server.connections == 1)
            try await mute.close()
        }
    }

    @Test func `requests that never become whole are bounded over all connections`() async throws {
        var limits = Limits()
        limits.incompleteBytesOfAllMax = 1 << 20
        limits.headersWithin = .seconds(60)
        try await withServer(limits: limits) { _, server, port in
            var mutes: [any Channel] = []
            let large = [UInt8](repeating: 7, count: 1 << 20)
            for _ in 0..<3 {
                let mute = try await MuteClient.connect(port)
                // A unary call that is whole and not ended waits as well.
                var bytes = MuteClient.preface
                for stream in 0..<8 { bytes += try MuteClient.call(UInt32(2 * stream + 1), "/test.Echo/Blob", Array(large.prefix(60_000)), isWhole: false) }
                try await mute.writeAndFlush(ByteBuffer(bytes: bytes))
                mutes.append(mute)
            }
            let client = try await connect(port)
            let blob = Blob(Data(large))
            func refusal() async -> GRPCStatus? {
                do throws(GRPCStatus) {
                    let _: Blob = try await client.unary("/test.Echo/Blob", blob, within: .seconds(20))
                    return nil
                } catch {
                    return error
                }
            }
            try await until { await refusal()?.code == .resourceExhausted }
            // What is small enough to come at once is served all the same.
            #expect(await code(client) == .ok)
            for mute in mutes { try? await mute.close() }
            try await until { await refusal() == nil }
            await client.close()
        }
    }
}
