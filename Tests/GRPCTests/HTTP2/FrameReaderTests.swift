import NIOCore
import Testing

@testable import GRPC

private typealias Frame = FrameReader.Frame

/// All frames of some bytes, read in cuts of given sizes; pieces of one frame's data are put together.
private func frames(_ bytes: [UInt8], cutAfter cuts: () -> Int) -> (frames: [Frame], fault: HTTP2Fault?) {
    var reader = FrameReader()
    var frames: [Frame] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        let cut = rest.prefix(max(1, cuts()))
        rest = rest.dropFirst(cut.count)
        reader.append(ByteBuffer(bytes: cut))
        do throws(HTTP2Fault) {
            while let frame = try reader.next() { frames.append(frame) }
        } catch {
            return (merged(frames), error)
        }
        reader.settle()
    }
    return (merged(frames), nil)
}

/// Where a frame of data ends is not told unless it is the last: all of a stream that comes in one go is one.
private func merged(_ frames: [Frame]) -> [Frame] {
    frames.reduce(into: []) { all, frame in
        if case .data(let id, let piece, let bytes, let isLast) = frame, case .data(id, var before, let bytesBefore, false)? = all.last {
            before.writeImmutableBuffer(piece)
            all[all.count - 1] = .data(id, before, bytes: bytesBefore + bytes, isLast: isLast)
        } else {
            all.append(frame)
        }
    }
}

@Suite struct FrameReaderTests {
    private static let start = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + MuteClient.frame(4, [])

    private static func data(_ stream: UInt32, _ text: String, bytes: Int, isLast: Bool = false) -> Frame {
        .data(stream, ByteBuffer(string: text), bytes: bytes, isLast: isLast)
    }

    private static let good: [(bytes: [UInt8], frames: [Frame])] = [
        (MuteClient.frame(0, flags: 1, stream: 5, Array("abc".utf8)), [data(5, "abc", bytes: 3, isLast: true)]),
        (MuteClient.frame(0, flags: 0, stream: 5, []), [data(5, "", bytes: 0)]),
        // Padded: its length, three bytes, two of padding.
        (MuteClient.frame(0, flags: 9, stream: 5, [2] + Array("abc".utf8) + [0, 0]), [data(5, "abc", bytes: 6, isLast: true)]),
        (MuteClient.frame(0, flags: 8, stream: 5, [3, 0, 0, 0]), [data(5, "", bytes: 4)]),
        (MuteClient.frame(1, flags: 5, stream: 7, [0x82]), [.headers(7, block: ByteBuffer(bytes: [0x82]), isLast: true)]),
        (MuteClient.frame(1, flags: 0x2C, stream: 7, [1, 0, 0, 0, 3, 9, 0x82, 0x83, 0]), [.headers(7, block: ByteBuffer(bytes: [0x82, 0x83]), isLast: false)]),
        (
            MuteClient.frame(1, flags: 1, stream: 7, [0x82]) + MuteClient.frame(9, stream: 7, []) + MuteClient.frame(9, flags: 4, stream: 7, [0x83, 0x84]),
            [.nothing, .nothing, .headers(7, block: ByteBuffer(bytes: [0x82, 0x83, 0x84]), isLast: true)]
        ),
        (MuteClient.frame(2, stream: 9, [0, 0, 0, 1, 2]), [.nothing]),
        (MuteClient.frame(3, stream: 9, [0, 0, 0, 8]), [.reset(9)]),
        (MuteClient.frame(4, [0, 4, 0, 0, 0, 9]), [.settings(ByteBuffer(bytes: [0, 4, 0, 0, 0, 9]))]),
        (MuteClient.frame(4, flags: 1), [.nothing]),
        (MuteClient.frame(6, [1, 2, 3, 4, 5, 6, 7, 8]), [.ping(0x0102_0304_0506_0708)]),
        (MuteClient.frame(6, flags: 1, [1, 2, 3, 4, 5, 6, 7, 8]), [.nothing]),
        (MuteClient.frame(7, [0, 0, 0, 1, 0, 0, 0, 0, 65]), [.goAway]),
        // The highest bit is nobody's.
        (MuteClient.frame(8, stream: 0x8000_0003, [0x80, 0, 0, 7]), [.windowUpdate(3, 7)]),
        (MuteClient.frame(77, flags: 255, stream: 3, [1, 2, 3]), [.nothing]),
    ]

    @Test func `every frame is read, whole or in any pieces`() {
        let bytes = Self.start + Self.good.flatMap(\.bytes)
        let wanted = merged([.settings(ByteBuffer())] + Self.good.flatMap(\.frames))
        for size in [1, 2, 3, 7, 9, 10, 24, 33, 100_000] {
            let (given, fault) = frames(bytes) { size }
            #expect(fault == nil && given == wanted, "in pieces of \(size)")
        }
    }

    @Test(arguments: [
        (MuteClient.frame(0, stream: 0, [1]), HTTP2Code.protocolError),
        (MuteClient.frame(1, flags: 4, stream: 0, [0x82]), .protocolError),
        (MuteClient.frame(4, stream: 1), .protocolError),
        (MuteClient.frame(6, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0]), .protocolError),
        (MuteClient.frame(5, flags: 4, stream: 1, [0, 0, 0, 2, 0x82]), .protocolError),
        (MuteClient.frame(9, flags: 4, stream: 1, [0x82]), .protocolError),
        // Not continued, or continued on another stream.
        (MuteClient.frame(1, stream: 1, [0x82]) + MuteClient.frame(0, stream: 1, [1]), .protocolError),
        (MuteClient.frame(1, stream: 1, [0x82]) + MuteClient.frame(9, flags: 4, stream: 3, [0x82]), .protocolError),
        (MuteClient.frame(0, flags: 8, stream: 1, [3, 0, 0]), .protocolError),
        (MuteClient.frame(1, flags: 0x0C, stream: 1, [3, 0, 0]), .protocolError),
        (MuteClient.frame(0, flags: 8, stream: 1, []), .frameSizeError),
        (MuteClient.frame(1, flags: 0x24, stream: 1, [0, 0, 0, 0]), .frameSizeError),
        (MuteClient.frame(2, stream: 1, [0]), .frameSizeError), (MuteClient.frame(3, stream: 1, [0]), .frameSizeError),
        (MuteClient.frame(4, [0]), .frameSizeError), (MuteClient.frame(4, flags: 1, [0, 4, 0, 0, 0, 9]), .frameSizeError),
        (MuteClient.frame(6, [0]), .frameSizeError), (MuteClient.frame(7, [0]), .frameSizeError), (MuteClient.frame(8, [0]), .frameSizeError),
        (Array(MuteClient.frame(0, stream: 1, [UInt8](repeating: 0, count: 16_385)).prefix(9)), .frameSizeError),
        (MuteClient.frame(1, stream: 1, [0x82]) + (0..<9).flatMap { _ in MuteClient.frame(9, stream: 1, []) }, .enhanceYourCalm),
        ((0..<3).flatMap { MuteClient.frame($0 == 0 ? 1 : 9, stream: 1, [UInt8](repeating: 0x82, count: 16_384)) }, .enhanceYourCalm),
    ]) func `what no frame may be is refused`(_ bytes: [UInt8], _ code: HTTP2Code) {
        for size in [1, 5, 100_000] { #expect(frames(Self.start + bytes) { size }.fault?.code == code) }
    }

    @Test func `the first frame is SETTINGS, after the preface`() {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        for bytes in [preface + MuteClient.frame(6, [0, 0, 0, 0, 0, 0, 0, 0]), preface + MuteClient.frame(4, flags: 1), Array(repeating: 65, count: 24)] {
            #expect(frames(bytes) { 100 }.fault?.code == .protocolError)
        }
    }

    @Test func `no more is kept than what is not whole, however long every read ends within a frame`() {
        var reader = FrameReader()
        reader.append(ByteBuffer(bytes: Self.start))
        let frame = MuteClient.frame(1, flags: 4, stream: 1, [UInt8](repeating: 0x82, count: 10_000))
        var next = Array(frame.dropLast())
        for _ in 0..<200 {
            reader.append(ByteBuffer(bytes: next))
            while let frame = try? reader.next() { _ = frame }
            reader.settle()
            #expect(reader.keptBytes <= 2 * frame.count)
            next = [frame[frame.count - 1]] + frame.dropLast()
        }
    }

    @Test func `nor of a stream's messages, nor of what was read with them`() throws {
        var reader = MessageReader()
        let message = FrameClient.framed([UInt8](repeating: 7, count: 10_000))
        var next = message + [0]
        for _ in 0..<200 {
            // Read together with much that is none of it.
            var read = ByteBuffer(bytes: next + [UInt8](repeating: 9, count: 60_000))
            let piece = read.readSlice(length: next.count)
            reader.append(try #require(piece))
            while let message = try reader.next(bytesMax: 1 << 20) { #expect(message.readableBytes == 10_000) }
            reader.settle()
            #expect(reader.pendingBytes == 1 && reader.keptBytes <= 64)
            next = Array(message[1...]) + [0]
        }
    }

    @Test func `whatever comes, it is read the same in any pieces`() {
        let seed = UInt64.random(in: 0 ... .max)
        var state = seed
        func roll(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(count))
        }
        for round in 0..<2_000 {
            var bytes = Self.start
            for _ in 0..<roll(6) {
                let content = (0..<roll(40)).map { _ in UInt8(roll(256)) }
                bytes += roll(3) > 0 ? Self.good[roll(Self.good.count)].bytes : MuteClient.frame(UInt8(roll(12)), flags: UInt8(roll(64)), stream: UInt32(roll(4)), content)
            }
            for _ in 0..<roll(3) { bytes[Self.start.count...].isEmpty ? () : (bytes[Self.start.count + roll(bytes.count - Self.start.count)] = UInt8(roll(256))) }
            let whole = frames(bytes) { bytes.count }
            let cut = frames(bytes) { roll(30) }
            #expect(whole.frames == cut.frames && whole.fault == cut.fault, "seed \(seed), round \(round)")
        }
    }
}
