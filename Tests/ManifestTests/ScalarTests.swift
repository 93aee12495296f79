import Foundation
import Testing

@testable import Manifest

private func line<T: Scalar>(_ type: T.Type, _ text: String) -> String {
    do throws(ScalarProblem) {
        let value = try T(scalar: text)
        let again = try T(scalar: value.scalarText)
        #expect(again == value, "\(text) does not read back")
        let said = String(describing: value)
        return said == value.scalarText ? "\(text) = \(said)" : "\(text) = \(value.scalarText) (\(said))"
    } catch {
        return "\(quoted(text)) \(error.rest)"
    }
}

private let types: [String: any Scalar.Type] = [
    "ByteCount": ByteCount.self, "TimeSpan": TimeSpan.self, "IPv4Address": IPv4Address.self, "IPv4Subnet": IPv4Subnet.self,
    "SocketAddress4": SocketAddress4.self, "MACAddress": MACAddress.self, "DNSName": DNSName.self, "ObjectName": ObjectName.self,
    "Digest": Digest.self, "UUIDText": UUIDText.self, "AbsolutePath": AbsolutePath.self, "HTTPURL": HTTPURL.self, "Int": Int.self,
    "Bool": Bool.self,
]

@Test func `scalars read what is theirs and say what is wrong`() throws {
    try CaseFile("scalars").check { input in
        let lines = input.dropLast().components(separatedBy: "\n")
        let type = types[lines[0]]!
        return lines.dropFirst().map { line(type, $0) + "\n" }.joined()
    }
}

@Test func `every scalar's example reads back`() {
    for (name, type) in types.sorted(by: { $0.key < $1.key }) {
        func check<T: Scalar>(_ type: T.Type) { #expect((try? T(scalar: T.example.scalarText)) == T.example, "\(name)") }
        check(type)
    }
}

@Test func `sizes and times of any value read back`() throws {
    for seed in 0..<2000 as Range<UInt64> {
        var random = SeededRandom(seed: seed)
        let bytes = ByteCount(random.next() >> UInt64.random(in: 0..<64, using: &random))
        #expect(try ByteCount(scalar: bytes.scalarText) == bytes, "seed \(seed)")
        #expect(try ByteCount(scalar: bytes.description.replacingOccurrences(of: " bytes", with: "").replacingOccurrences(of: " byte", with: "")) == bytes, "seed \(seed)")
        let span = TimeSpan(milliseconds: Int64(random.next() >> UInt64.random(in: 1..<64, using: &random)))
        #expect(try TimeSpan(scalar: span.scalarText) == span, "seed \(seed)")
        let subnet = IPv4Subnet(holding: IPv4Address(number: UInt32(truncatingIfNeeded: random.next())), prefixLength: Int.random(in: 0...32, using: &random))
        #expect(try IPv4Subnet(scalar: subnet.scalarText) == subnet, "seed \(seed)")
        #expect(subnet.contains(subnet.network) && subnet.contains(subnet.broadcast), "seed \(seed)")
        let mac = MACAddress(number: random.next())
        #expect(try MACAddress(scalar: mac.scalarText) == mac, "seed \(seed)")
    }
}

@Test func `a subnet knows its hosts`() throws {
    let subnet = try IPv4Subnet(scalar: "192.168.100.0/24")
    #expect(subnet.broadcast == IPv4Address(192, 168, 100, 255))
    #expect(subnet.netmask == IPv4Address(255, 255, 255, 0))
    #expect(subnet.isHost(IPv4Address(192, 168, 100, 1)))
    #expect(!subnet.isHost(subnet.network) && !subnet.isHost(subnet.broadcast))
    #expect(!subnet.contains(IPv4Address(192, 168, 101, 1)))
    #expect(subnet.overlaps(try IPv4Subnet(scalar: "192.168.0.0/16")))
    #expect(!subnet.overlaps(try IPv4Subnet(scalar: "192.168.101.0/24")))
    #expect(try IPv4Subnet(scalar: "10.0.0.0/31").isHost(IPv4Address(10, 0, 0, 0)))
}

@Test func `group addresses are not for network cards`() throws {
    #expect(try MACAddress(scalar: "52:54:00:00:01:01").isUnicast)
    #expect(try MACAddress(scalar: "52:54:00:00:01:01").isLocallyAdministered)
    #expect(try !MACAddress(scalar: "01:00:5e:00:00:01").isUnicast)
    #expect(try !MACAddress(scalar: "00:00:00:00:00:00").isUnicast)
}

@Test func `a scalar is stored as its text`() throws {
    let sizes = [ByteCount.gibibytes(80), ByteCount(100_000_000_000)]
    let bytes = try JSONEncoder().encode(sizes)
    #expect(String(decoding: bytes, as: UTF8.self) == #"["80GiB","100GB"]"#)
    #expect(try JSONDecoder().decode([ByteCount].self, from: bytes) == sizes)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([ByteCount].self, from: Data(#"["80 apples"]"#.utf8)) }
}

@Test func `the nearest word is the one a person meant`() {
    #expect(nearest(to: "memry", among: ["cpus", "memory"]) == "memory")
    #expect(nearest(to: "virtal", among: ["metal", "virtual"]) == "virtual")
    #expect(nearest(to: "CPUs", among: ["cpus"]) == "cpus")
    #expect(nearest(to: "cusp", among: ["cpus"]) == nil)
    #expect(nearest(to: "cpsu", among: ["cpus"]) == "cpus", "a swap of neighbours is one edit")
    #expect(nearest(to: "ab", among: ["ac"]) == nil)
    #expect(nearest(to: String(repeating: "x", count: 1000), among: ["x"]) == nil)
}
