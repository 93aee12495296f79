import NIOHTTP1

/// An HTTP/1.1 request, whole.
package struct HTTPRequest: Sendable {
    package var method: HTTPMethod
    /// Without the query, still percent-encoded; of an absolute URI (RFC 9112 §3.2.2) what follows the authority.
    package var path: String
    /// What follows the question mark, or empty.
    package var query: String
    package var headers: HTTPHeaders
    /// At most `Limits.bodyBytesMax` bytes.
    package var body: [UInt8]
    package var peer: Peer

    static func parts(ofURI uri: String) -> (path: String, query: String) {
        var rest = uri[...]
        if !rest.hasPrefix("/"), let scheme = rest.firstRange(of: "://") {
            let behind = rest[scheme.upperBound...]
            rest = behind.firstIndex { $0 == "/" || $0 == "?" }.map { behind[$0...] } ?? "/"
        }
        let place = rest.firstIndex(of: "?") ?? rest.endIndex
        return (place == rest.startIndex ? "/" : String(rest[..<place]), String(rest[place...].dropFirst()))
    }
}

/// Called on the connection's event loop, must not block; answers sooner or later through the reply.
package typealias HTTPHandler = @Sendable (HTTPRequest, HTTPReply) -> Void
