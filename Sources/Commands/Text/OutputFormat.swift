/// What `-o` may be.
enum OutputFormat: Hashable, Sendable {
    case table, wide, yaml, json, name
    case jsonPath(JSONPath)

    static func read(_ text: String) throws -> OutputFormat {
        switch text {
        case "table": return .table
        case "wide": return .wide
        case "yaml": return .yaml
        case "json": return .json
        case "name": return .name
        default: break
        }
        let prefix = "jsonpath="
        if text.hasPrefix(prefix) { return .jsonPath(try JSONPath(String(text.dropFirst(prefix.count)))) }
        throw Failure("\"\(text)\" is not an output format; use wide, yaml, json, name or jsonpath=TEMPLATE")
    }
}
