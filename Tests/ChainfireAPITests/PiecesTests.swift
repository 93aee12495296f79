import Etcd
import Foundation
import GRPC
import NIOHTTP1
import Store
import Testing
@testable import Chainfire
@testable import ChainfireAPI

struct PiecesTests {
    @Test func `a stream's body is cut into its objects`() {
        func cut(_ text: String) -> [String] { JSONTexts.objects(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) } }
        #expect(cut("") == [])
        #expect(cut(" \n") == [])
        #expect(cut(#"{"a":{}}{"b":"}\"{"} {}"#) == [#"{"a":{}}"#, #"{"b":"}\"{"}"#, "{}"])
        #expect(cut("{} garbage {}") == ["{}", "garbage {}"])
        #expect(cut(#"{"a":"\"#) == [#"{"a":"\"#])
    }

    @Test func `a text becomes a JSON string`() throws {
        let text = "\"quoted\" \\ \n \u{1} é 🦊"
        let decoded = try JSONSerialization.jsonObject(with: Data(JSONTexts.quoted(text).utf8), options: .fragmentsAllowed) as? String
        #expect(decoded == text)
    }

    @Test func `escapes that are not needed go, and line breaks in base64`() throws {
        func plain(_ text: String) -> String { String(decoding: JSONTexts.plain(Array(text.utf8)), as: UTF8.self) }
        #expect(plain(#"{"key":"Zm8\u003d"}"#) == #"{"key":"Zm8="}"#)
        #expect(plain(#"{"\u006bey":"a\/b\u002B"}"#) == #"{"key":"a/b+"}"#)
        #expect(plain(#"["YWFh\r\nYWFh\n"]"#) == #"["YWFhYWFh"]"#)
        #expect(plain(#"["two\nlines, no base64"]"#) == #"["two\nlines, no base64"]"#)
        for same in [#"["\"\\\u0022\u005c\u00e9\u0000\ud83e\udd8a"]"#, #"["\u00"]"#, #"["\u"#, #"["\"#, #"""#, #"\""#, ""] { #expect(plain(same) == same) }
        // Whatever it is, it means the same.
        var dice = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let pieces = [#"\u0041"#, #"\u002f"#, #"\/"#, #"\\"#, #"\""#, #"\t"#, #"\u0022"#, #"\u005C"#, "é", " ", "x", #"\u20ac"#]
            let text = "[\"" + (0..<9).map { _ in pieces.randomElement(using: &dice)! }.joined() + "\"]"
            let values = [text, plain(text)].map { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String] }
            #expect(values[0] != nil && values[0] == values[1], "\(text)")
        }
    }

    @Test func `a transaction asks nobody when all that it does is read what is here`() {
        func isSerializable(_ flags: [Bool?]) -> Bool {
            let operations = flags.map { flag in
                Etcdserverpb_RequestOp.with { if let flag { $0.requestRange.serializable = flag } else { $0.requestPut.key = Data([1]) } }
            }
            return Etcdserverpb_TxnRequest.with { ($0.success, $0.failure) = (Array(operations.prefix(1)), Array(operations.dropFirst())) }.isSerializable
        }
        #expect(isSerializable([]) && isSerializable([true]) && isSerializable([true, true]))
        #expect(!isSerializable([false]) && !isSerializable([true, false]) && !isSerializable([nil]) && !isSerializable([true, nil]))
    }

    @Test func `percent signs are decoded or refused`() {
        #expect(PercentEncoding.decode(Array("a%2fb%00".utf8)) == Array("a/b\0".utf8))
        for bad in ["%", "%2", "a%zz", "%f"] { #expect(PercentEncoding.decode(Array(bad.utf8)) == nil, "\(bad)") }
        let query = Query("a=1&b&a=2&c=x%20y+z&=&&d=%zz")
        #expect(query["a"] == "1" && query["b"] == "" && query.all("a") == ["1", "2"] && query["c"] == "x y z" && query["d"] == "%zz")
    }

    @Test(arguments: [
        ("http://10.0.0.1:2380", true), ("https://node-1.example:1", true), ("http://[::1]:2380", true), ("10.0.0.1:2380", false),
        ("ftp://a:1", false), ("http://a", false), ("http://a:0", false), ("http://a:99999", false), ("http://a:1/x", false),
        ("http://:1", false), ("http://u@a:1", false), ("http://a b:1", false), ("http://::1:2380", false), ("", false),
    ])
    func `a member's URL is a scheme, a host and a port`(url: String, isGood: Bool) {
        #expect((MemberURLs.sorted([url]) != nil) == isGood)
    }

    @Test func `members' URLs are put in order, and there is at least one`() {
        #expect(MemberURLs.sorted([]) == nil)
        #expect(MemberURLs.sorted(["http://b:1", "http://a:1"]) == ["http://a:1", "http://b:1"])
    }

    @Test(arguments: [
        ("127.0.0.1:5", true), ("127.8.0.1:5", true), ("[::1]:5", true), ("::1:5", true), ("[::ffff:127.0.0.1]:5", true),
        ("10.0.0.1:5", false), ("1270.0.0.1:5", false), ("[2001:db8::1]:5", false), ("localhost", false), ("", false),
    ])
    func `loopback is told from the rest`(address: String, isLoopback: Bool) {
        #expect(Access.isLoopback(address) == isLoopback)
    }

    @Test func `only the whole join token is known`() {
        let access = Access(joinToken: "secret")
        #expect(access.knows("secret"))
        for wrong in ["", "secre", "secret1", "Secret", "\0"] { #expect(!access.knows(wrong), "\(wrong)") }
        #expect(!access.knows(nil))
        #expect(!Access(joinToken: nil).knows(""))
        #expect(!Access(joinToken: "").knows(""))
    }

    @Test func `a change needs a certificate, loopback or the token, and no web page`() {
        func allowed(_ address: String, isCertified: Bool = false, _ headers: HTTPHeaders = [:]) -> Bool {
            Access(joinToken: "secret").allows(address: address, isCertified: isCertified, headers: headers)
        }
        #expect(allowed("127.0.0.1:9"))
        #expect(!allowed("127.0.0.1:9", ["origin": "http://evil.example"]))
        #expect(!allowed("10.0.0.1:9"))
        #expect(allowed("10.0.0.1:9", isCertified: true))
        #expect(allowed("10.0.0.1:9", ["authorization": "Bearer secret"]))
        #expect(!allowed("10.0.0.1:9", ["authorization": "Bearer secre"]))
        #expect(!allowed("10.0.0.1:9", ["authorization": "secret"]))
    }

    @Test func `guests see how the cluster stands and nothing of what it keeps`() {
        for path in ["/health", "/version", "/metrics", "/admin/cluster/members", "/admin/cluster/join"] { #expect(Guests.mayAsk(path), "\(path)") }
        for path in ["/v3/kv/range", "/v3beta/kv/put", "/v3/watch", "/api/v1/kv/a", "/api/v1/kv/", "//v3/kv/range", ""] {
            #expect(!Guests.mayAsk(path), "\(path)")
        }
        for method in ["/grpc.health.v1.Health/Check", "/etcdserverpb.Maintenance/Status"] { #expect(Guests.mayCall(method), "\(method)") }
        for method in ["KV/Range", "KV/Put", "Watch/Watch", "Lease/LeaseGrant", "Maintenance/Snapshot", "Maintenance/MoveLeader", "Cluster/MemberRemove"] {
            #expect(!Guests.mayCall("/etcdserverpb." + method), "\(method)")
        }
    }

    @Test func `events that are bytes already read as the messages they are part of`() throws {
        let header = Header(clusterID: 1, memberID: 2, revision: 9, term: 4)
        let before = Entry(key: "a", value: [9], createRevision: 5, modRevision: 6, version: 1)
        func page(_ value: UInt8) -> WatchPage {
            let entry = Entry(key: "a", value: [value], createRevision: 5, modRevision: 7, version: 2)
            return WatchPage(revision: 7, events: [.put(entry, previous: before)])
        }
        let (one, other) = (page(1), page(2))
        // What was encoded for the watcher before is taken again only where it is the same.
        let told: [(id: Int64, revision: Revision, page: WatchPage, withPrevious: Bool)] = [
            (0, 7, one, false), (3, 7, one, false), (127, 8, one, true), (128, 8, one, true), (1 << 40, 8, other, true), (-1, 8, one, false),
        ]
        var bundle = WatchBundle()
        for told in told {
            bundle.append(header, told.revision, watchID: told.id, EventsToSend(page: told.page, withPrevious: told.withPrevious))
        }
        let taken = bundle.take()
        var bytes = try #require(taken)
        for told in told {
            let flag = bytes.readInteger(as: UInt8.self)
            let message = bytes.readLengthPrefixedSlice(as: UInt32.self)
            let whole = try #require(message)
            let read: Etcdserverpb_WatchResponse = try whole.decoded()
            #expect(flag == 0)
            #expect(read == .with {
                $0.header = .init(header, revision: told.revision)
                $0.watchID = told.id
                $0.events = told.page.events.map { Mvccpb_Event($0, withPrevious: told.withPrevious) }
            })
        }
        #expect(bytes.readableBytes == 0)
        let nothing = bundle.take()
        #expect(nothing == nil)
    }

    @Test func `every status has etcd's HTTP status`() {
        #expect(Gateway.httpStatus(.invalidArgument) == .badRequest)
        #expect(Gateway.httpStatus(.notFound) == .notFound)
        #expect(Gateway.httpStatus(.failedPrecondition) == .preconditionFailed)
        #expect(Gateway.httpStatus(.unavailable) == .serviceUnavailable)
        #expect(Gateway.httpStatus(.unknown) == .internalServerError)
    }
}
