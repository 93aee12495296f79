import NIOCore
import NIOHPACK
import Simulation
import SwiftProtobuf

@testable import GRPC

/// A client that does all that a client may (RFC 9113), in an order that a seed makes, and knows what a server may do of it.
///
/// It sends nothing itself: `turn` gives the bytes of a few frames, `take` reads what came back for them.
struct HonestClient {
    struct Wrong: Error, CustomStringConvertible {
        var description: String
    }
    private struct Call {
        var method: String
        /// As the bytes of DATA, not sent yet.
        var rest: [UInt8]
        /// All that should come back.
        var echo: [UInt8]
        var got: [UInt8] = []
        /// How much the server may send, and we.
        var mayCome: Int, mayGo: Int
        /// Frames of the headers that are not sent yet: nothing else may come between them.
        var isDone = false, isReset = false, isWide = false
        var status: String?
        /// Its headers have come.
        var isBegun = false
    }

    private(set) var sent = 0
    private var calls: [UInt32: Call] = [:]
    private var next: UInt32 = 1
    private var streamWindow = HTTP2.windowAtFirst, theirStreamWindow = HTTP2.windowAtFirst
    private var mayCome = HTTP2.windowAtFirst, mayGo = HTTP2.windowAtFirst
    private var acknowledgements = 0, pings: [[UInt8]] = [], controls = 0
    private var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    private var input: [UInt8] = []

    static let begin = HTTP2.preface + MuteClient.frame(4)

    init() { acknowledgements = 1 }

    private static func number(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(number).bigEndian, Array.init) }

    /// Calls that can go on.
    private func open(where isWanted: (Call) -> Bool) -> [UInt32] {
        calls.filter { $0.value.status == nil && !$0.value.isReset && isWanted($0.value) }.keys.sorted()
    }

    // MARK: what it does

    mutating func turn(_ dice: inout FuzzDice) throws -> [UInt8] {
        switch dice.number(0...19) {
        case 0...3 where calls.count < 40: return try begin(&dice)
        case 4...11:
            let some = open { !$0.isDone }
            return some.isEmpty ? [] : data(dice.pick(some), &dice)
        case 12, 13:
            // To the connection, or a stream of ours that is there.
            let more = dice.pick([1, 100, 16_384, 70_000])
            let some = open { $0.mayCome + more < HTTP2.windowMax }
            if some.isEmpty || dice.oneIn(3) {
                mayCome += more
                return MuteClient.frame(8, Self.number(more))
            }
            let id = dice.pick(some)
            calls[id]?.mayCome += more
            return MuteClient.frame(8, stream: id, Self.number(more))
        case 14:
            guard controls < 100 else { return [] }
            controls += 1
            return settings(dice.pick([0, 1, 5, 100, 16_384, 65_535, 1 << 20]))
        case 15:
            let some = open { _ in true }
            guard let id = some.last, dice.oneIn(3) else { return [] }
            calls[id]?.isReset = true
            return MuteClient.frame(3, stream: id, Self.number(8))
        case 16:
            controls += 1
            let number = dice.bytes(8)
            pings.append(number)
            return MuteClient.frame(6, number)
        case 17: return dice.oneIn(2) ? MuteClient.frame(2, stream: next + 20, [0, 0, 0, 1, 3]) : MuteClient.frame(99, flags: 7, stream: 1, dice.bytes(5))
        case 18: return MuteClient.frame(4, flags: 1)
        default: return []
        }
    }

    /// Lets everything come, and sends the rest.
    mutating func finish(_ dice: inout FuzzDice) -> [UInt8] {
        var bytes = settings(1 << 20)
        if mayCome < 1 << 30 {
            mayCome += 1 << 30
            bytes += MuteClient.frame(8, Self.number(1 << 30))
        }
        for id in open(where: { !$0.isWide }) {
            calls[id]?.mayCome += 1 << 29
            calls[id]?.isWide = true
            bytes += MuteClient.frame(8, stream: id, Self.number(1 << 29))
        }
        for id in open(where: { !$0.isDone }) { bytes += data(id, &dice) }
        return bytes
    }

    private mutating func settings(_ window: Int) -> [UInt8] {
        for id in calls.keys { calls[id]?.mayCome += window - streamWindow }
        streamWindow = window
        acknowledgements += 1
        return MuteClient.frame(4, [0, 4] + Self.number(window))
    }

    private mutating func begin(_ dice: inout FuzzDice) throws -> [UInt8] {
        let id = next
        next += dice.oneIn(5) ? 6 : 2
        let count = dice.number(0...dice.pick([0, 10, 300, 40_000, 150_000]))
        let isUnary = dice.oneIn(2)
        var messages: [UInt8] = []
        for _ in 0..<(isUnary ? 1 : dice.number(0...4)) {
            let message: [UInt8] = try Google_Protobuf_BytesValue.with { $0.value = .init(dice.bytes(count)) }.serializedBytes()
            messages += FrameClient.framed(message)
        }
        let method = isUnary ? "/test.Echo/Blob" : "/test.Echo/Stream"
        calls[id] = Call(method: method, rest: messages, echo: messages, mayCome: streamWindow, mayGo: theirStreamWindow)
        var headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":path": method, ":authority": "a", "content-type": "application/grpc", "te": "trailers"]
        if dice.oneIn(4) { headers.add(name: "grpc-timeout", value: "99H") }
        if dice.oneIn(4) { headers.add(name: "x-\(dice.number(0...9))", value: String(repeating: "v", count: dice.number(0...300))) }
        if dice.oneIn(3) { headers.add(name: "content-length", value: "\(messages.count)") }
        var buffer = ByteBuffer()
        try encoder.encode(headers: headers, to: &buffer)
        var block = Array(buffer.readableBytesView)
        // In up to three frames, the first of them perhaps padded and with a priority.
        let isSplit = dice.oneIn(4)
        let last = isSplit ? dice.number(0...block.count) : block.count
        let (padding, hasPriority) = (dice.oneIn(4) ? dice.number(0...20) : nil, dice.oneIn(4))
        var first: [UInt8] = padding.map { [UInt8($0)] } ?? []
        if hasPriority { first += [0, 0, 0, 0, 9] }
        first += block.prefix(last) + [UInt8](repeating: 0, count: padding ?? 0)
        block.removeFirst(last)
        var bytes = MuteClient.frame(1, flags: (isSplit ? 0 : 4) | (padding == nil ? 0 : 8) | (hasPriority ? 0x20 : 0), stream: id, first)
        if isSplit {
            let middle = dice.number(0...block.count)
            bytes += MuteClient.frame(9, stream: id, Array(block[..<middle])) + MuteClient.frame(9, flags: 4, stream: id, Array(block[middle...]))
        }
        return bytes
    }

    /// Of one call, as far as the windows go; perhaps its end.
    private mutating func data(_ id: UInt32, _ dice: inout FuzzDice) -> [UInt8] {
        guard var call = calls[id] else { return [] }
        defer { calls[id] = call }
        let padding = dice.oneIn(6) ? dice.number(0...200) : nil
        let around = padding.map { $0 + 1 } ?? 0
        let room = min(call.mayGo, mayGo, 16_384) - around
        guard room >= 0 else { return [] }
        let count = min(call.rest.count, room, dice.oneIn(2) ? 16_384 : dice.number(0...1000))
        let isLast = count == call.rest.count && dice.oneIn(2)
        // What says nothing is counted.
        if count == 0 && !isLast { return [] }
        call.mayGo -= count + around
        mayGo -= count + around
        let piece = Array(call.rest.prefix(count))
        call.rest.removeFirst(count)
        let isTrailed = isLast && dice.oneIn(4)
        call.isDone = isLast
        var bytes = MuteClient.frame(
            0, flags: (isLast && !isTrailed ? 1 : 0) | (padding == nil ? 0 : 8), stream: id,
            (padding.map { [UInt8($0)] } ?? []) + piece + [UInt8](repeating: 0, count: padding ?? 0))
        // Trailers that go into no table.
        if isTrailed { bytes += MuteClient.frame(1, flags: 5, stream: id, [0, 1, 0x78, 1, 0x79]) }
        return bytes
    }

    // MARK: what comes

    mutating func take(_ bytes: [UInt8]) throws {
        input += bytes
        while input.count >= 9 {
            let length = Int(input[0]) << 16 | Int(input[1]) << 8 | Int(input[2])
            guard input.count >= 9 + length else { break }
            let id = input[5..<9].reduce(0) { $0 << 8 | UInt32($1) }
            let (type, flags, content) = (input[3], input[4], Array(input[9..<9 + length]))
            input.removeFirst(9 + length)
            guard length <= HTTP2.frameBytesMax else { throw Wrong(description: "a frame of \(length) bytes") }
            try take(type, flags, id, content)
        }
    }

    private mutating func take(_ type: UInt8, _ flags: UInt8, _ id: UInt32, _ content: [UInt8]) throws {
        func number(_ at: Int) -> Int { content[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        switch type {
        case 0:
            mayCome -= content.count
            calls[id]?.mayCome -= content.count
            guard let call = calls[id], call.isBegun, call.status == nil else { throw Wrong(description: "data of \(id), which has none to come") }
            guard call.mayCome >= 0 || content.isEmpty, mayCome >= 0 || content.isEmpty else {
                throw Wrong(description: "more data of \(id) than its window, or the connection's: \(call.mayCome), \(mayCome)")
            }
            calls[id]?.got += content
            if flags & 1 == 1 { throw Wrong(description: "an answer without trailers") }
        case 1:
            var block = ByteBuffer(bytes: content)
            let headers = try decoder.decodeHeaders(from: &block)
            guard let call = calls[id], call.status == nil else { throw Wrong(description: "headers of \(id), which has none to come") }
            calls[id]?.isBegun = true
            if flags & 1 == 1 { calls[id]?.status = headers.first(name: "grpc-status") ?? "none" }
        case 3:
            // To stop sending: the answer is there already.
            guard let call = calls[id], call.isReset || call.status != nil else { throw Wrong(description: "\(id) is reset: \(number(0))") }
        case 4:
            if flags & 1 == 1 {
                acknowledgements -= 1
                break
            }
            for at in stride(from: 0, to: content.count, by: 6) where content[at + 1] == 4 {
                for id in calls.keys { calls[id]?.mayGo += number(at + 2) - theirStreamWindow }
                theirStreamWindow = number(at + 2)
            }
        case 6:
            guard flags & 1 == 1, let at = pings.firstIndex(of: content) else { throw Wrong(description: "a ping that nobody asked for") }
            pings.remove(at: at)
        case 7: throw Wrong(description: "it goes away: \(number(4)), \(String(decoding: content.dropFirst(8), as: UTF8.self))")
        case 8: if id == 0 { mayGo += number(0) } else { calls[id]?.mayGo += number(0) }
        default: throw Wrong(description: "a frame of type \(type)")
        }
    }

    /// All is sent and answered.
    var isFinished: Bool { open { _ in true }.isEmpty }

    /// What is missing at the end, or other than it should be.
    func check() throws {
        for (id, call) in calls.sorted(by: { $0.key < $1.key }) where !call.isReset {
            guard call.status == "0" else { throw Wrong(description: "\(call.method) \(id) ended with \(call.status ?? "nothing")") }
            guard call.got == call.echo else { throw Wrong(description: "\(call.method) \(id): \(call.got.count) bytes of \(call.echo.count) came, or others") }
        }
        guard acknowledgements == 0, pings.isEmpty else { throw Wrong(description: "\(acknowledgements) settings and \(pings.count) pings have no answer") }
    }
}
