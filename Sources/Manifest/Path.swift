/// One step of a path such as `spec.disks[0].labels["a.b"]`.
enum PathStep: Hashable {
    case key(String)
    case index(Int)

    /// nil when the path is not well-formed.
    static func parse(_ path: String) -> [PathStep]? {
        var steps: [PathStep] = []
        var rest = Substring(path)
        while let first = rest.first {
            if first == "[" {
                rest = rest.dropFirst()
                if rest.first == "\"" {
                    rest = rest.dropFirst()
                    var key = ""
                    while let character = rest.popFirst(), character != "\"" {
                        if character == "\\", let escaped = rest.popFirst() { key.append(escaped) } else { key.append(character) }
                    }
                    steps.append(.key(key))
                    guard rest.popFirst() == "]" else { return nil }
                } else {
                    guard let end = rest.firstIndex(of: "]"), let index = Int(rest[..<end]), index >= 0 else { return nil }
                    steps.append(.index(index))
                    rest = rest[rest.index(after: end)...]
                }
            } else {
                if first == "." {
                    guard !steps.isEmpty else { return nil }
                    rest = rest.dropFirst()
                }
                let end = rest.firstIndex { $0 == "." || $0 == "[" } ?? rest.endIndex
                guard end > rest.startIndex else { return nil }
                steps.append(.key(String(rest[..<end])))
                rest = rest[end...]
            }
        }
        return steps
    }
}

/// The path of a member: `spec` and `cpus` give `spec.cpus`; a key that is no plain word is put in
/// brackets: `labels["a.b"]`.
package func path(_ base: String, _ key: String) -> String {
    let isPlain = !key.isEmpty && key.utf8.allSatisfy { $0 != 0x2E && $0 != 0x5B && $0 != 0x5D && $0 != 0x22 && $0 > 0x20 }
    if isPlain { return base.isEmpty ? key : base + "." + key }
    var escaped = ""
    for character in key {
        if character == "\"" || character == "\\" { escaped.append("\\") }
        escaped.append(character)
    }
    return base + "[\"" + escaped + "\"]"
}
