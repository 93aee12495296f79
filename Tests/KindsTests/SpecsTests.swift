import Foundation
import Manifest
import Resource
import Testing

@testable import Kinds

@Suite struct SpecsTests {
    private func spec<K: Kind>(_: K.Type, _ text: String, in file: String = "test.yaml") throws -> K.Spec {
        let whole = "apiVersion: plasma.cloud/v1alpha1\nkind: \(K.name)\nmetadata: {name: it}\nspec: \(text)\n"
        let reading = Catalog.table.read([(file, Array(whole.utf8))])
        #expect(reading.problems.map(\.description) == [])
        return try #require(reading.drafts.first?.resource as? Resource<K>).spec
    }

    @Test func `what is left out of a machine has its defaults`() throws {
        let spec = try spec(VirtualMachine.self, "{memory: 1GiB, disks: [{disk: a}, {disk: b, device: vdb}, {disk: c}]}")
        #expect(spec.cpus == 1 && spec.firmware == .uefi && spec.bootOrder == [.disk, .network])
        #expect(spec.runPolicy == .always && spec.updatePolicy == .restart && spec.stopTimeout == .seconds(30))
        #expect(spec.disks.map(\.device) == ["vda", "vdb", "vdc"])
    }

    @Test func `a multicast network has the group of its drivers when it names none`() throws {
        let spec = try spec(Network.self, "{driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}")
        #expect(spec.multicast == Network.Multicast(group: Network.defaultGroup, localAddress: Network.loopback))
        #expect(spec.hostOnSegment && spec.mtu == 1500)
        let user = try self.spec(Network.self, "{driver: user, subnet: 10.0.2.0/24}")
        #expect(user.multicast == nil && user.gateway == nil)
    }

    @Test func `a relative path starts where the manifest stands`() throws {
        let spec = try spec(Disk.self, "{size: 1GiB, backing: {path: ../images/./base.qcow2}}", in: "/srv/lab/lab.yaml")
        #expect(spec.backing?.path.path == "/srv/images/base.qcow2")
    }

    @Test func `sizes of a layout are bytes or all that is left`() throws {
        #expect(try PartitionSize(scalar: "100%") == .rest)
        #expect(try VolumeSize(scalar: "100%") == .rest)
        #expect(try VolumeSize(scalar: "100%FREE").scalarText == "100%FREE")
        #expect(try PartitionSize(scalar: "512MB").scalarText == "512MB")
        for wrong in ["50%", "0", "100%FREE", ""] { #expect(throws: ScalarProblem.self) { try PartitionSize(scalar: wrong) } }
    }

    @Test func `names of certificates are DNS names or begin with a star`() throws {
        #expect(try CertificateName(scalar: "*.plasma.local").scalarText == "*.plasma.local")
        #expect(try CertificateName(scalar: "localhost").scalarText == "localhost")
        for wrong in ["*", "*.local", "a.*.local", "a*.plasma.local", "10.0.0.1", "::1", "a_b.local", ""] {
            #expect(throws: ScalarProblem.self, "\(wrong)") { try CertificateName(scalar: wrong) }
        }
        #expect(try IPAddressText(scalar: "FE80:0:0::1").scalarText == "fe80::1")
        for wrong in ["10.0.0.256", "::1::", "localhost", "fe80::1%eth0"] {
            #expect(throws: ScalarProblem.self, "\(wrong)") { try IPAddressText(scalar: wrong) }
        }
    }

    @Test func `a status that says nothing is read`() throws {
        func decode<K: Kind>(_: K.Type) throws { _ = try Wire.decode(K.Status.self, from: Array("{}".utf8)) }
        try decode(Cluster.self)
        try decode(Network.self)
        try decode(Node.self)
        try decode(VirtualMachine.self)
        try decode(Disk.self)
        try decode(CertificateAuthority.self)
        try decode(Certificate.self)
        try decode(NetBoot.self)
        try decode(Installation.self)
        try decode(Service.self)
        try decode(Host.self)
    }

    @Test func `a status does not hide what every status says`() throws {
        var detail = Installation.Status()
        detail.phase = .disko
        let record = StatusRecord<Installation>(observedGeneration: 3, conditions: [], phase: "Installing", detail: detail)
        let again = try Wire.decode(StatusRecord<Installation>.self, from: try Wire.encode(record))
        #expect(again == record)
    }

    @Test func `every kind is found by any of its names, and no two share one`() {
        let names = Catalog.table.all.flatMap { [$0.name.lowercased(), $0.plural] + $0.shortNames }
        #expect(Set(names).count == names.count)
        #expect(Catalog.table["vm"]?.name == "VirtualMachine" && Catalog.table.all.count == 11)
    }

    @Test func `a circle is told from its first member back to it`() {
        #expect(circles([("a", ["b"]), ("b", ["c"]), ("c", ["a"])]) == [["a", "b", "c", "a"]])
        #expect(circles([("a", ["b", "c"]), ("b", ["d"]), ("c", ["d"]), ("d", [])]) == [])
        #expect(circles([("x", ["a"]), ("a", ["b"]), ("b", ["a"])]) == [["a", "b", "a"]])
        let chain = (0..<50_000).map { ("s\($0)", ["s\($0 + 1)"]) }
        #expect(circles(chain) == [])
    }
}
