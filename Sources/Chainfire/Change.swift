import Bytes
import Store

/// The place of one change in the whole history: the revision, and the change's place in it. It is
/// the row's number in SQLite, so that the table grows at its end and lies in history's order.
///
///     bit 63      62 … 20          19 … 0
///         0   |   revision   |   place in it
///
/// 43 bits of revision last 18 years at 15,000 commits a second; a transaction may change at most
/// 1,048,575 keys.
struct ChangeID: Hashable, Comparable, Sendable {
    static let changesMax = (1 << 20) - 1
    var number: Int64

    init(number: Int64) { self.number = number }
    init(_ revision: Revision, _ place: Int) { number = revision << 20 | Int64(place) }

    var revision: Revision { number >> 20 }
    var place: Int { Int(number & Int64(Self.changesMax)) }

    static func < (a: ChangeID, b: ChangeID) -> Bool { a.number < b.number }
}

/// One key's new state: a row of the history.
struct Change: Hashable, Sendable {
    var id: ChangeID
    var key: Key
    /// nil: the key was deleted.
    var value: [UInt8]?
    /// 0 for a delete, as are `version` and `lease`.
    var createRevision: Revision
    var version: Int64
    var lease: Int64

    var entry: Entry? {
        guard let value else { return nil }
        return Entry(
            key: key, value: value, createRevision: createRevision, modRevision: id.revision, version: version, lease: lease)
    }

    func event(previous: Entry?) -> Event {
        if let entry { .put(entry, previous: previous) } else { .delete(key, modRevision: id.revision, previous: previous) }
    }
}

/// The row's bytes in SQLite, numbers as varints:
///
///     checksum (4, little-endian: CRC-32C of the rest, seeded with the low half of the row's number)
///     state (1: 0 deleted, 1 put), created, version, lease, key length, key, value to the end
extension Change {
    var encoded: [UInt8] {
        var out = ByteWriter()
        out.write(UInt32(0))
        out.write(UInt8(value == nil ? 0 : 1))
        out.number(createRevision)
        out.number(version)
        out.number(lease)
        out.writePrefixed(key.bytes)
        out.write(value ?? [])
        out.overwrite(CRC32C.checksum(out.bytes, in: 4..<out.bytes.count, seed: id.checksumSeed), at: 0)
        return out.bytes
    }

    /// nil: these are not the bytes that were written.
    init?(_ id: ChangeID, decoding bytes: [UInt8]) {
        var input = ByteReader(bytes)
        guard let sum = input.read(UInt32.self),
            sum == CRC32C.checksum(bytes, in: 4..<bytes.count, seed: id.checksumSeed),
            let state = input.read(UInt8.self), let created = input.readVarint(), let version = input.readVarint(),
            let lease = input.readVarint(), let key = input.readPrefixed(), let value = input.read(count: input.remaining)
        else { return nil }
        self.init(
            id: id, key: Key(key), value: state == 0 ? nil : value, createRevision: Int64(bitPattern: created),
            version: Int64(bitPattern: version), lease: Int64(bitPattern: lease))
    }
}

extension ChangeID {
    fileprivate var checksumSeed: UInt32 { UInt32(truncatingIfNeeded: number) }
}
