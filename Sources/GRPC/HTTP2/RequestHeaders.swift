import NIOCore
import NIOHPACK

/// What a block of headers is (RFC 9113 §8.1, §8.2, §8.3).
enum HeaderBlock: Sendable {
    case request(RequestHead)
    /// Fields alone, as they may come after a request's data. Nothing is asked of them.
    case trailers
    /// No server may take it for either.
    case malformed

    init(_ headers: HPACKHeaders, _ router: Router) {
        guard let fields = RequestFields(headers, router) else {
            self = .malformed
            return
        }
        guard fields.hasPseudoHeaders else {
            self = .trailers
            return
        }
        self = RequestHead(fields, router).map { .request($0) } ?? .malformed
    }
}

/// What matters of a call's headers, and who serves it.
final class RequestHead: Sendable {
    let path: String
    let isPost: Bool
    let isGRPC: Bool
    let encoding: String?
    let timeout: Duration?
    /// Of `grpc-timeout`, when that is no time.
    let badTimeout: String?
    let served: Router.Method?
    /// How many bytes of data are to come (RFC 9113 §8.1.1).
    let contentLength: Int?
    let isTooLong: Bool
    /// What handlers ask for; all the rest would be kept as long as the call goes on.
    private let metadata: [String: String]

    init?(_ fields: RequestFields, _ router: Router) {
        guard let path = fields.path, let method = fields.method, fields.scheme != nil, !path.isEmpty else { return nil }
        self.path = path
        isPost = method == "POST"
        isGRPC = fields.isGRPC
        encoding = fields.encoding
        timeout = fields.timeout
        badTimeout = fields.badTimeout
        contentLength = fields.contentLength
        isTooLong = fields.bytes > RequestHeaders.listBytesMax
        metadata = fields.metadata
        served = router[path]
    }

    /// The first value under a name, if that is one of `Router.metadata`.
    func value(_ name: String) -> String? { metadata[name] }
}

/// The fields of one block, each for itself as it may be.
struct RequestFields {
    private(set) var path: String?, method: String?, scheme: String?
    private var authority: String?
    private(set) var isGRPC = false
    private(set) var encoding: String?, timeout: Duration?, badTimeout: String?
    private(set) var contentLength: Int?
    private(set) var metadata: [String: String] = [:]
    /// As they count for MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2).
    private(set) var bytes = 0

    var hasPseudoHeaders: Bool { path != nil || method != nil || scheme != nil || authority != nil }

    /// - Returns: nil when one of them may be in no request.
    init?(_ headers: HPACKHeaders, _ router: Router) {
        var hasFields = false
        /// A pseudo-header comes once, and before all others.
        func set(_ field: inout String?, _ value: String) -> Bool {
            guard field == nil, !hasFields else { return false }
            field = value
            return true
        }
        for (name, value, _) in headers {
            bytes += name.utf8.count + value.utf8.count + 32
            let isGood = switch name {
            case ":path": set(&path, value)
            case ":method": set(&method, value)
            case ":scheme": set(&scheme, value)
            case ":authority": set(&authority, value)
            case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade": false
            case "te": value == "trailers"
            case "content-length": setContentLength(value)
            default: Self.isFieldName(name)
            }
            guard isGood, !value.utf8.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) else { return nil }
            if !name.utf8.starts(with: CollectionOfOne(UInt8(ascii: ":"))) { hasFields = true }
            switch name {
            case "content-type": isGRPC = Self.isGRPC(value)
            case "grpc-encoding": encoding = value
            case "grpc-timeout":
                timeout = TimeoutText.decode(value[...])
                badTimeout = timeout == nil ? value : nil
            default: if router.metadata.contains(name), metadata[name] == nil { metadata[name] = value }
            }
        }
    }

    /// Digits, and the same wherever it is said (RFC 9110 §8.6).
    private mutating func setContentLength(_ text: String) -> Bool {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let bytes = Int(text),
            contentLength == nil || contentLength == bytes
        else { return false }
        contentLength = bytes
        return true
    }

    /// In small letters, and no pseudo-header (which would be one that nobody knows).
    private static func isFieldName(_ name: String) -> Bool {
        name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }

    /// Alone, or with a message's encoding or a parameter behind it (PROTOCOL-HTTP2.md, "Content-Type").
    private static func isGRPC(_ type: String) -> Bool {
        let plain = "application/grpc"
        let type = type == plain ? type : type.lowercased()
        return type.hasPrefix(plain) && type.utf8.dropFirst(plain.utf8.count).first.map { "+;".utf8.contains($0) } ?? true
    }
}

/// Understands the header blocks of one connection's calls (RFC 7541). A block that only names places of the tables, as all but the first
/// of a client's are, changes nothing in them: what it said before it says again, and is not decoded again.
struct RequestHeaders {
    private let router: Router
    private var decoder = HPACKDecoder(
        allocator: ByteBufferAllocator(), maxDynamicTableSize: HPACKDecoder.maxDynamicTableSize, maxHeaderListSize: Self.listBytesReadMax)
    private var known: [(bytes: ByteBuffer, block: HeaderBlock)] = []

    /// What the client is told not to go beyond. A call that does is refused.
    static let listBytesMax = 16 * 1024
    /// So much is read, so that the next call can be; beyond it the connection ends.
    private static let listBytesReadMax = 4 * listBytesMax
    private static let knownMax = 8

    init(router: Router) { self.router = router }

    /// What is said of a method that is not served.
    func unknown(_ path: String) -> GRPCStatus { router.unknown(path) }

    /// - Throws: when it cannot be read: then no later one can, either.
    mutating func read(_ bytes: ByteBuffer) throws(HTTP2Fault) -> HeaderBlock {
        if let same = known.first(where: { $0.bytes == bytes }) { return same.block }
        let block: HeaderBlock
        do {
            var rest = bytes
            block = HeaderBlock(try decoder.decodeHeaders(from: &rest), router)
        } catch {
            throw error is NIOHPACKErrors.MaxHeaderListSizeViolation
                ? HTTP2Fault(.enhanceYourCalm, "more headers than \(Self.listBytesReadMax) bytes") : HTTP2Fault(.compressionError, "a header block that cannot be read")
        }
        // One byte each (RFC 7541 §6.1); 0x80 is no place, 0xFF begins a longer number.
        guard bytes.readableBytesView.allSatisfy({ $0 > 0x80 && $0 < 0xFF }) else {
            known = []
            return block
        }
        if known.count == Self.knownMax { known.removeFirst() }
        known.append((ByteBuffer(bytes: bytes.readableBytesView), block))
        return block
    }
}
