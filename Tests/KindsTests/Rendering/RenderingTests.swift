import Foundation
import Manifest
import NixOS
import Reconcile
import Resource
import Testing

@testable import Kinds

struct RenderingTests {
    private func drafts(_ text: String) throws -> DraftLookup {
        let reading = Catalog.table.read([("test.yaml", Array(text.utf8))], workingDirectory: "/checkout")
        #expect(reading.problems.map(\.description) == [])
        return DraftLookup(reading.drafts)
    }

    private func reference(_ change: (String) -> String = { $0 }) throws -> DraftLookup {
        try drafts(change(String(decoding: try Checkout.bytes("manifests/plasma-3node-nine-services.yaml"), as: UTF8.self)))
    }

    private func render(_ lookup: DraftLookup) throws -> ClusterRendering {
        let cluster = try #require(lookup.list(Cluster.self).first)
        var description = try Rendering.description(of: cluster, lookup: lookup)
        description.authorizedKeys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfTheTests plasma"]
        return ClusterRendering(description: description)
    }

    /// The modules are compared with nix/ elsewhere. Git must not read what it is to ignore here.
    private func own(_ files: [RenderedFile]) -> [RenderedFile] {
        files.filter { !$0.path.hasPrefix("nix/") }.map { $0.path == ".gitignore" ? RenderedFile(path: "gitignore", contents: $0.contents) : $0 }
    }

    @Test func `the reference cluster is rendered as it always was`() throws {
        let files = own(try render(try reference()).files())
        let folder = "Tests/KindsTests/Rendering/Cases/plasma-3node"
        for file in files {
            let path = "\(folder)/\(file.path)"
            try FileManager.default.createDirectory(
                at: Checkout.root.appending(path: path).deletingLastPathComponent(), withIntermediateDirectories: true)
            try Checkout.expect(String(decoding: file.contents, as: UTF8.self), in: path)
        }
        let walk = FileManager.default.enumerator(atPath: Checkout.root.appending(path: folder).path())
        let kept = (walk?.allObjects as? [String] ?? []).filter {
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: Checkout.root.appending(path: "\(folder)/\($0)").path(), isDirectory: &isDirectory) && !isDirectory.boolValue
        }
        #expect(kept.sorted() == files.map(\.path).sorted())
        #expect(files.allSatisfy { $0.mode == 0o644 })
    }

    @Test func `the same manifest gives the same bytes, in whatever order its objects stand`() throws {
        let once = try render(try reference()).files()
        let again = try render(try reference { $0.components(separatedBy: "\n---\n").reversed().joined(separator: "\n---\n") }).files()
        #expect(once == again)
    }

    @Test func `every content of a layout is written in disko's words`() throws {
        let lookup = try drafts(String(decoding: try Checkout.bytes("manifests/every-field.yaml"), as: UTF8.self))
        var text = ""
        for node in lookup.list(Node.self) {
            var devices = NixValue.attributes([:])
            for disk in node.spec.disks { devices = devices.merged(with: disk.layout?.disko(of: disk) ?? [:]) }
            text += "# \(node.name)\n\(devices.nix())\n"
        }
        try Checkout.expect(text, in: "Tests/KindsTests/Rendering/Cases/every-field.txt")
    }

    @Test func `a node beyond the initial peers joins through the first of them`() throws {
        let lookup = try reference { $0.replacing("initialPeers: [node01, node02, node03]", with: "initialPeers: [node01, node02]") }
        let config = try file("node03/secrets/cluster-config.json", of: try render(lookup))
        #expect(config.contains("\"bootstrap\": false"))
        #expect(config.contains("\"leader_url\": \"https://192.168.100.11:2379\""))
        #expect(!config.contains("node03=https"))
    }

    @Test func `in mode join every node joins through the leader's URL`() throws {
        let lookup = try reference {
            $0.replacing("    mode: bootstrap\n    initialPeers: [node01, node02, node03]\n", with: "    mode: join\n    leaderURL: https://10.0.0.5:2379\n")
        }
        let config = try file("node01/secrets/cluster-config.json", of: try render(lookup))
        #expect(config.contains("\"bootstrap\": false"))
        #expect(config.contains("\"initial_peers\": []"))
        #expect(config.contains("\"leader_url\": \"https://10.0.0.5:2379\""))
        #expect(config.contains("\"flaredb_leader_url\": \"https://10.0.0.5:2479\""))
    }

    @Test func `nodes that are given revocation lists are told where they are`() throws {
        let lookup = try reference()
        let cluster = try #require(lookup.list(Cluster.self).first)
        let rendering = ClusterRendering(description: try Rendering.description(of: cluster, lookup: lookup, hasRevocationLists: true))
        #expect(try file("node01/secrets/cluster-config.json", of: rendering).components(separatedBy: "\"crl\": \"crl.pem\"").count == 3)
        #expect(try file("node01/configuration.nix", of: rendering).components(separatedBy: "crlFile = \"/etc/nixos/secrets/crl.pem\"").count == 10)
        // Without a server nobody keeps lists.
        #expect(try !file("node01/configuration.nix", of: try render(lookup)).contains("crl"))
    }

    @Test func `without a trust nothing speaks TLS`() throws {
        let lookup = try reference { $0.replacing("  trust:\n    certificateAuthority: plasma-ca\n", with: "") }
        let rendering = try render(lookup)
        let config = try file("node01/secrets/cluster-config.json", of: rendering)
        #expect(config.contains("\"advertise_peer\": \"http://192.168.100.11:2380\"") && !config.contains("tls"))
        #expect(try !file("node01/configuration.nix", of: rendering).contains("tls"))
    }

    @Test func `a service that says nothing of client authentication asks for certificates`() throws {
        let lookup = try reference { $0.replacing(#/  clientAuth: .*\n/#, with: "") }
        let rendering = try render(lookup)
        #expect(try file("node01/secrets/cluster-config.json", of: rendering).contains("\"client_auth\": \"optional\""))
        #expect(try file("node01/configuration.nix", of: rendering).components(separatedBy: "clientAuth = \"optional\"").count == 9)
    }

    @Test func `a machine with BIOS gets grub, a real one its firmware`() throws {
        let lookup = try reference { $0.replacing("firmware: uefi", with: "firmware: bios") }
        let configuration = try file("node01/configuration.nix", of: try render(lookup))
        #expect(configuration.contains(#"devices = [ "/dev/vda" ];"#) && !configuration.contains("systemd-boot"))
    }

    @Test func `a real machine finds its root behind the controllers of servers`() throws {
        let lookup = try reference { $0.replacing(#/    virtual:\n(      .*\n)+/#, with: "    metal: {}\n") }
        let configuration = try file("node01/configuration.nix", of: try render(lookup))
        for module in ["hpsa", "megaraid_sas", "mpt3sas", "nvme", "smartpqi", "virtio_blk", "vmd"] { #expect(configuration.contains("\"\(module)\""), "\(module)") }
        #expect(try !file("node01/configuration.nix", of: try render(try reference())).contains("megaraid_sas"))
    }

    @Test func `what must not be wiped is not destroyed`() throws {
        let lookup = try reference { $0.replacing("    format: qcow2\n", with: "    format: qcow2\n    wipePolicy: Never\n") }
        #expect(try file("node01/disko.nix", of: try render(lookup)).contains("destroy = false;"))
    }

    @Test func `ports of UDP and of services that are not ours are opened too`() throws {
        let lookup = try reference {
            $0.replacing("  - {name: api, port: 8053}\n", with: "  - {name: api, port: 8053}\n  - {name: dns, port: 5353, protocol: UDP}\n")
                .replacing("services: [chainfire, ", with: "services: [chainfire, mine, ")
                + "\n---\napiVersion: plasma.cloud/v1alpha1\nkind: Service\nmetadata: {name: mine}\nspec: {ports: [{name: api, port: 9000}]}\n"
        }
        let configuration = try file("node01/configuration.nix", of: try render(lookup))
        #expect(configuration.contains("allowedTCPPorts = [ 9000 ];") && configuration.contains("allowedUDPPorts = [ 5353 ];"))
        #expect(configuration.contains("ports.api = 8053;") && !configuration.contains("mine"))
    }

    @Test func `what is missing is named, all at once, with what to do`() throws {
        let cases: [(change: (String) -> String, words: [String])] = [
            ({ $0.replacing("    address: 192.168.100.12\n", with: "") }, ["Node/node02: has no address on Network/plasma; members of a cluster need static ones: give the interface an address"]),
            ({ $0.replacing("nodes: [node01, node02, node03]", with: "nodes: [node01, node02, node03, node04]") }, ["Cluster/plasma: names Node/node04, which does not exist; apply it too, or leave it out of spec.nodes"]),
            ({ $0.replacing("  node: node02\n", with: "") }, ["Node/node02: has no Certificate, but Cluster/plasma has a trust; apply a Certificate with spec.node: node02"]),
            ({ $0.replacing("services: [chainfire, ", with: "services: [chainfire, nothing, ") }, ["Cluster/plasma: runs Service/nothing, which does not exist; apply it too, or leave it out"]),
            ({ $0.replacing("  unit: iam.service\n", with: "  unit: iam.service\n  certificate: node01\n") }, ["Service/iam: serves with Certificate/node01, but only the nodes' own are rendered in this version; leave spec.certificate out"]),
            ({ $0.replacing("certificateAuthority: plasma-ca", with: "certificateAuthority: other") }, (1...3).map { "Certificate/node0\($0): is issued by plasma-ca, but Cluster/plasma trusts other; one of the two must change" }),
        ]
        for (change, words) in cases {
            do {
                _ = try render(try reference(change))
                Issue.record("\(words) was not told")
            } catch let refusal as Rendering.Refusal {
                #expect(refusal.problems.map(\.description) == words)
            }
        }
    }

    @Test func `of one node, only its own record must be complete`() throws {
        let lookup = try reference { $0.replacing("  node: node02\n", with: "") }
        let cluster = try #require(lookup.list(Cluster.self).first)
        let description = try Rendering.description(of: cluster, lookup: lookup, only: "node01")
        let files = ClusterRendering(description: description).files()
        #expect(Set(files.compactMap { $0.path.split(separator: "/").first }.filter { $0.hasPrefix("node") }) == ["node01"])
        // But it knows the others.
        #expect(description.nodes.count == 3)
        let whole = try render(try reference())
        #expect(try file("node01/secrets/cluster-config.json", of: ClusterRendering(description: description)) == file("node01/secrets/cluster-config.json", of: whole))
        #expect(throws: Rendering.Refusal.self) { try Rendering.description(of: cluster, lookup: lookup, only: "node02") }
    }

    @Test func `a node of no cluster is named`() throws {
        let lookup = try reference {
            $0.replacing("nodes: [node01, node02, node03]", with: "nodes: [node01, node02]").replacing("initialPeers: [node01, node02, node03]", with: "initialPeers: [node01]")
        }
        #expect(Rendering.strays(lookup).map(\.description) == ["Node/node03: belongs to no Cluster; name it in spec.nodes of one"])
        #expect(Rendering.cluster(of: "node03", lookup) == nil)
        #expect(Rendering.cluster(of: "node02", lookup)?.name == "plasma")
    }

    @Test func `a node's certificate carries its names and addresses, each once`() throws {
        let lookup = try reference()
        let cluster = try #require(lookup.list(Cluster.self).first)
        let wanted = try #require(Rendering.wantedCertificate(of: "node02", in: cluster, lookup))
        #expect(wanted.request.dnsNames == ["localhost", "node02", "node02.plasma.local"])
        #expect(wanted.request.ipAddresses == ["127.0.0.1", "192.168.100.12"])
        #expect(wanted.issuer == "plasma-ca" && wanted.renewBefore == 720 * 3600 && !wanted.keepsKey)
        #expect(Rendering.wantedAuthority("plasma-ca", lookup)?.request.isCA == true)
    }

    private func file(_ path: String, of rendering: ClusterRendering) throws -> String {
        String(decoding: try #require(rendering.files().first { $0.path == path }).contents, as: UTF8.self)
    }
}
