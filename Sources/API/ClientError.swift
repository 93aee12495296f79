import Manifest
import Resource

/// Why a request to the server did not do what was asked, in words for the person who asked.
package enum ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nobody answered, or the connection broke.
    case unreachable(Endpoint, String)
    case notFound(Reference)
    /// Somebody else changed or manages the object, or it is leaving.
    case conflict(String)
    /// The manifest or the object may not be; every problem that was found.
    case invalid([Problem])
    case forbidden(String)
    /// The history asked for was compacted away: list again.
    case gone(String)
    /// What was asked makes no sense before it is sent.
    case usage(String)
    /// Any other answer of the server.
    case server(Int, String)

    /// Why this one object may not be changed, where others may; nil for what concerns every request.
    package var refusal: String? {
        switch self {
        case .conflict(let why), .forbidden(let why): why
        default: nil
        }
    }

    /// Whether the same may go well a little later: nobody is there, or who is there cannot answer now.
    var mayPass: Bool {
        switch self {
        case .unreachable, .server(503, _), .server(429, _): true
        default: false
        }
    }

    package var description: String {
        switch self {
        case .unreachable(_, let why): why
        case .notFound(let reference): "\(reference) is not there"
        case .conflict(let why), .forbidden(let why), .gone(let why), .usage(let why): why
        case .invalid(let problems): problems.map(\.description).joined(separator: "\n")
        // Up to 499 the words are about what was asked, and need no preamble.
        case .server(400..<500, let message): message
        case .server(let status, let message): "the server answered \(status): \(message)"
        }
    }
}
