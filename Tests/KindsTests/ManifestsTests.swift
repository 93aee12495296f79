import Foundation
import Manifest
import Resource
import Testing

@testable import Kinds

@Suite struct ManifestsTests {
    @Test func `every wrong manifest is refused with exactly the expected words`() throws {
        let files = try Checkout.files(in: "manifests/bad", ending: ".yaml")
        #expect(files.count >= 40)
        for file in files {
            let found = problems([(file, try Checkout.bytes("manifests/bad/\(file)"))])
            #expect(!found.isEmpty, "\(file) is accepted")
            let text = found.map { $0.description + "\n" }.joined()
            try Checkout.expect(text, in: "manifests/bad/\(file.dropLast(5)).expected")
        }
    }

    @Test func `every expectation belongs to a manifest`() throws {
        let manifests = try Checkout.files(in: "manifests/bad", ending: ".yaml").map { $0.dropLast(5) }
        let expectations = try Checkout.files(in: "manifests/bad", ending: ".expected").map { $0.dropLast(9) }
        #expect(manifests == expectations)
    }

    @Test func `problems of all files are told at once, in the order of the files`() throws {
        let files = try ["out-of-range-cpus.yaml", "duplicate-mac.yaml", "yaml-tab.yaml"].map {
            ($0, try Checkout.bytes("manifests/bad/\($0)"))
        }
        let found = problems(files)
        #expect(found.map(\.file) == ["out-of-range-cpus.yaml", "duplicate-mac.yaml", "yaml-tab.yaml"], "\(found)")
    }

    @Test func `a hundred megabytes are refused without being read`() {
        let line = Array("# nothing but noise, over and over again, to make a file that is far too large\n".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(100_000_000 + line.count)
        while bytes.count < 100_000_000 { bytes += line }
        let start = ContinuousClock.now
        let found = problems([("huge.yaml", bytes)])
        #expect(found.count == 1)
        #expect(found.first?.message.contains("8 MiB") == true, "\(found)")
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test func `the manifests that are shown are accepted`() throws {
        for manifest in try goodManifests() {
            let reading = readGood(manifest)
            let found = reading.problems + Catalog.check(reading.drafts, beside: [])
            #expect(found.map(\.description) == [])
            #expect(!reading.drafts.isEmpty)
        }
    }

    /// Of the reference cluster is applied what this version has programs for; the rest of both manifests is the same.
    @Test func `the manifest that is applied is the reference cluster with the services that there are`() throws {
        func objects(_ name: String) throws -> [Reference: any AnyResource] {
            let reading = Catalog.table.read([("plasma.yaml", try Checkout.bytes("manifests/\(name).yaml"))])
            return Dictionary(uniqueKeysWithValues: reading.drafts.map { ($0.resource.reference, $0.resource) })
        }
        let (applied, whole) = (try objects("plasma-3node"), try objects("plasma-3node-nine-services"))
        #expect(applied.keys.filter { $0.kind == Service.name }.map(\.name) == ["chainfire"])
        #expect(Set(whole.keys).subtracting(applied.keys).allSatisfy { $0.kind == Service.name })
        for (reference, object) in applied where reference.kind != Cluster.name {
            #expect("\(object)" == (whole[reference].map { "\($0)" }), "\(reference)")
        }
        let (mine, its) = (applied.values.compactMap { $0 as? Resource<Cluster> }, whole.values.compactMap { $0 as? Resource<Cluster> })
        var spec = try #require(its.first?.spec)
        spec.services = spec.services.filter { $0.scalarText == "chainfire" }
        #expect(mine.first?.spec == spec)
    }

    @Test func `the reference cluster is what the reference says`() throws {
        let reading = Catalog.table.read([("plasma.yaml", try Checkout.bytes("manifests/plasma-3node-nine-services.yaml"))])
        let nodes = reading.drafts.compactMap { $0.resource as? Resource<Node> }
        #expect(nodes.map(\.spec.fullName) == ["node01.plasma.local", "node02.plasma.local", "node03.plasma.local"])
        #expect(
            nodes.compactMap { $0.spec.interfaces[0].address?.scalarText } == [
                "192.168.100.11", "192.168.100.12", "192.168.100.13",
            ])
        #expect(
            nodes.map { $0.spec.interfaces[0].mac.scalarText } == ["52:54:00:00:01:01", "52:54:00:00:01:02", "52:54:00:00:01:03"])
        #expect(nodes.allSatisfy { $0.spec.role == .controlPlane && $0.spec.disks[0].size == ByteCount(100_000_000_000) })
        let services = reading.drafts.compactMap { $0.resource as? Resource<Service> }
        let ports = services.map { "\($0.name) \($0.spec.ports.map { String($0.port) }.joined(separator: "/"))" }
        #expect(
            ports == [
                "chainfire 2379/2380/2381", "flaredb 2479/2480", "iam 8080", "plasmavmc 8081", "prismnet 8082", "flashdns 8053",
                "fiberlb 8084", "lightningstor 8085", "k8shost 8086",
            ])
        let cluster = try #require(reading.drafts.compactMap { $0.resource as? Resource<Cluster> }.first)
        #expect(
            cluster.spec.bootstrap.mode == .bootstrap && cluster.spec.bootstrap.initialPeers == cluster.spec.nodes
                && cluster.spec.nodes.count == 3)
        let network = try #require(reading.drafts.compactMap { $0.resource as? Resource<Network> }.first)
        #expect(
            network.spec.multicast?.group.scalarText == "230.0.0.1:1234" && network.spec.gateway?.scalarText == "192.168.100.1")
    }

    @Test func `an object that was stored reads back from yaml as the same spec`() throws {
        for manifest in try goodManifests() {
            for draft in readGood(manifest).drafts {
                var stored = draft.resource
                stored.metadata.uid = "123e4567-e89b-42d3-a456-426614174000"
                stored.metadata.finalizers = [Registry.finalizer]
                stored.metadata.resourceVersion = "17"
                let yaml = try stored.json().yaml()
                let again = Catalog.table.read([("again.yaml", Array(yaml.utf8))])
                #expect(again.problems.map(\.description) == [], "\(draft.reference)")
                #expect(again.drafts.first?.resource.hasSameSpec(as: draft.resource) == true, "\(draft.reference):\n\(yaml)")
                #expect(again.drafts.first?.resource.metadata.labels == draft.resource.metadata.labels)
                let kind = try #require(Catalog.table[draft.reference.kind])
                let decoded = try kind.decode(try stored.encoded(), 17)
                #expect(decoded.hasSameSpec(as: draft.resource), "\(draft.reference)")
            }
        }
    }

    @Test func `the manifest with every field has every kind`() throws {
        let reading = readGood(("every-field.yaml", try Checkout.bytes("manifests/every-field.yaml")))
        #expect(Set(reading.drafts.map(\.reference.kind)) == Set(Catalog.table.all.map(\.name)))
    }
}
