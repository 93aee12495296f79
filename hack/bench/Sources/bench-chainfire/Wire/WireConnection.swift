import GRPC
import Glibc

/// One gRPC connection of the load generator, on plain HTTP/2: only what a load needs, so that the two cores are the
/// servers'. Every answer's status is read and its message checked to be whole. Lives on one thread, which calls `receive`
/// when there is something to read.
final class WireConnection {
    let descriptor: Int32
    /// What became of a call's message, or of the call; nil: it ended well.
    private let message: (_ stream: UInt32, _ message: UnsafeRawBufferPointer) -> Void
    private let ended: (_ stream: UInt32, _ problem: String?) -> Void
    private let headers: CallHeaders
    private var answers = AnswerHeaders()
    private var hasCalled = false
    private var nextStream: UInt32 = 1
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
    private var inputEnd = 0
    private var output: [UInt8] = []
    /// Of messages that are not whole yet.
    private var parts: [UInt32: [UInt8]] = [:]
    /// Of a header block that goes on in the next frame.
    private var block: (bytes: [UInt8], isEnd: Bool)?
    private var sendWindow = 65_535
    private var taken = 0
    private static let receiveWindow = 64 << 20

    /// - Throws: `BenchFailure` when nobody listens.
    init(
        port: Int, method: String, message: @escaping (_ stream: UInt32, _ message: UnsafeRawBufferPointer) -> Void,
        ended: @escaping (_ stream: UInt32, _ problem: String?) -> Void
    ) throws {
        descriptor = try connected(port)
        self.message = message
        self.ended = ended
        headers = CallHeaders(method: method, authority: "127.0.0.1:\(port)")
        output = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        // No pushes; as much of every stream as there may be.
        output.appendFrame(.settings, stream: 0, length: 12)
        output += [0, 2, 0, 0, 0, 0, 0, 4]
        output.appendBigEndian(UInt32(Self.receiveWindow))
        output.appendFrame(.windowUpdate, stream: 0, length: 4)
        output.appendBigEndian(UInt32(Self.receiveWindow - 65_535))
        try flush()
    }

    deinit {
        close(descriptor)
        input.deallocate()
    }

    /// Begins a call; it leaves with `flush`.
    /// - Parameter message: with its prefix (`framed`), and small: a load does not fill a stream's window.
    /// - Returns: the stream's number.
    func call(_ message: [UInt8], isLast: Bool = true) throws -> UInt32 {
        let stream = nextStream
        nextStream += 2
        let block = hasCalled ? headers.later : headers.first
        hasCalled = true
        output.appendFrame(.headers, .endHeaders, stream: stream, length: block.count)
        output += block
        try send(message, on: stream, isLast: isLast)
        return stream
    }

    func send(_ message: [UInt8], on stream: UInt32, isLast: Bool = false) throws {
        sendWindow -= message.count
        guard sendWindow >= 0, message.count <= 16_384 else { throw BenchFailure("the load is more than the server's window allows") }
        output.appendFrame(.data, isLast ? .endStream : [], stream: stream, length: message.count)
        output += message
    }

    func flush() throws {
        var done = 0
        while done < output.count {
            let sent = output.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, Int32(MSG_NOSIGNAL)) }
            if sent > 0 { done += sent } else if errno != EINTR { throw BenchFailure("a request could not be sent: \(String(cString: strerror(errno)))") }
        }
        output.removeAll(keepingCapacity: true)
    }

    /// Reads what has come, and tells of it.
    func receive() throws {
        let got = recv(descriptor, input.baseAddress.map { $0 + inputEnd }, input.count - inputEnd, Int32(MSG_DONTWAIT))
        if got < 0, errno == EAGAIN || errno == EINTR { return }
        guard got > 0 else { throw BenchFailure("the server closed a connection") }
        inputEnd += got
        let used = try take(UnsafeRawBufferPointer(rebasing: input[..<inputEnd]))
        if used < inputEnd { input.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[used..<inputEnd])) }
        inputEnd -= used
    }

    private func take(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        var at = 0
        while bytes.count - at >= FrameHead.bytes {
            let head = FrameHead(UnsafeRawBufferPointer(rebasing: bytes[at...]))
            let start = at + FrameHead.bytes
            guard bytes.count - start >= head.length else { break }
            try take(head, UnsafeRawBufferPointer(rebasing: bytes[start..<start + head.length]))
            at = start + head.length
        }
        return at
    }

    private func take(_ head: FrameHead, _ content: UnsafeRawBufferPointer) throws {
        switch FrameType(rawValue: head.type) {
        case .data:
            credit(head.length)
            let data = head.flags.contains(.padded) ? unpadded(content) : content
            takeData(head.stream, data)
            if head.flags.contains(.endStream) { ended(head.stream, "the server ended the call without a status") }
        case .headers:
            var fields = head.flags.contains(.padded) ? unpadded(content) : content
            if head.flags.contains(.priority) { fields = UnsafeRawBufferPointer(rebasing: fields.dropFirst(5)) }
            let isEnd = head.flags.contains(.endStream)
            if head.flags.contains(.endHeaders) { try takeHeaders(head.stream, fields, isEnd) } else { block = (Array(fields), isEnd) }
        case .continuation:
            guard var whole = block else { throw BenchFailure("a continuation of nothing") }
            whole.bytes += content
            block = head.flags.contains(.endHeaders) ? nil : whole
            if block == nil { try whole.bytes.withUnsafeBytes { try takeHeaders(head.stream, $0, whole.isEnd) } }
        case .resetStream: ended(head.stream, "the stream was reset")
        case .settings: if !head.flags.contains(.acknowledge) { output.appendFrame(.settings, .acknowledge, stream: 0, length: 0) }
        case .ping:
            guard !head.flags.contains(.acknowledge) else { return }
            output.appendFrame(.ping, .acknowledge, stream: 0, length: 8)
            output += content
        case .goAway: throw BenchFailure("the server goes away")
        case .windowUpdate: if head.stream == 0 { sendWindow += Int(content.bigEndian(at: 0)) }
        case .priority, .pushPromise, nil: break
        }
    }

    private func takeHeaders(_ stream: UInt32, _ fields: UnsafeRawBufferPointer, _ isEnd: Bool) throws {
        switch try answers.read(fields, isEnd: isEnd) {
        case .head: break
        case .good: ended(stream, parts.removeValue(forKey: stream) == nil ? nil : "the call ended within a message")
        case .bad(let problem): ended(stream, problem)
        }
    }

    private func takeData(_ stream: UInt32, _ data: UnsafeRawBufferPointer) {
        guard let part = parts.isEmpty ? nil : parts.removeValue(forKey: stream) else { return takeMessages(stream, data) }
        (part + data).withUnsafeBytes { takeMessages(stream, $0) }
    }

    private func takeMessages(_ stream: UInt32, _ data: UnsafeRawBufferPointer) {
        var at = 0
        while data.count - at >= 5 {
            let end = at + 5 + Int(data.bigEndian(at: at + 1))
            guard end <= data.count else { break }
            message(stream, UnsafeRawBufferPointer(rebasing: data[at + 5..<end]))
            at = end
        }
        if at < data.count { parts[stream] = Array(data[at...]) }
    }

    private func unpadded(_ content: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: content[1..<max(1, content.count - Int(content[0]))])
    }

    /// Streams are short, or take less than their window: only the connection's must be opened again.
    private func credit(_ bytes: Int) {
        taken += bytes
        guard taken > Self.receiveWindow / 2 else { return }
        output.appendFrame(.windowUpdate, stream: 0, length: 4)
        output.appendBigEndian(UInt32(taken))
        taken = 0
    }
}

/// A connection with a port of loopback.
private func connected(_ port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let failed = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0 }
    }
    guard !failed else {
        let code = errno
        close(descriptor)
        throw BenchFailure("port \(port) cannot be reached: \(String(cString: strerror(code)))")
    }
    var yes: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    return descriptor
}
