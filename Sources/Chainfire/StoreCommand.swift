import Bytes
import Store

/// What the log carries. Counts and numbers are varints (LEB128; a negative number takes ten bytes);
/// a string of bytes is its length as a varint, and the bytes.
///
///     0      format version: 2, 3 where an incarnation is told, or 4 for the alarm `corrupt` (1 is read too: kinds 1 and 2 without what is marked
///            with *)
///     1      kind (1)
///     2 …    1 transaction    compares, then, otherwise: each a count and its members
///            2 compaction     revision
///            3 lease granted  id, seconds
///            4 leases revoked count, ids
///            5 leases renewed count, ids
///            6 leases ended   count, each: id, index of the entry that last renewed it
///            7 leases' time   count, each: id, index of the entry that last renewed it, seconds left
///            8 members        count, records (`MemberRecord`) that are new or changed
///            9 alarm          0 cleared, 1 raised (1), member, kind (1)
///           10 founded        cluster id, count, the first members' records
///           11 published      member, name, count, client URLs; of format 3: incarnation
///
///     compare    relation (1: 0 equal 1 greater 2 less 3 not equal), target (1: 0 version
///                1 created 2 modified 3 value 4 lease; *bit 7: a range), key or *range, number or value
///     operation  kind (1), then
///                0 put          key, value, lease
///                1 delete       range
///                2 range        range, revision (0 is the newest), limit, flags (1: bit 0 count only,
///                               bit 1 keys only, *bit 2 sorted: order (1), target (1) follow,
///                               *bit 3 bounded: least and most modified, least and most created follow)
///                3 transaction  as above
///               *4 amend        key, flags (1: bit 0 value follows, bit 1 lease follows), value, lease
///     range      lower, then 0 (1), or 1 (1) and upper
package enum StoreCommand: Hashable, Sendable {
    case transaction(Transaction)
    case compaction(Revision)
    case leaseGrant(id: Int64, ttl: Int64)
    case leasesRevoke([Int64])
    case leasesRenew([Int64])
    case leasesEnd([LeaseSight])
    case leasesRecord([Remaining])
    case members([MemberRecord])
    case alarm(isRaised: Bool, Alarm)
    case founded(clusterID: UInt64, [MemberRecord])
    /// What a member says of itself; incarnation 0: nothing of its disk.
    case published(memberID: UInt64, name: String, clientURLs: [String], incarnation: UInt64)

    package struct Remaining: Hashable, Sendable {
        package var sight: LeaseSight
        package var seconds: Int64
    }

    static let format: UInt8 = 4
    /// Deeper than `Transaction.validate` lets anything be.
    private static let depthMax = 200

    /// Whether it may need more room than it gives back.
    var grows: Bool {
        switch self {
        case .transaction(let transaction): transaction.mayGrow
        case .leaseGrant, .members: true
        default: false
        }
    }

    /// Whether keys, their history or leases change with it, beyond that leases live longer.
    var changesState: Bool {
        switch self {
        case .transaction, .compaction, .leaseGrant, .leasesRevoke, .leasesEnd: true
        case .leasesRenew, .leasesRecord, .members, .alarm, .founded, .published: false
        }
    }

    /// The earliest in which it can be told: who reads no later one is not stopped without need.
    private var format: UInt8 {
        switch self {
        case .members(let records), .founded(_, let records): records.contains { $0.incarnation != 0 } ? 3 : 2
        case .published(_, _, _, let incarnation): incarnation != 0 ? 3 : 2
        case .alarm(_, let alarm): alarm.kind == .corrupt ? 4 : 2
        default: 2
        }
    }

    package var encoded: [UInt8] {
        var out = ByteWriter()
        out.write(format)
        switch self {
        case .transaction(let transaction):
            out.write(UInt8(1))
            Self.write(transaction, to: &out)
        case .compaction(let revision):
            out.write(UInt8(2))
            out.number(revision)
        case .leaseGrant(let id, let ttl):
            out.write(UInt8(3))
            out.number(id)
            out.number(ttl)
        case .leasesRevoke(let ids): out.list(4, ids) { $1.number($0) }
        case .leasesRenew(let ids): out.list(5, ids) { $1.number($0) }
        case .leasesEnd(let ends): out.list(6, ends) { $1.sight($0) }
        case .leasesRecord(let times):
            out.list(7, times) {
                $1.sight($0.sight)
                $1.number($0.seconds)
            }
        case .members(let records): out.list(8, records) { $0.write(to: &$1) }
        case .alarm(let isRaised, let alarm):
            out.write(UInt8(9))
            out.write(UInt8(isRaised ? 1 : 0))
            out.writeVarint(alarm.memberID)
            out.write(alarm.kind.rawValue)
        case .founded(let cluster, let records):
            out.write(UInt8(10))
            out.writeVarint(cluster)
            out.count(records.count)
            for record in records { record.write(to: &out) }
        case .published(let member, let name, let urls, let incarnation):
            out.write(UInt8(11))
            out.writeVarint(member)
            out.text(name)
            out.count(urls.count)
            for url in urls { out.text(url) }
            if incarnation != 0 { out.writeVarint(incarnation) }
        }
        return out.bytes
    }

    package init(decoding bytes: [UInt8]) throws(CommandProblem) {
        var input = ByteReader(bytes)
        let format = try input.byte()
        guard (1...Self.format).contains(format) else { throw .format(format) }
        let kind = try input.byte()
        guard format > 1 || kind <= 2 else { throw .malformed("command kind \(kind)", offset: 1) }
        switch kind {
        case 1: self = .transaction(try Self.readTransaction(&input, depth: 0))
        case 2: self = .compaction(try input.number())
        case 3: self = .leaseGrant(id: try input.number(), ttl: try input.number())
        case 4: self = .leasesRevoke(try input.list { input throws(CommandProblem) in try input.number() })
        case 5: self = .leasesRenew(try input.list { input throws(CommandProblem) in try input.number() })
        case 6: self = .leasesEnd(try input.list { input throws(CommandProblem) in try input.sight() })
        case 7:
            self = .leasesRecord(try input.list { input throws(CommandProblem) in
                Remaining(sight: try input.sight(), seconds: try input.number())
            })
        case 8: self = .members(try input.list { input throws(CommandProblem) in try MemberRecord(reading: &input) })
        case 9:
            let isRaised = try input.byte() != 0
            let member = try input.unsigned()
            guard let kind = Alarm.Kind(rawValue: try input.byte()) else { throw .malformed("alarm", offset: input.offset - 1) }
            self = .alarm(isRaised: isRaised, Alarm(memberID: member, kind: kind))
        case 10:
            let cluster = try input.unsigned()
            self = .founded(
                clusterID: cluster, try input.list { input throws(CommandProblem) in try MemberRecord(reading: &input) })
        case 11:
            self = .published(
                memberID: try input.unsigned(), name: try input.text(), clientURLs: try input.texts(),
                incarnation: format < 3 ? 0 : try input.unsigned())
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
        let (kind, number): (UInt8, Int64) = switch compare.target {
        case .version(let number): (0, number)
        case .createRevision(let number): (1, number)
        case .modRevision(let number): (2, number)
        case .value: (3, 0)
        case .lease(let number): (4, number)
        }
        out.write(kind | (compare.range == nil ? 0 : 0x80))
        if let range = compare.range { out.range(range) } else { out.writePrefixed(compare.key.bytes) }
        if case .value(let value) = compare.target { out.writePrefixed(value) } else { out.number(number) }
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
            let bounds = [request.minMod, request.maxMod, request.minCreate, request.maxCreate]
            let isBounded = bounds != [0, 0, 0, 0]
            out.write(UInt8(
                (request.countOnly ? 1 : 0) | (request.keysOnly ? 2 : 0) | (request.sort == nil ? 0 : 4) | (isBounded ? 8 : 0)))
            if let sort = request.sort {
                out.write(sort.order.rawValue)
                out.write(sort.target.rawValue)
            }
            if isBounded { for bound in bounds { out.number(bound) } }
        case .amend(let key, let value, let lease):
            out.write(UInt8(4))
            out.writePrefixed(key.bytes)
            out.write(UInt8((value == nil ? 0 : 1) | (lease == nil ? 0 : 2)))
            if let value { out.writePrefixed(value) }
            if let lease { out.number(lease) }
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
        let range = kind & 0x80 == 0 ? nil : try input.range()
        let key = if let range { range.lower } else { Key(try input.string()) }
        let target: Compare.Target = switch kind & 0x7F {
        case 0: .version(try input.number())
        case 1: .createRevision(try input.number())
        case 2: .modRevision(try input.number())
        case 3: .value(try input.string())
        case 4: .lease(try input.number())
        default: throw .malformed("compare target \(kind)", offset: place + 1)
        }
        var compare = Compare(key, relation, target)
        compare.range = range
        return compare
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
            var request = RangeRequest(
                range, at: revision > 0 ? revision : nil, limit: limit, countOnly: flags & 1 != 0, keysOnly: flags & 2 != 0)
            if flags & 4 != 0 {
                guard let order = RangeRequest.Sort.Order(rawValue: try input.byte()),
                    let target = RangeRequest.Sort.Target(rawValue: try input.byte())
                else { throw .malformed("sort", offset: place) }
                request.sort = .init(order, by: target)
            }
            if flags & 8 != 0 {
                request.minMod = try input.number()
                request.maxMod = try input.number()
                request.minCreate = try input.number()
                request.maxCreate = try input.number()
            }
            return .range(request)
        case 4:
            let key = Key(try input.string())
            let flags = try input.byte()
            let value = flags & 1 == 0 ? nil : try input.string()
            return .amend(key, value: value, lease: flags & 2 == 0 ? nil : try input.number())
        case 3: return .transaction(try readTransaction(&input, depth: depth + 1))
        case let kind: throw .malformed("operation kind \(kind)", offset: place)
        }
    }
}

package enum CommandProblem: Error, Hashable, CustomStringConvertible {
    case format(UInt8)
    case malformed(String, offset: Int)

    package var description: String {
        switch self {
        case .format(let format):
            "a command of format \(format), but this version reads formats 1 to \(StoreCommand.format); start the newer version again"
        case .malformed(let what, let offset): "a command that cannot be read (\(what) at its byte \(offset))"
        }
    }
}

extension ByteWriter {
    fileprivate mutating func list<T>(_ kind: UInt8, _ items: [T], _ write: (T, inout ByteWriter) -> Void) {
        self.write(kind)
        count(items.count)
        for item in items { write(item, &self) }
    }

    fileprivate mutating func sight(_ sight: LeaseSight) {
        number(sight.id)
        writeVarint(sight.renewed)
    }

    fileprivate mutating func range(_ range: KeyRange) {
        writePrefixed(range.lower.bytes)
        write(UInt8(range.upper == nil ? 0 : 1))
        if let upper = range.upper { writePrefixed(upper.bytes) }
    }
}

extension ByteReader {
    fileprivate mutating func list<T>(
        _ read: (inout ByteReader) throws(CommandProblem) -> T
    ) throws(CommandProblem) -> [T] {
        var items: [T] = []
        for _ in 0..<(try count()) { items.append(try read(&self)) }
        return items
    }

    fileprivate mutating func sight() throws(CommandProblem) -> LeaseSight {
        LeaseSight(id: try number(), renewed: try unsigned())
    }

    fileprivate mutating func range() throws(CommandProblem) -> KeyRange {
        let lower = Key(try string())
        return KeyRange(lower: lower, upper: try byte() == 0 ? nil : Key(try string()))
    }
}
