import NIOCore
import NIOHPACK
import NIOPosix

/// Speaks HTTP/2's frames, and never reads, or does and does not mind what comes.
enum MuteClient {
    static func connect(_ port: Int, reads: Bool = false) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reads)
            .channelOption(.socketOption(.so_rcvbuf), value: 4096)
            .connect(host: "127.0.0.1", port: port).get()
    }

    /// SETTINGS: a window of 2^31 − 1; WINDOW_UPDATE of the connection likewise.
    static var preface: [UInt8] {
        Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, [0, 4, 0x7F, 0xFF, 0xFF, 0xFF]) + frame(8, [0x7F, 0, 0, 0])
    }

    static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let size = payload.count
        let id = stream
        return [UInt8(size >> 16), UInt8(size >> 8 & 255), UInt8(size & 255), type, flags]
            + [UInt8(id >> 24), UInt8(id >> 16 & 255), UInt8(id >> 8 & 255), UInt8(id & 255)] + payload
    }

    /// - Parameter isWhole: else its last byte is missing, and nothing ends it.
    static func call(_ stream: UInt32, _ method: String, _ body: [UInt8], isWhole: Bool = true) throws -> [UInt8] {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var buffer = ByteBuffer()
        try encoder.encode(
            headers: [":method": "POST", ":scheme": "http", ":path": method, ":authority": "a", "content-type": "application/grpc", "te": "trailers"],
            to: &buffer)
        let count = UInt32(body.count)
        var message = [0, UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)] + body
        if !isWhole { message.removeLast() }
        var frames = frame(1, flags: 4, stream: stream, Array(buffer.readableBytesView))
        for start in Swift.stride(from: 0, to: message.count, by: 16_384) {
            let end = min(start + 16_384, message.count)
            frames += frame(0, flags: end == message.count && isWhole ? 1 : 0, stream: stream, Array(message[start..<end]))
        }
        return frames
    }
}
