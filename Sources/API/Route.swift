import Manifest
import Resource

/// What a path names. Pure: a path goes in, a route or a refusal comes out.
enum Route: Sendable {
    case versions, groups, group, resources
    case collection(AnyKind)
    case object(AnyKind, String)
    case status(AnyKind, String)
    case log(AnyKind, String)
    case events
    case event(String)
    case apply, diff
    case health, readiness, version, metrics

    /// - Parameter path: still percent-encoded, without the query.
    init(_ path: String, _ kinds: KindTable) throws(Refusal) {
        switch path {
        case "/healthz", "/livez": self = .health
        case "/readyz": self = .readiness
        case "/version": self = .version
        case "/metrics": self = .metrics
        case "/api", "/api/": self = .versions
        case "/apis", "/apis/": self = .groups
        case "/apis/plasma.cloud", "/apis/plasma.cloud/": self = .group
        default:
            guard path == Paths.base || path.hasPrefix(Paths.base + "/") else { throw .noSuchPath(path) }
            var parts: [String] = []
            for raw in path.dropFirst(Paths.base.count).split(separator: "/") {
                guard let part = percentDecoded(raw, plusIsSpace: false), !part.contains("/"), !part.isEmpty else {
                    throw .badRequest("the path \(path) has a broken percent-encoding")
                }
                parts.append(part)
            }
            self = try Self.resource(parts, path, kinds)
        }
    }

    private static func resource(_ parts: [String], _ path: String, _ kinds: KindTable) throws(Refusal) -> Route {
        switch (parts.first, parts.count) {
        case (nil, _): return .resources
        case ("apply", 1): return .apply
        case ("diff", 1): return .diff
        case ("events", 1): return .events
        case ("events", 2): return .event(parts[1])
        case (let plural?, _):
            guard let kind = kinds[plural] else {
                let near = nearest(to: plural, among: kinds.all.map(\.plural) + ["events", "apply", "diff"])
                throw Refusal(
                    code: 404, reason: "NotFound",
                    message: "the path \(path) is not served: there is no kind \"\(plural)\""
                        + (near.map { "; did you mean \"\($0)\"?" } ?? "; GET \(Paths.base) lists them"))
            }
            switch (parts.count, parts.last) {
            case (1, _): return .collection(kind)
            case (2, _): return .object(kind, parts[1])
            case (3, "status"): return .status(kind, parts[1])
            case (3, "log"): return .log(kind, parts[1])
            default: throw .noSuchPath(path)
            }
        }
    }
}

/// nil when a `%` is not followed by two hexadecimal digits, or the result is not UTF-8.
func percentDecoded(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "%"):
            guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else { return nil }
            bytes.append(high << 4 | low)
        case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
        default: bytes.append(byte)
        }
    }
    return String(validating: bytes, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
