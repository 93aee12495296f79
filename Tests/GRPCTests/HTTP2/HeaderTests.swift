import NIOCore
import NIOHPACK
import Testing

@testable import GRPC

@Suite struct HeaderTests {
    private var router: Router {
        var router = Router()
        router.unary("/a/B") { (_: Text, call) in call.finish() }
        return router
    }

    private func encoded(_ encoder: inout HPACKEncoder, _ headers: HPACKHeaders) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        try encoder.encode(headers: headers, to: &buffer)
        return buffer
    }

    @Test func `what a client says again is understood again, also when its table has changed in between`() throws {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var requests = RequestHeaders(router: router)
        var blocks: Set<[UInt8]> = []
        for round in 0..<200 {
            // Every tenth of its own: it moves the places of all others.
            var headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":path": round % 3 == 0 ? "/a/B" : "/a/C", ":authority": "x"]
            headers.add(name: "content-type", value: "application/grpc+proto")
            if round % 10 == 9 { headers.add(name: "grpc-timeout", value: "\(round)S") }
            let block = try encoded(&encoder, headers)
            blocks.insert(Array(block.readableBytesView))
            let head = try #require(try requests.read(block).request)
            #expect(head.path == (round % 3 == 0 ? "/a/B" : "/a/C") && (head.served != nil) == (round % 3 == 0))
            #expect(head.isPost && head.isGRPC && head.value("token") == nil)
            #expect(head.timeout == (round % 10 == 9 ? .seconds(round) : nil))
        }
        // The same bytes came again and again, and some of them for another path.
        #expect(blocks.count < 100)
    }

    @Test func `the same bytes mean another thing when something was entered before it`() throws {
        var requests = RequestHeaders(router: router)
        /// A field that is entered into the table, by the number of its name.
        func entered(_ name: UInt8, _ value: String) -> [UInt8] { [0x40 | name, UInt8(value.utf8.count)] + Array(value.utf8) }
        func path(_ block: [UInt8]) throws -> String? { try requests.read(ByteBuffer(bytes: [0x83, 0x86] + block)).request?.path }
        #expect(try path(entered(4, "/a/B")) == "/a/B" && path(entered(4, "/a/C")) == "/a/C")
        #expect(try path([0x80 | 63]) == "/a/B" && path([0x80 | 62]) == "/a/C" && path([0x80 | 63]) == "/a/B")
        #expect(try path([0x80 | 62] + entered(38, "x")) == "/a/C")
        #expect(try path([0x80 | 63]) == "/a/C" && path([0x80 | 64]) == "/a/B")
    }

    @Test(arguments: [("5S", 5_000), ("00000010m", 10), ("99999999H", 359_999_996_400_000), ("+5S", nil), ("-1S", nil), ("5", nil), ("S", nil), ("123456789S", nil), ("5x", nil), ("", nil)] as [(String, Int64?)])
    func `a time is digits and a unit`(_ text: String, _ milliseconds: Int64?) {
        #expect(TimeoutText.decode(text[...]) == milliseconds.map { .milliseconds($0) })
    }

    @Test func `of all metadata only what is asked for is kept`() throws {
        var router = router
        router.metadata = ["token"]
        var requests = RequestHeaders(router: router)
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        let head = try requests.read(try encoded(&encoder, [
            ":method": "POST", ":scheme": "http", ":path": "/a/B", "token": "first", "other": "x", "grpc-timeout": "5x",
        ])).request
        #expect(head?.value("token") == "first" && head?.value("other") == nil && head?.timeout == nil && head?.badTimeout == "5x")
        for (type, isGRPC) in [("application/grpc", true), ("application/grpc+proto", true), ("Application/gRPC;x=y", true), ("application/grpc-web+proto", false),
            ("application/grpcx", false), ("text/plain", false)]
        {
            let head = try requests.read(try encoded(&encoder, [":method": "POST", ":scheme": "http", ":path": "/a/B", "content-type": type])).request
            #expect(head?.isGRPC == isGRPC, "\(type)")
        }
    }

    @Test(arguments: [
        [(":method", "POST"), (":scheme", "http")], [(":method", "POST"), (":path", "/a/B")], [(":scheme", "http"), (":path", "/a/B")],
        [(":method", "POST"), (":scheme", "http"), (":path", "")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":path", "/a/B")],
        [(":method", "POST"), (":scheme", "http"), ("te", "trailers"), (":path", "/a/B")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":status", "200")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), ("Token", "x")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), ("connection", "close")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), ("token", "x\r\ny")],
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), ("te", "gzip")],
    ] as [[(String, String)]]) func `what no request may be is none`(_ fields: [(String, String)]) throws {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var requests = RequestHeaders(router: router)
        for _ in 0..<2 { #expect(try requests.read(try encoded(&encoder, HPACKHeaders(fields))).isMalformed) }
    }

    @Test func `fields alone are trailers, if each may be in a request`() throws {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var requests = RequestHeaders(router: router)
        for (fields, isGood) in [([("x", "y")], true), ([], true), ([("connection", "close")], false), ([("Upper", "y")], false)] {
            for _ in 0..<2 {
                switch try requests.read(try encoded(&encoder, HPACKHeaders(fields))) {
                case .trailers: #expect(isGood, "\(fields)")
                case .malformed: #expect(!isGood, "\(fields)")
                case .request: Issue.record("\(fields)")
                }
            }
        }
    }

    @Test func `a length of the data is a number, and one`() throws {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var requests = RequestHeaders(router: router)
        for (lengths, wanted) in [(["12"], 12), (["0"], 0), (["7", "7"], 7), (["7", "8"], nil), (["-1"], nil), (["+1"], nil), ([""], nil), (["1 "], nil), (["99999999999999999999"], nil)] as [([String], Int?)] {
            var headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":path": "/a/B"]
            for length in lengths { headers.add(name: "content-length", value: length) }
            let block = try requests.read(try encoded(&encoder, headers))
            #expect(block.request?.contentLength == wanted && block.isMalformed == (wanted == nil), "\(lengths)")
        }
    }

    @Test func `more headers than the client was told are read, and known as too many`() throws {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var requests = RequestHeaders(router: router)
        // With those before it, 32 bytes for each and 1 of its name.
        let others = [":method", "POST", ":scheme", "http", ":path", "/a/B"].joined().utf8.count + 4 * 32 + 1
        for (bytes, isTooLong) in [(RequestHeaders.listBytesMax - others, false), (RequestHeaders.listBytesMax - others + 1, true), (2 * RequestHeaders.listBytesMax, true)] {
            let headers: HPACKHeaders = [":method": "POST", ":scheme": "http", ":path": "/a/B", "x": String(repeating: "x", count: bytes)]
            let head = try requests.read(try encoded(&encoder, headers)).request
            #expect(head?.isTooLong == isTooLong, "\(bytes)")
        }
    }

    @Test func `a block that cannot be read, or is too long, ends the connection`() throws {
        var requests = RequestHeaders(router: router)
        #expect(throws: HTTP2Fault.self) { try requests.read(ByteBuffer(bytes: [0xC0])) }
        // One entry of the table named again and again: few bytes that become many.
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var bomb = try encoded(&encoder, [":method": "POST", ":scheme": "http", ":path": "/a/B", "x": String(repeating: "x", count: 1000)])
        for _ in 0..<70 { bomb.writeInteger(UInt8(0x80 | 62)) }
        var others = RequestHeaders(router: router)
        let fault = #expect(throws: HTTP2Fault.self) { try others.read(bomb) }
        #expect(fault?.code == .enhanceYourCalm)
    }

    // MARK: answers

    /// Of one frame: what a client makes of it.
    private func read(_ decoder: inout HPACKDecoder, _ write: (inout ByteBuffer) -> Void) throws -> (headers: [String], bytes: Int) {
        var buffer = ByteBuffer()
        write(&buffer)
        let head = try #require(FrameHead(buffer))
        #expect(head.type == 1 && head.flags.contains(.endHeaders) && head.length == buffer.readableBytes - 9 && head.length <= 16_384)
        buffer.moveReaderIndex(forwardBy: 9)
        let headers = try decoder.decodeHeaders(from: &buffer).map { "\($0.name): \($0.value)" }
        return (headers, head.length)
    }

    @Test(arguments: [nil, 4096, 4095, 300, 0] as [Int?]) func `what answers say, clients understand, however large their table is`(_ table: Int?) throws {
        var answers = AnswerHeaders()
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        let head = [":status: 200", "content-type: application/grpc"]
        for round in 0..<6 {
            if round == 3, let table { answers.limitTable(table) }
            var first = ByteBuffer()
            #expect(try read(&decoder) { answers.writeHead(1, to: &$0); first = $0 }.headers == head)
            // nghttp2 ends a connection that does not say so first, and once (RFC 7541 §4.2).
            #expect((first.getInteger(at: 9, as: UInt8.self) == 0x20) == (round == 3 && table ?? 4096 < 4096))
            let end = try read(&decoder) { answers.writeEnd(1, .ok, hasHead: true, to: &$0) }
            #expect(end.headers == ["grpc-status: 0"])
            // From the second time on it is a byte, unless the client has no room for what that byte stands for.
            if round > 0 { #expect((end.bytes == 1) == (round < 3 || table ?? 4096 >= 4096)) }
            #expect(try read(&decoder) { answers.writeEnd(1, GRPCStatus(.notFound, "kein Schlüssel"), hasHead: true, to: &$0) }.headers
                == ["grpc-status: 5", "grpc-message: kein Schl%C3%BCssel"])
            #expect(try read(&decoder) { answers.writeEnd(1, GRPCStatus(.unimplemented, ""), hasHead: false, to: &$0) }.headers
                == head + ["grpc-status: 12", "grpc-accept-encoding: identity"])
            #expect(try read(&decoder) { answers.writePlain(1, status: "405", to: &$0) }.headers == [":status: 405", "content-length: 0"])
        }
    }

    @Test func `a long message stays within a frame`() throws {
        var answers = AnswerHeaders()
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        for text in [String(repeating: "x", count: 100_000), String(repeating: "ü", count: 100_000), String(repeating: "x", count: 126), String(repeating: "x", count: 127),
            String(repeating: "x", count: 300)]
        {
            let headers = try read(&decoder) { answers.writeEnd(1, GRPCStatus(.internalError, text), hasHead: true, to: &$0) }.headers
            let message = PercentText.decode(String(try #require(headers.last).dropFirst("grpc-message: ".count)))
            #expect(text.hasPrefix(message) && message.utf8.count >= min(text.utf8.count, 1_300))
        }
    }
}

extension HeaderBlock {
    fileprivate var request: RequestHead? { if case .request(let head) = self { head } else { nil } }
    fileprivate var isMalformed: Bool { if case .malformed = self { true } else { false } }
}
