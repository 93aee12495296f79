import Foundation
import NIOCore

@testable import Replica

/// A plain connection, to say what no member would. Reads end after ten seconds.
final class RawSocket {
    struct Failure: Error {}

    private var descriptor: Int32
    private var decoder = FrameDecoder(payloadBytesMax: 4 << 20)

    init(connectedTo port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard result == 0 else { throw Failure() }
        limit()
    }

    /// The next connection to a listening socket.
    init(acceptedBy door: Int32) throws {
        descriptor = accept(door, nil, nil)
        guard descriptor >= 0 else { throw Failure() }
        limit()
    }

    deinit { if descriptor >= 0 { Foundation.close(descriptor) } }

    /// A listening socket and its port.
    static func door() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) | listen(descriptor, 16) | getsockname(descriptor, $0, &length)
            }
        }
        guard result == 0 else { throw Failure() }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    func send(_ kind: FrameKind, _ greeting: Greeting? = nil) {
        var buffer = ByteBuffer()
        buffer.writeFrame(kind) { greeting?.write(to: &$0) }
        send(Array(buffer.readableBytesView))
    }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// The kind of the next frame; nil when the connection ends first or makes no sense.
    func receive() -> FrameKind? { receiveWhole()?.kind }

    func receiveWhole() -> (kind: FrameKind, content: ByteBuffer)? {
        while true {
            do {
                if let frame = try decoder.next() { return frame }
            } catch {
                return nil
            }
            guard let bytes = read(), !bytes.isEmpty else { return nil }
            decoder.append(ByteBuffer(bytes: bytes))
        }
    }

    /// Reads to the end; false when none comes.
    func isClosed() -> Bool {
        while let bytes = read() {
            if bytes.isEmpty { return true }
        }
        return errno != EAGAIN
    }

    func close(byReset: Bool = false) {
        if byReset {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        }
        Foundation.close(descriptor)
        descriptor = -1
    }

    private func read() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        return count < 0 ? nil : Array(bytes[..<count])
    }

    private func limit() {
        var ten = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &ten, socklen_t(MemoryLayout<timeval>.size))
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
