import NIOCore
import Testing

@testable import Replica

@Suite struct FrameTests {
    @Test func `frames come out whole however they were cut on the way`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var dice = WireDice(seed: seed)
        for _ in 0..<200 {
            let messages = (0..<Int.random(in: 1...20, using: &dice)).map { _ in dice.message() }
            var stream = ByteBuffer()
            for message in messages { stream.writeFrame(message) }
            var decoder = FrameDecoder(payloadBytesMax: 1 << 20)
            var back: [PeerMessage?] = []
            while let part = stream.readSlice(length: min(stream.readableBytes, Int.random(in: 1...200, using: &dice))), part.readableBytes > 0 {
                decoder.append(part)
                while let (kind, content) = try decoder.next() {
                    #expect(kind == .message)
                    back.append(PeerMessage(content))
                }
            }
            #expect(back == messages, "seed \(seed)")
        }
    }

    @Test func `a frame with one wrong bit, an impossible length or an unknown kind ends the stream`() {
        var frame = ByteBuffer()
        frame.writeFrame(.ping) { $0.writeBytes([1, 2, 3]) }
        for bit in 0..<frame.readableBytes * 8 {
            var wrong = frame
            wrong.setInteger(wrong.getInteger(at: bit / 8, as: UInt8.self)! ^ 1 << UInt8(bit % 8), at: bit / 8)
            var decoder = FrameDecoder(payloadBytesMax: 100)
            decoder.append(wrong)
            // A larger length waits for more; all else is found out.
            if let whole = try? decoder.next() { Issue.record("bit \(bit): \(whole)") }
        }
        var empty = FrameDecoder(payloadBytesMax: 100)
        empty.append(ByteBuffer(bytes: [0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(throws: FrameError.length(0)) { _ = try empty.next() }
        var long = FrameDecoder(payloadBytesMax: 100)
        long.append(ByteBuffer(string: "GET / HTTP/1.1\r\n"))
        #expect(throws: FrameError.length(0x2054_4547)) { _ = try long.next() }
    }

    @Test func `an outbox forgets the oldest when it is full, and counts what it forgets`() {
        var dice = WireDice(seed: 1)
        var outbox = Outbox(bytesMax: 300_000, frameBytesMax: 100_000)
        func chunk(_ count: Int, _ offset: UInt64) -> PeerMessage {
            guard case .chunk(var chunk) = dice.chunkMessage().body else { preconditionFailure() }
            chunk.bytes = [UInt8](repeating: 7, count: count)
            chunk.offset = offset
            return PeerMessage(from: 1, to: 2, body: .chunk(chunk))
        }
        var forgotten = 0
        for at in 0..<10 { forgotten += outbox.put(chunk(70_000, UInt64(at)), now: .uptimeNanoseconds(UInt64(at))) }
        #expect(forgotten == 6)
        #expect(outbox.bytes <= 300_000)
        let refused = outbox.put(chunk(200_000, 99), now: .uptimeNanoseconds(50))
        #expect(refused == 1)
        let old = outbox.forget(before: .uptimeNanoseconds(8))
        #expect(old == 2)
        var left: [UInt64] = []
        while let piece = outbox.take() {
            var decoder = FrameDecoder(payloadBytesMax: 1 << 20)
            decoder.append(piece.bytes)
            while let (_, content) = try? decoder.next() {
                if case .chunk(let chunk) = PeerMessage(content)?.body { left.append(chunk.offset) }
            }
        }
        #expect(left == [8, 9])
        #expect(outbox.bytes == 0)
    }

    @Test func `addresses are read as people write them`() {
        #expect(PeerAddress("node01") == PeerAddress(host: "node01", port: 2380))
        #expect(PeerAddress("node01:12") == PeerAddress(host: "node01", port: 12))
        #expect(PeerAddress("[::1]:12") == PeerAddress(host: "::1", port: 12))
        #expect(PeerAddress("[::1]") == PeerAddress(host: "::1", port: 2380))
        #expect(PeerAddress("fe80::1") == PeerAddress(host: "fe80::1", port: 2380))
        #expect(PeerAddress("[::1]:12")?.description == "[::1]:12")
        for wrong in ["", ":2380", "a:", "a:x", "a:70000", "a:-1", "[::1", "[::1]x", "[a]:1", "https://a:1", "a b:1"] {
            #expect(PeerAddress(wrong) == nil, "\(wrong)")
        }
    }
}
