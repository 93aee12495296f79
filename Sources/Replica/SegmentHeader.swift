import Bytes
import Raft

/// The first 80 bytes of a segment file, all numbers little-endian:
///
///      0  8  "PLASMALG"
///      8  4  version, 1
///     12  4  zero
///     16  8  log: a random number, the same in all segments of one log
///     24  8  sequence: 1 for the log's first segment, then one more each
///     32  8  index of the entry before this segment's first
///     40  8  term of that entry
///     48  8  where the previous segment's records end, in bytes from its start; 0 when this is the first
///     56  8  hard state before this segment: term
///     64  8  hard state before this segment: vote, 0 for none
///     72  4  how the entries go on here (`Origin`)
///     76  4  crc32c of bytes 0 to 75
///
/// A header is synced before its file gets its name, so a file with a segment's name and a bad header is damage.
struct SegmentHeader: Hashable, Sendable {
    /// How a segment's entries follow those before.
    enum Origin: UInt32, Sendable {
        /// They go on after the last one.
        case continues = 0
        /// They replace all from one on: a leader's log differed there.
        case replaces = 1
        /// The log begins anew: the entries before came as a snapshot.
        case restores = 2
    }

    static let size = 80
    private static let magic = Array("PLASMALG".utf8)

    var log: UInt64
    var sequence: UInt64
    var previous: Position
    var previousEnd: UInt64
    var hardState: HardState
    var origin = Origin.continues

    /// Sets the checksums of this segment apart: the factor is odd, so no two sequences below 2^32 share a seed,
    /// and records left in a reused file never validate.
    var seed: UInt32 {
        UInt32(truncatingIfNeeded: log) ^ (UInt32(truncatingIfNeeded: sequence) &* 0x9E37_79B1)
    }

    var fileName: String { Self.fileName(sequence) }

    static func fileName(_ sequence: UInt64) -> String {
        let digits = String(sequence)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".log"
    }

    /// The sequence in a segment's file name; nil for other files.
    static func sequence(of name: String) -> UInt64? {
        guard name.hasSuffix(".log"), let number = UInt64(name.dropLast(4)), fileName(number) == name else { return nil }
        return number
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.magic)
        writer.write(UInt32(2))
        writer.write(UInt32(0))
        for number in [
            log, sequence, previous.index, previous.term, previousEnd, hardState.term, hardState.vote,
        ] { writer.write(number) }
        writer.write(origin.rawValue)
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    /// - Throws: why the bytes are no header, in words.
    static func read(_ bytes: [UInt8]) throws(FormatProblem) -> SegmentHeader {
        guard bytes.count >= size else { throw FormatProblem("the file ends within the segment's header") }
        var reader = ByteReader(bytes, in: 0..<size)
        guard reader.read(count: 8) == magic else { throw FormatProblem("this is not a segment of a plasma log") }
        guard CRC32C.checksum(bytes, in: 0..<76) == ByteReader(bytes, in: 76..<80).first32 else {
            throw FormatProblem("the checksum of the segment's header does not match")
        }
        guard let version = reader.read(UInt32.self), version == 2, reader.read(UInt32.self) == 0 else {
            throw FormatProblem("the segment has a format that this version of plasma does not know")
        }
        let numbers = (0..<7).compactMap { _ in reader.read(UInt64.self) }
        guard numbers.count == 7, let origin = reader.read(UInt32.self).flatMap(Origin.init) else { throw FormatProblem("the file ends within the segment's header") }
        return SegmentHeader(
            log: numbers[0], sequence: numbers[1], previous: Position(index: numbers[2], term: numbers[3]),
            previousEnd: numbers[4], hardState: HardState(term: numbers[5], vote: numbers[6]), origin: origin)
    }
}

struct FormatProblem: Error {
    var why: String

    init(_ why: String) { self.why = why }
}

extension ByteReader {
    fileprivate var first32: UInt32? {
        var copy = self
        return copy.read(UInt32.self)
    }
}
