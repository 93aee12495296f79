import NIOHTTP1

/// An HTTP/1.1 request, whole.
package struct HTTPRequest: Sendable {
    package var method: HTTPMethod
    /// Without the query, still percent-encoded.
    package var path: String
    /// What follows the question mark, or empty.
    package var query: String
    package var headers: HTTPHeaders
    /// At most `Limits.bodyBytesMax` bytes.
    package var body: [UInt8]
    package var peer: Peer
}

/// Called on the connection's event loop, must not block; answers sooner or later through the reply.
package typealias HTTPHandler = @Sendable (HTTPRequest, HTTPReply) -> Void
