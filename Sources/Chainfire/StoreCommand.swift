import Bytes
import Store

/// What the log carries. Counts and numbers are varints (LEB128; a negative number takes ten bytes);
/// a string of bytes is its length as a varint, and the bytes.
///
///     0      format version, 1
///     1      kind: 1 transaction, 2 compaction
///     2 …    transaction: compares, then, otherwise, each a count and its members
///            compaction: revision
///
///     compare    relation (1: 0 equal 1 greater 2 less 3 not equal), target (1: 0 version
///                1 created 2 modified 3 value 4 lease), key, number or value
///     operation  kind (1), then
///                0 put          key, value, lease
///                1 delete       range
///                2 range        range, revision (0 is the newest), limit, flags (1: bit 0 count only,
///                               bit 1 keys only)
///                3 transaction  as above
///     range      lower, then 0 (1), or 1 (1) and upper
enum StoreCommand: Hashable, Sendable {
    case transaction(Transaction)
    case compaction(Revision)

    static let format: UInt8 = 1
    /// Deeper than `Transaction.validate` lets anything be.
    private static let depthMax = 200

    var encoded: [UInt8] {
        var out = ByteWriter()
        out.write(Self.format)
        switch self {
        case .transaction(let transaction):
            out.write(UInt8(1))
            Self.write(transaction, to: &out)
        case .compaction(let revision):
            out.write(UInt8(2))
            out.number(revision)
        }
        return out.bytes
    }

    init(decoding bytes: [UInt8]) throws(CommandProblem) {
        var input = ByteReader(bytes)
        let format = try input.byte()
        guard format == Self.format else { throw .format(format) }
        switch try input.byte() {
        case 1: self = .transaction(try Self.readTransaction(&input, depth: 0))
        case 2: self = .compaction(try input.number())
        case let kind: throw .malformed("command kind \(kind)", offset: input.offset - 1)
        }
        guard input.remaining == 0 else { throw .malformed("bytes after the command", offset: input.offset) }
    }

    private static func write(_ transaction: Transaction, to out: inout ByteWriter) {
        out.count(transaction.compares.count)
        for compare in transaction.compares { write(compare, to: &out) }
        for branch in [transaction.then, transaction.otherwise] {
            out.count(branch.count)
            for operation in branch { write(operation, to: &out) }
        }
    }

    private static func write(_ compare: Compare, to out: inout ByteWriter) {
        out.write(compare.relation.rawValue)
        switch compare.target {
        case .version(let number): out.target(0, compare.key, number)
        case .createRevision(let number): out.target(1, compare.key, number)
        case .modRevision(let number): out.target(2, compare.key, number)
        case .value(let value):
            out.write(UInt8(3))
            out.writePrefixed(compare.key.bytes)
            out.writePrefixed(value)
        case .lease(let number): out.target(4, compare.key, number)
        }
    }

    private static func write(_ operation: Operation, to out: inout ByteWriter) {
        switch operation {
        case .put(let key, let value, let lease):
            out.write(UInt8(0))
            out.writePrefixed(key.bytes)
            out.writePrefixed(value)
            out.number(lease)
        case .delete(let range):
            out.write(UInt8(1))
            out.range(range)
        case .range(let request):
            out.write(UInt8(2))
            out.range(request.range)
            out.number(request.revision ?? 0)
            out.number(Int64(request.limit))
            out.write(UInt8((request.countOnly ? 1 : 0) | (request.keysOnly ? 2 : 0)))
        case .transaction(let inner):
            out.write(UInt8(3))
            write(inner, to: &out)
        }
    }

    private static func readTransaction(_ input: inout ByteReader, depth: Int) throws(CommandProblem) -> Transaction {
        guard depth < depthMax else { throw .malformed("transactions nested too deeply", offset: input.offset) }
        var transaction = Transaction(then: [])
        for _ in 0..<(try input.count()) { transaction.compares.append(try readCompare(&input)) }
        for _ in 0..<(try input.count()) { transaction.then.append(try readOperation(&input, depth: depth)) }
        for _ in 0..<(try input.count()) { transaction.otherwise.append(try readOperation(&input, depth: depth)) }
        return transaction
    }

    private static func readCompare(_ input: inout ByteReader) throws(CommandProblem) -> Compare {
        let place = input.offset
        guard let relation = Compare.Relation(rawValue: try input.byte()) else {
            throw .malformed("relation", offset: place)
        }
        let kind = try input.byte()
        let key = Key(try input.string())
        let target: Compare.Target = switch kind {
        case 0: .version(try input.number())
        case 1: .createRevision(try input.number())
        case 2: .modRevision(try input.number())
        case 3: .value(try input.string())
        case 4: .lease(try input.number())
        default: throw .malformed("compare target \(kind)", offset: place + 1)
        }
        return Compare(key, relation, target)
    }

    private static func readOperation(_ input: inout ByteReader, depth: Int) throws(CommandProblem) -> Operation {
        let place = input.offset
        switch try input.byte() {
        case 0: return .put(Key(try input.string()), try input.string(), lease: try input.number())
        case 1: return .delete(try input.range())
        case 2:
            let range = try input.range()
            let revision = try input.number()
            let limit = Int(try input.number())
            let flags = try input.byte()
            return .range(RangeRequest(
                range, at: revision > 0 ? revision : nil, limit: limit, countOnly: flags & 1 != 0, keysOnly: flags & 2 != 0))
        case 3: return .transaction(try readTransaction(&input, depth: depth + 1))
        case let kind: throw .malformed("operation kind \(kind)", offset: place)
        }
    }
}

enum CommandProblem: Error, Hashable, CustomStringConvertible {
    case format(UInt8)
    case malformed(String, offset: Int)

    var description: String {
        switch self {
        case .format(let format):
            "a command of format \(format), but this version reads format \(StoreCommand.format); start the newer version again"
        case .malformed(let what, let offset): "a command that cannot be read (\(what) at its byte \(offset))"
        }
    }
}

extension ByteWriter {
    fileprivate mutating func target(_ kind: UInt8, _ key: Key, _ wanted: Int64) {
        write(kind)
        writePrefixed(key.bytes)
        number(wanted)
    }

    fileprivate mutating func range(_ range: KeyRange) {
        writePrefixed(range.lower.bytes)
        write(UInt8(range.upper == nil ? 0 : 1))
        if let upper = range.upper { writePrefixed(upper.bytes) }
    }
}

extension ByteReader {
    fileprivate mutating func range() throws(CommandProblem) -> KeyRange {
        let lower = Key(try string())
        return KeyRange(lower: lower, upper: try byte() == 0 ? nil : Key(try string()))
    }
}
