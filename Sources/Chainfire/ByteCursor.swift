import Bytes

/// How `StoreCommand`, `Change` and the facts spell counts, numbers and strings; a read that does not fit
/// throws instead of being nil.
extension ByteWriter {
    mutating func number(_ number: Int64) { writeVarint(UInt64(bitPattern: number)) }
    mutating func count(_ count: Int) { writeVarint(UInt64(count)) }
    mutating func text(_ text: String) { writePrefixed(Array(text.utf8)) }
}

extension ByteReader {
    mutating func byte() throws(CommandProblem) -> UInt8 {
        guard let byte = read(UInt8.self) else { throw ended }
        return byte
    }

    /// A count of things of at least one byte each: never more than the bytes that are left.
    mutating func count() throws(CommandProblem) -> Int {
        guard let count = readVarint(), count <= UInt64(remaining) else { throw ended }
        return Int(count)
    }

    mutating func unsigned() throws(CommandProblem) -> UInt64 {
        guard let number = readVarint() else { throw ended }
        return number
    }

    mutating func number() throws(CommandProblem) -> Int64 { Int64(bitPattern: try unsigned()) }

    mutating func string() throws(CommandProblem) -> [UInt8] {
        guard let string = readPrefixed() else { throw ended }
        return string
    }

    mutating func text() throws(CommandProblem) -> String { String(decoding: try string(), as: UTF8.self) }

    mutating func texts() throws(CommandProblem) -> [String] {
        var texts: [String] = []
        for _ in 0..<(try count()) { texts.append(try text()) }
        return texts
    }

    private var ended: CommandProblem { .malformed("it ends early", offset: offset) }
}
