/// Reads manifests: YAML 1.2's core schema over libyaml's events; JSON is read by the same door.
///
/// Told apart from other readers: `no` and `on` are text, tags beyond the core schema's are refused, keys must be text, and a key
/// given twice is a problem. A merge key (`<<`) is read: of YAML 1.1, but what people write who know anchors.
package enum YAML {
    /// What a file may be made of, so that no input costs more than it should.
    package struct Limits: Hashable, Sendable {
        /// The size of the file.
        package var bytesMax: Int
        /// How deeply lists and mappings may nest, aliases counted as what they name.
        package var depthMax: Int
        /// How many values a file may hold, aliases counted as what they name.
        package var nodesMax: Int
        /// How many bytes of text a file may hold, aliases counted as what they name.
        package var textMax: Int
        /// After how many problems the rest of a file is not reported.
        package var problemsMax: Int

        package init(
            bytesMax: Int = 8 << 20, depthMax: Int = 100, nodesMax: Int = 1_000_000, textMax: Int = 32 << 20, problemsMax: Int = 1000
        ) {
            self.bytesMax = bytesMax
            self.depthMax = depthMax
            self.nodesMax = nodesMax
            self.textMax = textMax
            self.problemsMax = problemsMax
        }

        package static let `default` = Limits()
    }

    /// All documents that are well-formed, but for empty ones, and all problems in the order of the file. After a
    /// syntax error reading goes on at the next line that begins with `---`; after a limit was passed it ends.
    package static func read(
        _ bytes: [UInt8], file: String, limits: Limits = .default
    ) -> (documents: [Value], problems: [Problem]) {
        func refused(_ offset: Int?, _ message: String) -> (documents: [Value], problems: [Problem]) {
            let mark = offset.map { place(of: $0, in: bytes) } ?? Mark(line: 1, column: 1)
            return ([], [Problem(file: file, mark: mark, message: message)])
        }
        if bytes.count > limits.bytesMax { return refused(nil, tooLarge(bytes.count, limits)) }
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            return refused(nil, "is UTF-16; save the file as UTF-8")
        }
        if let offset = invalidUTF8(bytes) {
            return refused(offset, "byte 0x\(hex(bytes[offset])) is not UTF-8; save the file as UTF-8")
        }
        if let offset = bytes.firstIndex(where: { $0 < 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 || $0 == 0x7F }) {
            let name = bytes[offset] == 0 ? "a NUL byte" : "the control character 0x\(hex(bytes[offset]))"
            return refused(offset, "\(name) may not stand in a manifest; is this a text file?")
        }
        if let (offset, message) = strayCharacter(bytes) { return refused(offset, message) }
        if let offset = tooManyTagDirectives(bytes) {
            return refused(offset, "has more than \(tagDirectivesMax) %TAG directives; leave them out, plasma knows no tags of others")
        }
        var composer = Composer(bytes: withoutSurrogatePairs(bytes), file: file, limits: limits)
        composer.readAll()
        return (composer.documents, composer.problems)
    }

    /// A character that libyaml refuses far ahead of where it reads, so that its place could not be told, or that it takes for the end of a
    /// line, as YAML 1.1 does and YAML 1.2 (5.4) and editors do not: what stands behind it in a comment would be configuration.
    private static func strayCharacter(_ bytes: [UInt8]) -> (offset: Int, message: String)? {
        var next = 0
        while let offset = bytes[next...].firstIndex(where: { $0 == 0xC2 || $0 == 0xE2 || $0 == 0xEF }) {
            next = offset + 1
            let rest = bytes[next...].prefix(2)
            switch (bytes[offset], rest.first, rest.last) {
            case (0xC2, 0x85?, _): return (offset, "the line separator U+0085 may not stand in a manifest; in quotes it is written \\N")
            case (0xC2, (0x80...0x9F)?, _):
                return (offset, "the control character U+00\(hex(rest[next]).uppercased()) may not stand in a manifest; is this text of another code page than UTF-8?")
            case (0xE2, 0x80?, 0xA8?): return (offset, "the line separator U+2028 may not stand in a manifest; in quotes it is written \\u2028")
            case (0xE2, 0x80?, 0xA9?): return (offset, "the paragraph separator U+2029 may not stand in a manifest; in quotes it is written \\u2029")
            case (0xEF, 0xBF?, 0xBE?), (0xEF, 0xBF?, 0xBF?): return (offset, "U+FFF\(rest.last == 0xBE ? "E" : "F") is no character, and may not stand in a manifest")
            // Files of an editor that writes it, one behind the other.
            case (0xEF, 0xBB?, 0xBF?) where offset > 0 && (bytes[offset - 1] == 0x0A || bytes[offset - 1] == 0x0D):
                return (offset, "a byte order mark (U+FEFF) stands at the beginning of this line; take it out: it may stand at the beginning of a file only")
            default: continue
            }
        }
        return nil
    }

    /// libyaml compares each %TAG directive with all before it, so that many of them would take minutes.
    private static let tagDirectivesMax = 64

    private static func tooManyTagDirectives(_ bytes: [UInt8]) -> Int? {
        var count = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "%") {
            guard index == 0 || bytes[index - 1] == 0x0A || bytes[index - 1] == 0x0D, bytes[index...].starts(with: "%TAG".utf8) else { continue }
            count += 1
            if count > tagDirectivesMax { return index }
        }
        return nil
    }

    static func tooLarge(_ size: Int?, _ limits: Limits) -> String {
        let size = size.map { "the file has \(ByteCount(UInt64($0)))" } ?? "the input goes on"
        return "\(size); at most \(ByteCount(UInt64(limits.bytesMax))) are read: split it into several files"
    }

    /// JSON writes characters beyond U+FFFF as two escapes, `\ud83d\ude00`, which YAML lacks: they become one
    /// of YAML's. Only where the text begins as JSON does.
    private static func withoutSurrogatePairs(_ bytes: [UInt8]) -> [UInt8] {
        guard let first = bytes.first(where: { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }),
            first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
        else { return bytes }
        var out: [UInt8] = []
        var run = 0
        var index = 0
        while let escape = bytes[index...].firstIndex(of: UInt8(ascii: "\\")) {
            index = min(escape + 2, bytes.count)
            guard let high = unit(bytes, at: escape), (0xD800..<0xDC00).contains(high),
                let low = unit(bytes, at: escape + 6), (0xDC00..<0xE000).contains(low)
            else { continue }
            out += bytes[run..<escape]
            let digits = String(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00), radix: 16)
            out += ("\\U" + String(repeating: "0", count: 8 - digits.count) + digits).utf8
            index = escape + 12
            run = index
        }
        return run == 0 ? bytes : out + bytes[run...]
    }

    /// The value of `\uXXXX` at an offset.
    private static func unit(_ bytes: [UInt8], at offset: Int) -> UInt32? {
        guard offset + 6 <= bytes.count, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u") else { return nil }
        let digits = bytes[(offset + 2)..<(offset + 6)].map { Character(Unicode.Scalar($0)).hexDigitValue }
        return digits.reduce(0) { sum, digit in sum.flatMap { sum in digit.map { sum << 4 + UInt32($0) } } }
    }
}
