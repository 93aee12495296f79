import Bytes

/// How `StoreCommand` and `Change` spell counts, numbers and strings; a read that does not fit throws
/// instead of being nil.
extension ByteWriter {
    mutating func number(_ number: Int64) { writeVarint(UInt64(bitPattern: number)) }
    mutating func count(_ count: Int) { writeVarint(UInt64(count)) }
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

    mutating func number() throws(CommandProblem) -> Int64 {
        guard let number = readVarint() else { throw ended }
        return Int64(bitPattern: number)
    }

    mutating func string() throws(CommandProblem) -> [UInt8] {
        guard let string = readPrefixed() else { throw ended }
        return string
    }

    private var ended: CommandProblem { .malformed("it ends early", offset: offset) }
}
