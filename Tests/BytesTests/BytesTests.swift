@testable import Bytes
import Testing

@Suite struct BytesTests {
    /// RFC 3720 B.4.
    @Test func `crc32c gives the values of RFC 3720`() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum([UInt8](0..<32)) == 0x46DD_794E)
        #expect(CRC32C.checksum((0..<32).map { UInt8(31 - $0) }) == 0x113F_DB5C)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test func `crc32c is the same by the processor's instruction and by tables`() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ 7) }
        for start in 0..<9 {
            for end in start...bytes.count {
                let seed = UInt32(truncatingIfNeeded: end &* 0x9E37_79B9)
                let tabled = bytes.withUnsafeBytes { CRC32C.tabled(UnsafeRawBufferPointer(rebasing: $0[start..<end]), seed: seed) }
                #expect(CRC32C.checksum(bytes, in: start..<end, seed: seed) == tabled)
            }
        }
        #expect(Array("123456789".utf8).withUnsafeBytes { CRC32C.tabled($0) } == 0xE306_9283)
    }

    @Test func `crc32c of parts equals crc32c of the whole`() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let whole = CRC32C.checksum(bytes)
        for cut in stride(from: 0, through: 1000, by: 7) {
            let first = CRC32C.checksum(bytes, in: 0..<cut)
            #expect(CRC32C.checksum(bytes, in: cut..<1000, seed: first) == whole)
        }
    }

    @Test func `another seed never validates the same bytes`() {
        let bytes = [UInt8](repeating: 7, count: 40)
        #expect(Set((0..<10_000).map { CRC32C.checksum(bytes, seed: $0) }).count == 10_000)
    }

    @Test func `what is written reads back`() {
        var writer = ByteWriter()
        writer.write(UInt8(0xFE))
        writer.write(UInt32(0x0102_0304))
        writer.write(Int64(-5))
        let varints: [UInt64] = [0, 1, 127, 128, 16_383, 16_384, 1 << 32, 1 << 63, .max]
        for number in varints { writer.writeVarint(number) }
        writer.writePrefixed([1, 2, 3])
        writer.writeZeros(2)
        writer.overwrite(UInt32(9), at: 1)
        var reader = ByteReader(writer.bytes)
        #expect(reader.read(UInt8.self) == 0xFE)
        #expect(reader.read(UInt32.self) == 9)
        #expect(reader.read(Int64.self) == -5)
        for number in varints { #expect(reader.readVarint() == number) }
        #expect(reader.readPrefixed() == [1, 2, 3])
        #expect(reader.read(UInt16.self) == 0)
        #expect(reader.remaining == 0)
    }

    @Test func `numbers are little-endian`() {
        var writer = ByteWriter()
        writer.write(UInt32(0x0102_0304))
        #expect(writer.bytes == [4, 3, 2, 1])
    }

    @Test func `bad input is nil and moves nothing`() {
        var short = ByteReader([1, 2, 3])
        #expect(short.read(UInt32.self) == nil)
        #expect(short.read(count: 4) == nil)
        #expect(short.read(count: -1) == nil)
        #expect(short.offset == 0)
        for bad: [UInt8] in [
            [], [0x80], [0x80, 0x00], Array(repeating: 0xFF, count: 10), Array(repeating: 0xFF, count: 11),
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
        ] {
            var reader = ByteReader(bad)
            #expect(reader.readVarint() == nil, "\(bad)")
            #expect(reader.readPrefixed() == nil)
            #expect(reader.offset == 0)
        }
        var long = ByteReader([5, 1, 2])
        #expect(long.readPrefixed() == nil)
        #expect(long.offset == 0)
        var huge = ByteReader([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0])
        #expect(huge.readPrefixed() == nil)
        #expect(ByteReader([1, 2], in: 1..<9).remaining == 1)
    }

    @Test func `hex reads what it writes and refuses the rest`() {
        #expect(Hex.encode([0, 0xAB, 0xFF]) == "00abff")
        #expect(Hex.decode("00AbfF") == [0, 0xAB, 0xFF])
        for bad in ["0", "0g", " 1", "é"] { #expect(Hex.decode(bad) == nil) }
    }

    @Test(.timeLimit(.minutes(1))) func `a certificate that is cut short within its last field is read as far as it goes`() throws {
        // Serial number 1; an empty algorithm, issuer, validity, subject and key; an identifier of old, of five bytes that are not there.
        let body: [UInt8] = [0x02, 0x01, 0x01] + [0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00] + [0x81, 0x05]
        let fields = try #require(CertificateFields(der: [0x30, 0x11, 0x30, 0x0F] + body))
        #expect(fields.serial == [1] && fields.isForServers)
    }
}
