import Manifest

extension MemberConfiguration {
    /// Every key of the file with what it means, as the reader itself asks for them: `tls.client.cert`.
    static var keys: [(path: String, help: String)] {
        var fields = Fields(drawing: ())
        let blank = Value(mark: .first, shape: .mapping([]))
        _ = MemberConfiguration(&fields, root: blank, directory: "/", hostName: "node01")
        return keys(of: fields.schema, under: "")
    }

    private static func keys(of schema: JSON, under path: String) -> [(path: String, help: String)] {
        guard case .object(let properties)? = schema["properties"] else { return [] }
        return properties.sorted { $0.key < $1.key }.flatMap { name, inner -> [(path: String, help: String)] in
            let here = path.isEmpty ? name : "\(path).\(name)"
            let deeper = keys(of: inner, under: here)
            guard deeper.isEmpty else { return deeper }
            return [(here, inner["description"]?.string ?? "")]
        }
    }

    /// For `--help`.
    static var keysText: String {
        let width = (keys.map(\.path.count).max() ?? 0) + 2
        return keys.map { key in "  " + key.path + String(repeating: " ", count: width - key.path.count) + key.help }.joined(separator: "\n")
    }
}
