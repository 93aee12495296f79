import Foundation
import Manifest
import NixOS
import Reconcile
import Resource
import Testing

@testable import Kinds

/// The records and sights that a case's words stand for.
extension `An installation's plans` {
    func records(_ words: PlanCases.Words) throws -> (Resource<Installation>, Reader) {
        let layout = "layout: {content: {type: gpt, partitions: [{name: ESP, size: 512MiB, type: EF00, content: {type: filesystem, format: vfat, mountpoint: /boot}}, "
            + "{name: lvm, size: 100%, content: {type: lvm_pv, vg: pool}}]}, "
            + "lvm_vg: [{name: pool, lvs: [{name: root, size: 1GiB, content: {type: filesystem, format: ext4, mountpoint: /}}]}]}"
        let trust = words.has("trust") ? ", trust: {certificateAuthority: ca}" : ""
        let text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Network
            metadata: {name: lan}
            spec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Cluster
            metadata: {name: lab}
            spec: {domain: lab.local, network: lan, nodes: [node], bootstrap: {initialPeers: [node], installsAtOnce: 1}\(trust)}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: CertificateAuthority
            metadata: {name: ca}
            spec: {commonName: ca}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: CertificateAuthority
            metadata: {name: below}
            spec: {commonName: below, duration: 8760h, issuerRef: {name: ca}}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Certificate
            metadata: {name: node-cert}
            spec: {commonName: node, node: node, issuerRef: {name: ca}}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: NetBoot
            metadata: {name: installer}
            spec: {network: lan, nodes: [node], kernel: {path: /k, digest: "sha256:\(String(repeating: "0", count: 64))"}}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata: {name: node}
            spec:
              hostname: node
              role: control-plane
              interfaces: [{network: lan, address: 10.0.0.11, mac: "52:54:00:00:01:01"}]
              machine: {\(words.has("metal") ? "metal: {}" : "virtual: {memory: 512MiB}")}
              disks: [{device: \(words["metal"] == "" ? "/dev/disk/by-id/ata-D1" : "/dev/vda"), size: 4GiB, \(words.has("nolayout") ? "" : layout)}\(words.has("never") ? ", {device: /dev/vda, size: 1GiB, wipePolicy: Never}" : "")]
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: VirtualMachine
            metadata: {name: node}
            spec: {memory: 512MiB}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Installation
            metadata: {name: \(words["name"] ?? "node")}
            spec: {node: node, netBoot: installer\(words["spec"].map { ", " + $0.replacing("_", with: " ") } ?? "")}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Installation
            metadata: {name: other}
            spec: {node: \(words.has("rival") ? "node" : "other")}

            """
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
        try #require(reading.problems == [])
        var ledger = Ledger()
        var own: Resource<Installation>?
        for draft in reading.drafts {
            var record = draft.resource
            record.metadata.uid = "uid-\(record.name)"
            if words["missing"] == record.reference.kind { continue }
            if var machine = record as? Resource<VirtualMachine>, words["vm"] != "unready" {
                machine.status = try status(machine.metadata, "{\"pid\": 7, \"startedAt\": \"1970-01-01T00:00:00Z\"}")
                record = machine
            }
            if var netBoot = record as? Resource<NetBoot>, let phase = words["boot"] {
                let machine = "{\"node\": \"node\", \"mac\": \"52:54:00:00:01:01\", \"phase\": \"\(phase)\", \"phases\": {\"\(phase)\": \"1970-01-01T00:01:00Z\"}, \"boots\": 1}"
                let offered = phase == "no" ? "" : "\"node\""
                netBoot.status = try status(netBoot.metadata, "{\"offered\": [\(offered)], \"machines\": [\(["", "no"].contains(phase) ? "" : machine)]}")
                record = netBoot
            }
            if var authority = record as? Resource<CertificateAuthority>, words.has("lists") {
                let root = "\"trust\": [{\"fingerprint\": \"sha256:\(String(repeating: "0", count: 64))\", \"certificate\": \"\"}]"
                authority.status = try status(authority.metadata, "{\"crl\": \"list of \(authority.name)\", \(root)}")
                record = authority
            }
            if var certificate = record as? Resource<Certificate>, words["trust"] != "unready" {
                let digest = "\"sha256:\(String(repeating: "0", count: 64))\""
                certificate.status = try status(certificate.metadata, words["trust"] == "told" ? "{\"issuer\": \(digest), \"trust\": [\(digest)]}" : "{}")
                record = certificate
            }
            if var installation = record as? Resource<Installation> {
                if installation.name == "other" {
                    installation.metadata.creationTimestamp = Date(timeIntervalSince1970: words["rival"] == "later" ? 99 : 0)
                    if words["rival"] == "runs" { installation.status = try status(installation.metadata, "{\"run\": \"uid-gone-1-1\", \"isRunning\": true}") }
                    if words.has("others") { installation.status = try status(installation.metadata, "{\"isRunning\": true}") }
                } else {
                    try complete(&installation, words)
                    own = installation
                }
                record = installation
            }
            ledger[record.reference] = record
        }
        return (try #require(own), Reader(ledger))
    }

    func complete(_ installation: inout Resource<Installation>, _ words: PlanCases.Words) throws {
        var detail: [String] = []
        if let run = words["run"], run != "stranger" { detail += ["\"run\": \"uid-node-1-1\"", "\"attempts\": \(words["attempts"] ?? "1")"] }
        if let boots = words["boots"] { detail.append("\"boots\": {\"count\": \(boots), \"latest\": \"1970-01-01T00:02:00Z\"}") }
        if words.has("pending") {
            detail += ["\"isReinstalling\": true", "\"formerSystem\": \"/nix/store/one\"", "\"spentConsents\": [\"reinstall-uid-node\"]"]
        }
        if words["made"] == "elsewhere" { detail += ["\"system\": \"/nix/store/one\"", "\"source\": \"github:example/old#node\""] }
        if words.has("system") { detail += ["\"system\": \"/nix/store/one\"", "\"source\": \"the flake of Cluster/lab#node\""] }
        if words["made"] == "otherwise" { detail.append("\"configuration\": {\"form\": \"2\", \"networking\": \"0a0a\", \"services.gone\": \"0b0b\"}") }
        if words.has("formatted") { detail += ["\"formattedBy\": \"uid-node-1-1\"", "\"disks\": \"vda 4294967296 bytes serial vda\""] }
        if !detail.isEmpty { installation.status = try status(installation.metadata, "{\(detail.joined(separator: ", "))}") }
        switch words["consent"] {
        case "right": installation.metadata.annotations[Installation.consentAnnotation] = "wipe-uid-node-1-38388dab"
        case "wrong": installation.metadata.annotations[Installation.consentAnnotation] = "wipe-everything"
        default: break
        }
        if words.has("reinstall") { installation.metadata.annotations[Installation.reinstallAnnotation] = "reinstall-uid-node" }
        if words.has("accept") { installation.metadata.annotations[Installation.systemAnnotation] = "/nix/store/two" }
        if words.has("asked") { installation.metadata.annotations[Annotation.requestedAt] = "now" }
        if words.has("later") { installation.metadata.creationTimestamp = Date(timeIntervalSince1970: 61) }
        if words.has("leaving") { installation.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0) }
    }

    func status<K: Kind>(_ metadata: Metadata, _ detail: String) throws -> StatusRecord<K> {
        StatusRecord(
            observedGeneration: metadata.generation,
            conditions: Condition.ready.records(generation: metadata.generation, now: Date(timeIntervalSince1970: 0), previous: []),
            phase: "Ready", detail: try Wire.decode(K.Status.self, from: Array(detail.utf8)))
    }

    func sight(_ words: PlanCases.Words) throws -> Installation.Sight {
        var seen = Installation.Sight(hasProgram: !words.has("noprogram"), hostKey: "ssh-ed25519 AAAA", authorizedKey: "ssh-ed25519 BBBB")
        seen.ownProgramProblem = words.has("linked") ? "is linked with libswiftCore.so, which nodes do not have; build it with `make`" : nil
        seen.lacksLock = words.has("nolock")
        if words["image"] == "sound" { seen.images = [.init(name: "root", path: "/images/root", digest: String(repeating: "a", count: 64))] }
        if words["image"] == "spoiled" { seen.unfitImage = "spec.images[0] (root): /images/root: No such file or directory" }
        seen.lacks = words.has("lacks") ? "Certificate/node-cert was not issued yet" : nil
        seen.isOverdue = words.has("overdue")
        seen.isEnding = words.has("ending") || words.has("deaf")
        seen.isDeaf = words.has("deaf")
        var progress = InstallerProgress()
        let logs = [
            "facts": "### Gathering machine facts ###\n", "format": "### Formatting hard drive with disko ###\n",
            "install": "### Installing NixOS ###\n", "reboot": "### Rebooting ###\n", "abort": "### Gathering machine facts ###\naborted: no tar\n",
        ]
        progress.read((logs[words["log"] ?? ""] ?? "").utf8)
        let states: [String: RunSight.State] = [
            "running": .running, "stranger": .running, "exit0": .exited(0), "exit1": .exited(1), "died": .died, "prepared": .prepared,
        ]
        if let run = words["run"], let state = states[run] {
            seen.runs = [RunSight(
                run: run == "stranger" ? "uid-gone-1-1" : "uid-node-1-1", state: state, progress: progress, startedAt: 100,
                finishedAt: state == .running ? nil : 200, hasSecrets: words.has("secrets"), log: "/runs/log")]
        }
        seen.files = [.init(path: "/etc/nixos/secrets/ca.crt", sha256: String(repeating: "a", count: 64), mode: 0o644)]
        seen.machine = machine(words)
        seen.silentAt = words["silent"].flatMap { Int64($0) }.map { Moment(milliseconds: $0 * 1000) }
        return seen
    }

    func machine(_ words: PlanCases.Words) -> MachineSight? {
        var facts = NodeFacts(id: "debian", variant: "installer")
        var disk = BlockDevice(name: "vda", path: "/dev/vda", type: "disk", bytes: 4 << 30, serial: "vda")
        facts.signatures["/dev/vda"] = []
        switch words["disk"] {
        case "full", "other":
            if words["disk"] == "other" { disk.serial = "S2" }
            disk.children = [BlockDevice(name: "vda1", path: "/dev/vda1", type: "part", filesystem: "ntfs", partitionLabel: "Windows")]
            facts.signatures["/dev/vda"] = ["gpt"]
        case "signed": facts.signatures["/dev/vda"] = ["ext4"]
        case "unknown": facts.signatures = [:]
        default: break
        }
        if words.has("metal") { facts.aliases = ["/dev/disk/by-id/ata-D1": "/dev/vda"] }
        facts.devices = words["disk"] == "none" ? [] : [disk]
        if words.has("second") { facts.devices?.append(BlockDevice(name: "vdb", path: "/dev/vdb", type: "disk", bytes: 4 << 30, serial: "vdb")) }
        switch words["machine"] {
        case "silent": return .unreachable(.noAnswer)
        case "locked": return .unreachable(.keyNotAccepted)
        case "installer": return .installer(facts)
        case "stranger":
            facts.variant = nil
            return .stranger(facts)
        case "system": return .system(system(words))
        default: return nil
        }
    }

    func system(_ words: PlanCases.Words) -> NodeFacts {
        var facts = NodeFacts(current: words.has("rolledback") ? "/nix/store/two" : "/nix/store/one", booted: "/nix/store/one")
        facts.needsReboot = words.has("outdated")
        if words.has("nosystem") { facts.current = nil }
        facts.profile = words["profile"].map { "/nix/store/\($0)" }
        if words.has("crl") { facts.files["/etc/nixos/secrets/crl.pem"] = .init(sha256: "", mode: 0o644) }
        facts.failedUnits = words.has("unit") ? ["web.service"] : []
        let digest = String(repeating: words["file"] == "old" ? "b" : "a", count: 64)
        if words["file"] != "gone" { facts.files["/etc/nixos/secrets/ca.crt"] = .init(sha256: digest, mode: words["file"] == "open" ? 0o666 : 0o644) }
        let root = BlockDevice(name: "pool-root", path: "/dev/mapper/pool-root", type: "lvm", bytes: 1 << 30, filesystem: "ext4", mountpoints: ["/"])
        facts.devices = [BlockDevice(name: "vda", path: "/dev/vda", type: "disk", bytes: 4 << 30, serial: "vda", children: [
            BlockDevice(name: "vda1", path: "/dev/vda1", type: "part", bytes: 512 << 20, filesystem: "vfat", partitionLabel: "disk-vda-ESP", mountpoints: ["/boot"]),
            BlockDevice(name: "vda2", path: "/dev/vda2", type: "part", filesystem: "LVM2_member", partitionLabel: "disk-vda-lvm", children: [root]),
        ])]
        facts.volumes = [LogicalVolume(group: "pool", name: "root", bytes: words.has("grown") ? 2 << 30 : 1 << 30)]
        if words.has("metal") {
            facts.aliases = ["/dev/disk/by-id/ata-D1": "/dev/vda"]
            for (index, name) in ["ESP", "lvm"].enumerated() { facts.devices?[0].children[index].partitionLabel = "disk-ata-D1-\(name)" }
        }
        if words.has("mute") { (facts.failedUnits, facts.needsReboot, facts.devices) = (nil, nil, nil) }
        if words.has("extra") { facts.volumes?.append(LogicalVolume(group: "pool", name: "scratch", bytes: 64 << 20)) }
        return facts
    }
}
