import NIOCore
import NIOHPACK

/// What matters of a call's headers, and who serves it.
final class RequestHead: Sendable {
    let path: String
    let isPost: Bool
    let isGRPC: Bool
    let encoding: String?
    let timeout: Duration?
    /// Of `grpc-timeout`, when that is no time.
    let badTimeout: String?
    let route: Router.Route?
    /// What handlers ask for; all the rest would be kept as long as the call goes on.
    private let metadata: [String: String]

    /// - Returns: nil when it is malformed: no server may take it for a request (RFC 9113 §8.1.1, §8.2, §8.3).
    init?(_ headers: HPACKHeaders, _ router: Router) {
        var (path, method, scheme, authority): (String?, String?, String?, String?)
        var (isGRPC, hasFields) = (false, false)
        var encoding: String?, timeout: Duration?, badTimeout: String?
        var metadata: [String: String] = [:]
        /// A pseudo-header comes once, and before all others.
        func set(_ field: inout String?, _ value: String) -> Bool {
            guard field == nil, !hasFields else { return false }
            field = value
            return true
        }
        for (name, value, _) in headers {
            let isGood = switch name {
            case ":path": set(&path, value)
            case ":method": set(&method, value)
            case ":scheme": set(&scheme, value)
            case ":authority": set(&authority, value)
            case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade": false
            case "te": value == "trailers"
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
        guard let path, let method, scheme != nil, !path.isEmpty else { return nil }
        self.path = path
        isPost = method == "POST"
        self.isGRPC = isGRPC
        self.encoding = encoding
        self.timeout = timeout
        self.badTimeout = badTimeout
        self.metadata = metadata
        route = router[path]
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

    /// The first value under a name, if that is one of `Router.metadata`.
    func value(_ name: String) -> String? { metadata[name] }
}

/// Understands the header blocks of one connection's calls (RFC 7541). A block that only names places of the tables, as all but the first
/// of a client's are, changes nothing in them: what it said before it says again, and is not decoded again.
struct RequestHeaders {
    private let router: Router
    private var decoder = HPACKDecoder(
        allocator: ByteBufferAllocator(), maxDynamicTableSize: HPACKDecoder.maxDynamicTableSize, maxHeaderListSize: Self.listBytesMax)
    private var known: [(block: ByteBuffer, head: RequestHead?)] = []

    /// What the client is told not to go beyond.
    static let listBytesMax = 16 * 1024
    private static let knownMax = 8

    init(router: Router) { self.router = router }

    /// What is said of a method that is not served.
    func unknown(_ path: String) -> GRPCStatus { router.unknown(path) }

    /// - Returns: nil when the block can be read, and is no request.
    /// - Throws: when it cannot be read: then no later one can, either.
    mutating func read(_ block: ByteBuffer) throws(HTTP2Fault) -> RequestHead? {
        if let same = known.first(where: { $0.block == block }) { return same.head }
        let head: RequestHead?
        do {
            var rest = block
            head = RequestHead(try decoder.decodeHeaders(from: &rest), router)
        } catch {
            throw error is NIOHPACKErrors.MaxHeaderListSizeViolation
                ? HTTP2Fault(.enhanceYourCalm, "more headers than \(Self.listBytesMax) bytes") : HTTP2Fault(.compressionError, "a header block that cannot be read")
        }
        // One byte each (RFC 7541 §6.1); 0x80 is no place, 0xFF begins a longer number.
        guard block.readableBytesView.allSatisfy({ $0 > 0x80 && $0 < 0xFF }) else {
            known = []
            return head
        }
        if known.count == Self.knownMax { known.removeFirst() }
        known.append((ByteBuffer(bytes: block.readableBytesView), head))
        return head
    }
}
