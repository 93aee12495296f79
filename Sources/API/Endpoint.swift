import Manifest

/// Where a plasma server is reached.
package enum Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A Unix socket; the file's mode decides who may speak.
    case unix(String)
    /// `https://host:port`. Without `caPEM` the system's trust is used; `token` is sent as a bearer token (RFC 6750).
    case https(String, caPEM: String?, token: String?)

    /// Reads what a person wrote for `--server`: `/run/plasma.sock`, `unix:///run/plasma.sock`, `https://host:port`.
    /// - Throws: `ClientError.usage` with what may be written instead.
    package init(_ text: String, caPEM: String? = nil, token: String? = nil) throws(ClientError) {
        if text.hasPrefix("https://"), text.count > "https://".count {
            do throws(ScalarProblem) { _ = try HTTPURL(scalar: text) } catch { throw .usage("server \"\(text)\" \(error.rest)") }
            self = .https(text.hasSuffix("/") ? String(text.dropLast()) : text, caPEM: caPEM, token: token)
        } else if text.hasPrefix("unix:///") {
            self = .unix(String(text.dropFirst("unix://".count)))
        } else if text.hasPrefix("/") || text.hasPrefix("./") {
            self = .unix(text)
        } else {
            throw .usage("server \"\(text)\" is neither a socket (/path/to/plasma.sock) nor an address (https://host:port)")
        }
    }

    package var description: String {
        switch self {
        case .unix(let path): path
        case .https(let url, _, _): url
        }
    }

    /// The address of a path on the server, in the form that the HTTP client takes.
    func url(_ pathAndQuery: String) -> String {
        switch self {
        case .unix(let path): "http+unix://\(percentEncoded(path))\(pathAndQuery)"
        case .https(let url, _, _): url + pathAndQuery
        }
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let hex = String(byte, radix: 16, uppercase: true)
            encoded += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
        }
    }
    return encoded
}
