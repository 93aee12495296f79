/// What sha256sum writes: 64 hexadecimal digits, a space, a space or `*`, and the file's name, a line for each file.
package enum ChecksumFile {
    package static let bytesMax = 1 << 20

    /// The digest of the file at `path`: of the line that has its path or its last part; of the only line, where there
    /// is but one and it has no name. nil: there is none.
    package static func digest(of path: String, in text: String) -> String? {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let lines = text.split(whereSeparator: \.isNewline).compactMap(parse)
        if let exact = lines.first(where: { $0.name == path }) { return exact.digest }
        if let named = lines.first(where: { $0.name.split(separator: "/").last.map(String.init) == name }) { return named.digest }
        return lines.count == 1 && lines[0].name.isEmpty ? lines[0].digest : nil
    }

    private static func parse(_ line: Substring) -> (digest: String, name: String)? {
        let digest = line.prefix(64)
        guard digest.utf8.count == 64, digest.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        let rest = line.dropFirst(64)
        guard rest.isEmpty || rest.first == " " else { return nil }
        var name = rest.dropFirst()
        if name.first == " " || name.first == "*" { name = name.dropFirst() }
        return (digest.lowercased(), String(name))
    }
}
