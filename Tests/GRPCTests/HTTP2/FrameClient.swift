import Foundation
import NIOCore
import NIOHPACK

@testable import GRPC

/// Speaks HTTP/2's frames to a server, any it is told to, and reads what comes back. Blocks; lives on one thread (`onThread`).
final class FrameClient {
    struct Frame: Equatable {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var content: [UInt8]

        /// Of RST_STREAM and GOAWAY.
        var code: HTTP2Code? {
            let at = type == 7 ? 4 : 0
            guard content.count >= at + 4 else { return nil }
            return HTTP2Code(rawValue: content[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) })
        }
    }

    private let descriptor: Int32
    private var input: [UInt8] = []
    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    private var encoder = HPACKEncoder(allocator: ByteBufferAllocator())

    /// Sends the preface and settings, and reads the server's.
    init(_ port: Int, settings: [UInt8] = []) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else { throw GRPCStatus(.unavailable, "\(errno)") }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        send(HTTP2.preface + MuteClient.frame(4, settings))
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return }
            done += sent
        }
    }

    /// A call's headers, and its message if it has one.
    func call(_ stream: UInt32, _ method: String, _ message: [UInt8]? = nil, isLast: Bool = true, more: [(String, String)] = []) throws {
        var buffer = ByteBuffer()
        var headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":path": method, ":authority": "a", "content-type": "application/grpc", "te": "trailers"]
        for (name, value) in more { headers.add(name: name, value: value) }
        try encoder.encode(headers: headers, to: &buffer)
        var bytes = MuteClient.frame(1, flags: 4, stream: stream, Array(buffer.readableBytesView))
        if let message { bytes += MuteClient.frame(0, flags: isLast ? 1 : 0, stream: stream, Self.framed(message)) }
        send(bytes)
    }

    static func framed(_ message: [UInt8]) -> [UInt8] { [0] + withUnsafeBytes(of: UInt32(message.count).bigEndian, Array.init) + message }

    /// The next frame; nil: the server has closed.
    func next() throws -> Frame? {
        while true {
            if input.count >= 9 {
                let length = Int(input[0]) << 16 | Int(input[1]) << 8 | Int(input[2])
                if input.count >= 9 + length {
                    defer { input.removeFirst(9 + length) }
                    let stream = input[5..<9].reduce(0) { $0 << 8 | UInt32($1) }
                    return Frame(type: input[3], flags: input[4], stream: stream, content: Array(input[9..<9 + length]))
                }
            }
            var more = [UInt8](repeating: 0, count: 65_536)
            let got = recv(descriptor, &more, more.count, 0)
            if got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) { throw GRPCStatus(.deadlineExceeded, "nothing came") }
            if got <= 0 { return nil }
            input += more[..<got]
        }
    }

    /// The next frame of that kind; all before it are dropped.
    func next(_ type: UInt8, _ stream: UInt32? = nil) throws -> Frame? {
        while let frame = try next() {
            if frame.type == 1, frame.type != type || stream.map({ $0 != frame.stream }) == true { _ = try headers(frame) }
            if frame.type == type, stream.map({ $0 == frame.stream }) != false { return frame }
        }
        return nil
    }

    /// Of every headers frame, in order.
    func headers(_ frame: Frame) throws -> HPACKHeaders {
        var buffer = ByteBuffer(bytes: frame.content)
        return try decoder.decodeHeaders(from: &buffer)
    }

    /// A call's answer: its message's bytes, and its status.
    func answer(_ stream: UInt32) throws -> (message: [UInt8], status: String?) {
        var message: [UInt8] = []
        while let frame = try next() {
            switch frame.type {
            case 1:
                let headers = try headers(frame)
                if frame.stream == stream, frame.flags & 1 == 1 { return (Array(message.dropFirst(5)), headers.first(name: "grpc-status")) }
            case 0 where frame.stream == stream: message += frame.content
            case 3 where frame.stream == stream: return (message, "reset \(frame.code.map { "\($0)" } ?? "?")")
            case 7: return (message, "goaway \(frame.code.map { "\($0)" } ?? "?")")
            default: break
            }
        }
        return (message, nil)
    }
}

/// Runs what blocks on a thread of its own.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
