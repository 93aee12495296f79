import Resource

/// The API's paths, as the client asks for them.
enum Paths {
    static let base = "/apis/\(plasmaAPIVersion)"
    static let apply = "\(base)/apply"
    static let diff = "\(base)/diff"
    static let events = "\(base)/events"

    static func list(_ plural: String) -> String { "\(base)/\(plural)" }
    static func object(_ plural: String, _ name: String) -> String { "\(base)/\(plural)/\(percentEncoded(name))" }

    static func fieldSelector(_ reference: Reference) -> String {
        "involvedObject.kind=\(reference.kind),involvedObject.name=\(reference.name)"
    }

    static func withQuery(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    }
}
