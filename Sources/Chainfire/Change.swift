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
package struct ChangeID: Hashable, Comparable, Sendable {
    static let changesMax = (1 << 20) - 1
    static let revisionMax = Revision.max >> 20
    package var number: Int64

    package init(number: Int64) { self.number = number }
    package init(_ revision: Revision, _ place: Int) { number = revision << 20 | Int64(place) }

    package var revision: Revision { number >> 20 }
    package var place: Int { Int(number & Int64(Self.changesMax)) }

    package static func < (a: ChangeID, b: ChangeID) -> Bool { a.number < b.number }
}

/// One key's new state: a row of the history.
package struct Change: Hashable, Sendable {
    package let id: ChangeID
    package let key: Key
    package let isDeleted: Bool
    /// nil: the key was deleted, or the value was left on the disk.
    package let value: [UInt8]?
    package let valueBytes: Int
    /// 0 for a delete, as are `version` and `lease`.
    package let createRevision: Revision
    package let version: Int64
    package let lease: Int64
    /// Of all that the row says, its place included: equal on all members.
    package let checksum: UInt32

    package init(put id: ChangeID, _ key: Key, _ value: [UInt8], createRevision: Revision, version: Int64, lease: Int64) {
        self.id = id
        self.key = key
        isDeleted = false
        self.value = value
        valueBytes = value.count
        self.createRevision = createRevision
        self.version = version
        self.lease = lease
        let head = Self.head(isDeleted: false, createRevision, version, lease, key)
        checksum = CRC32C.checksum(value, seed: CRC32C.checksum(head.bytes, seed: id.checksumSeed))
    }

    package init(delete id: ChangeID, _ key: Key) {
        self.id = id
        self.key = key
        isDeleted = true
        value = nil
        valueBytes = 0
        createRevision = 0
        version = 0
        lease = 0
        checksum = CRC32C.checksum(Self.head(isDeleted: true, 0, 0, 0, key).bytes, seed: id.checksumSeed)
    }

    /// What a put left; nil for a delete.
    package var entry: Entry? {
        guard !isDeleted, let value else { return nil }
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
    private static func head(
        isDeleted: Bool, _ createRevision: Revision, _ version: Int64, _ lease: Int64, _ key: Key
    ) -> ByteWriter {
        var out = ByteWriter()
        out.write(UInt8(isDeleted ? 0 : 1))
        out.number(createRevision)
        out.number(version)
        out.number(lease)
        out.writePrefixed(key.bytes)
        return out
    }

    package var encoded: [UInt8] {
        var out = ByteWriter()
        out.write(checksum)
        out.write(Self.head(isDeleted: isDeleted, createRevision, version, lease, key).bytes)
        out.write(value ?? [])
        return out.bytes
    }

    /// nil: these are not the bytes that were written.
    package init?(_ id: ChangeID, decoding bytes: [UInt8]) {
        guard let change = bytes.withUnsafeBytes({ Change(id, reading: $0, keepsValue: true) }) else { return nil }
        self = change
    }

    /// - Parameter keepsValue: false leaves the value out, to spare memory; the checksum is proven all the same.
    init?(_ id: ChangeID, reading bytes: UnsafeRawBufferPointer, keepsValue: Bool) {
        guard bytes.count >= 5 else { return nil }
        let sum = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        guard sum == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[4...]), seed: id.checksumSeed) else { return nil }
        var at = 5
        guard bytes[4] <= 1, let created = Self.varint(bytes, &at), let version = Self.varint(bytes, &at),
            let lease = Self.varint(bytes, &at), let length = Self.varint(bytes, &at), length <= UInt64(bytes.count - at)
        else { return nil }
        let keyEnd = at + Int(length)
        self.id = id
        isDeleted = bytes[4] == 0
        key = Key(Array(bytes[at..<keyEnd]))
        valueBytes = bytes.count - keyEnd
        value = isDeleted || !keepsValue ? nil : Array(bytes[keyEnd...])
        createRevision = Int64(bitPattern: created)
        self.version = Int64(bitPattern: version)
        self.lease = Int64(bitPattern: lease)
        checksum = sum
    }

    private static func varint(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < bytes.count else { return nil }
            let byte = bytes[at]
            at += 1
            number |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return number }
        }
        return nil
    }
}

extension ChangeID {
    fileprivate var checksumSeed: UInt32 { UInt32(truncatingIfNeeded: number) }
}
