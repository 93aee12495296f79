import Bytes
import Raft

/// One record of a segment: a 32 byte header, the payload, zeros up to the next multiple of eight. All numbers
/// little-endian, both checksums seeded with the segment's seed:
///
///      0  4  bits 0–23: payload length; bits 24–27: kind; bit 31: last record of its batch; the others zero
///      4  4  window: 1 plus the number of syncs of this segment before the record was written
///      8  8  term
///     16  8  index of the entry; the vote in a hard state; zero in a mark
///     24  4  crc32c of the payload and its padding
///     28  4  crc32c of bytes 0 to 27
///     32  n  payload
///
/// A batch is written with one write, ended by a record with bit 31, and followed by a sync. It counts only as
/// a whole. A record of window n says that all of window n − 1 is durable, so damage there is never taken for
/// a torn write.
struct RecordHeader: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// A Raft entry.
        case entry = 1
        /// Term and vote.
        case hardState = 2
        /// Nothing but its window and the term: written when the log falls quiet, to prove that the last batch was
        /// synced.
        case mark = 3
        /// A Raft entry that changes the members.
        case configuration = 4

        init(_ kind: Entry.Kind) {
            switch kind {
            case .command: self = .entry
            case .configuration: self = .configuration
            }
        }

        /// What kind of entry the record holds; nil when it holds none.
        var entry: Entry.Kind? {
            switch self {
            case .entry: .command
            case .configuration: .configuration
            case .hardState, .mark: nil
            }
        }
    }

    static let size = 32
    static let lengthMax = 1 << 24 - 1

    var kind: Kind
    var isLast: Bool
    var length: Int
    var window: UInt32
    var term: UInt64
    var index: UInt64
    var payloadChecksum: UInt32

    /// Bytes a record takes in the file.
    static func span(_ length: Int) -> Int { size + (length + 7) & ~7 }

    var span: Int { Self.span(length) }

    /// The header at `offset`; nil when what is there is none of this segment's.
    static func read(_ bytes: [UInt8], at offset: Int, seed: UInt32) -> RecordHeader? {
        guard offset + size <= bytes.count else { return nil }
        var reader = ByteReader(bytes, in: offset..<offset + size)
        guard let first = reader.read(UInt32.self), let kind = Kind(rawValue: UInt8(first >> 24 & 0x7F)),
            let window = reader.read(UInt32.self), let term = reader.read(UInt64.self),
            let index = reader.read(UInt64.self), let payloadChecksum = reader.read(UInt32.self),
            let checksum = reader.read(UInt32.self),
            checksum == CRC32C.checksum(bytes, in: offset..<offset + 28, seed: seed)
        else { return nil }
        return RecordHeader(
            kind: kind, isLast: first >> 31 == 1, length: Int(first & 0xFF_FFFF), window: window, term: term,
            index: index, payloadChecksum: payloadChecksum)
    }

    func payloadIsWhole(_ bytes: [UInt8], at offset: Int, seed: UInt32) -> Bool {
        guard offset + span <= bytes.count else { return false }
        return CRC32C.checksum(bytes, in: offset + Self.size..<offset + span, seed: seed) == payloadChecksum
    }
}

/// Collects the records of one batch.
struct BatchWriter: Sendable {
    private var writer = ByteWriter()
    private var lastOffset = 0

    var bytes: [UInt8] { writer.bytes }
    var isEmpty: Bool { writer.bytes.isEmpty }

    mutating func removeAll() { writer.removeAll() }

    mutating func add(_ entry: Entry, window: UInt32, seed: UInt32) {
        add(.init(entry.kind), term: entry.term, index: entry.index, payload: entry.bytes, window: window, seed: seed)
    }

    mutating func add(_ state: HardState, window: UInt32, seed: UInt32) {
        add(.hardState, term: state.term, index: state.vote, payload: [], window: window, seed: seed)
    }

    mutating func addMark(term: UInt64, window: UInt32, seed: UInt32) {
        add(.mark, term: term, index: 0, payload: [], window: window, seed: seed)
    }

    private mutating func add(
        _ kind: RecordHeader.Kind, term: UInt64, index: UInt64, payload: [UInt8], window: UInt32, seed: UInt32
    ) {
        let start = writer.bytes.count
        lastOffset = start
        writer.write(UInt32(payload.count) | UInt32(kind.rawValue) << 24)
        writer.write(window)
        writer.write(term)
        writer.write(index)
        writer.write(UInt64(0))
        writer.write(payload)
        let end = start + RecordHeader.span(payload.count)
        writer.writeZeros(end - writer.bytes.count)
        writer.overwrite(CRC32C.checksum(writer.bytes, in: start + 32..<end, seed: seed), at: start + 24)
        writer.overwrite(CRC32C.checksum(writer.bytes, in: start..<start + 28, seed: seed), at: start + 28)
    }

    /// Makes the record added last the end of the batch.
    mutating func finish(seed: UInt32) {
        let first = ByteReader(writer.bytes, in: lastOffset..<lastOffset + 4)
        var reader = first
        writer.overwrite((reader.read(UInt32.self) ?? 0) | 1 << 31, at: lastOffset)
        writer.overwrite(
            CRC32C.checksum(writer.bytes, in: lastOffset..<lastOffset + 28, seed: seed), at: lastOffset + 28)
    }
}
