import Foundation
import Manifest
import QEMU
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What each planner decides, case by case, in the text files beside this one.
@Suite struct PlanTests {
    @Test func `a disk's plans`() throws {
        try PlanCases.check("disk.txt") { words in
            var ledger = Ledger()
            var disk: Resource<Kinds.Disk> = try draft(
                """
                kind: Disk
                metadata: {name: root}
                spec: {size: \(words["size"] ?? "2GiB"), format: \(words["format"] ?? "qcow2"), path: /disks/root.qcow2, wipePolicy: \(words["wipe"] ?? "WithConsent"), deletionPolicy: \(words["delete"] ?? "Retain")}
                """, words)
            if let path = words["known"] {
                disk.status = try ready(disk.metadata, "{\"size\": \"2GiB\", \"path\": \"/disks/\(path.isEmpty ? "root.qcow2" : path)\"}")
            }
            if words.has("ours") { disk.status = try ready(disk.metadata, "{\"isOurs\": true}") }
            if words.has("foreign") { disk.status = try ready(disk.metadata, "{\"isOurs\": false}") }
            if words.has("spent") { disk.status = try ready(disk.metadata, "{\"size\": \"2GiB\", \"spentConsents\": [\"wipe-uid-root-1\"]}") }
            if words["consent"] == "right" { disk.metadata.annotations[Kinds.Disk.consentAnnotation] = "wipe-uid-root-1" }
            if words["consent"] == "wrong" { disk.metadata.annotations[Kinds.Disk.consentAnnotation] = "wipe-everything" }
            if let user = words["user"] {
                var machine: Resource<VirtualMachine> = try draft(
                    "kind: VirtualMachine\nmetadata: {name: web}\nspec: {memory: 128MiB, disks: [{disk: root}]}", PlanCases.Words(values: [:]))
                if user == "running" { machine.status = try ready(machine.metadata, "{\"pid\": 7, \"disks\": [\"root\"]}") }
                if user == "leaving" { machine.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0) }
                ledger[machine.reference] = machine
            }
            if words.has("shared") {
                let other: Resource<Kinds.Disk> = try draft("kind: Disk\nmetadata: {name: renamed}\nspec: {size: 2GiB, path: /disks/root.qcow2}", PlanCases.Words(values: [:]))
                ledger[other.reference] = other
            }
            if let name = words["owner"] {
                let other: Resource<Kinds.Disk> = try draft("kind: Disk\nmetadata: {name: \(name)}\nspec: {size: 2GiB}", PlanCases.Words(values: [:]))
                ledger[other.reference] = other
            }
            let image = words["image"].map { text in
                let parts = text.split(separator: "/")
                return Kinds.Disk.Sight.Seen(
                    format: parts.count > 1 ? String(parts[1]) : "qcow2", bytes: (try? ByteCount(scalar: String(parts[0])))?.bytes ?? 0,
                    isRagged: words.has("ragged"))
            }
            return told(Kinds.Disk.Planning.plan(Goal(disk), given: .init(path: words["owner"].map { "/disks/\($0).qcow2" } ?? "/disks/root.qcow2", image: image, namesake: words["owner"]), Reader(ledger)))
        }
    }

    @Test func `a machine's plans`() throws {
        try PlanCases.check("virtualmachine.txt") { words in
            var ledger = Ledger()
            var disk: Resource<Kinds.Disk> = try draft("kind: Disk\nmetadata: {name: root}\nspec: {size: 2GiB}", PlanCases.Words(values: [:]))
            if words["disk"] != "unready" { disk.status = try ready(disk.metadata, "{\"path\": \"/disks/root.qcow2\"}") }
            if words["disk"] != "missing" { ledger[disk.reference] = disk }
            var host: Resource<Kinds.Host> = try draft("kind: Host\nmetadata: {name: lab}\nspec: {}", PlanCases.Words(values: [:]))
            if words["host"] != "unready" { host.status = try ready(host.metadata, "{\"accelerator\": \"tcg\"}") }
            ledger[host.reference] = host
            if words.has("lan") {
                var network: Resource<Network> = try draft(
                    "kind: Network\nmetadata: {name: lan}\nspec: {driver: bridge, subnet: 10.0.0.0/24, gateway: 10.0.0.1, bridge: {interface: br7}}", PlanCases.Words(values: [:]))
                network.status = try ready(network.metadata, "{}")
                ledger[network.reference] = network
            }
            let interfaces = words.has("lan") ? ", interfaces: [{network: lan, mac: \"52:54:00:00:01:01\"}]" : ""
            func machine(cpus: String) throws -> Resource<VirtualMachine> {
                try draft(
                    """
                    kind: VirtualMachine
                    metadata: {name: web}
                    spec: {cpus: \(cpus), memory: 256MiB, firmware: \(words["firmware"] ?? "bios"), disks: [{disk: root}]\(interfaces), runPolicy: \(words["run"] ?? "Always"), updatePolicy: \(words["update"] ?? "Restart")\(words["on"].map { ", host: \($0)" } ?? "")}
                    """, words)
            }
            let premises = VirtualMachine.Premises(host: "lab", directory: "/machines/web", firmware: nil)
            var process = VirtualMachine.Sight.Process.none
            if let running = words["process"], running != "none" {
                var whole = ledger
                disk.status = try ready(disk.metadata, "{\"path\": \"/disks/root.qcow2\"}")
                host.status = try ready(host.metadata, "{\"accelerator\": \"tcg\"}")
                (whole[disk.reference], whole[host.reference]) = (disk, host)
                var plain = try machine(cpus: running.hasSuffix("cpus") ? "4" : "1")
                plain.spec.firmware = .bios
                plain.spec.host = nil
                let started = try VirtualMachine.definition(of: plain, premises, Reader(whole)).get()
                let arguments = started.machine.arguments().flatMap(\.arguments) + (running == "stranger" ? ["-s"] : [])
                process = .running(.init(
                    pid: 7, commandLine: ["qemu"] + arguments, state: running == "paused" ? "paused" : "running",
                    isPoweringDown: ["stopping", "overdue", "deaf"].contains(running), isOverdue: running == "overdue", isDeaf: running == "deaf",
                    bridges: [VirtualMachine.tap("web", 0): running.hasPrefix("unplugged") ? "br6" : "br7"]))
            }
            let seen = VirtualMachine.Sight(process: process, hasFiles: words.has("files"), premises: premises)
            if let second = words["boot"] {
                var installation: Resource<Installation> = try draft("kind: Installation\nmetadata: {name: web}\nspec: {node: web}", PlanCases.Words(values: [:]))
                installation.status = try ready(installation.metadata, "{\"boots\": {\"count\": 1, \"latest\": \"1970-01-01T00:00:\(second)Z\"}}")
                ledger[installation.reference] = installation
            }
            var wanted = try machine(cpus: "1")
            if words.has("started") { wanted.status = try ready(wanted.metadata, "{\"pid\": 7, \"startedAt\": \"1970-01-01T00:00:10Z\", \"bootedFor\": \"1970-01-01T00:00:20Z\"}") }
            return told(VirtualMachine.Planning.plan(Goal(wanted), given: seen, Reader(ledger)))
        }
    }

    @Test func `a network's plans`() throws {
        try PlanCases.check("network.txt") { words in
            var ledger = Ledger()
            let bridge = words["driver"] == "bridge" ? ", bridge: {interface: br7}" : ""
            var network: Resource<Network> = try draft(
                """
                kind: Network
                metadata: {name: lan}
                spec: {driver: \(words["driver"] ?? "multicast"), subnet: 10.0.0.0/24, gateway: 10.0.0.1, hostOnSegment: \(words["host"] ?? "true")\(bridge)\(words["own"].map { ", hostAddress: \($0)" } ?? "")}
                """, words)
            if words.has("user") {
                let machine: Resource<VirtualMachine> = try draft(
                    "kind: VirtualMachine\nmetadata: {name: web}\nspec: {memory: 128MiB, interfaces: [{network: lan, mac: \"52:54:00:00:01:01\"}]}",
                    PlanCases.Words(values: [:]))
                ledger[machine.reference] = machine
            }
            if !words.has("foreign") { network.status = try ready(
                    network.metadata,
                    words["driver"] == "bridge"
                        ? "{\"made\": {\"driver\": \"bridge\", \"interface\": \"\(words["made"] ?? "br7")\"}}"
                        : "{\"made\": {\"driver\": \"multicast\", \"interface\": \"pl-lan\"}}") }
            var device = Network.Sight.Device(interface: "pl-lan", address: "10.0.0.1/24", mtu: 1500)
            switch words["device"] {
            case "mtu": device.mtu = 9000
            case "address": device.address = "10.0.0.9/24"
            case "down": device.isUp = false
            case "fault": device.fault = "the socket was closed"
            default: break
            }
            let sight = Network.Sight(device: words.has("device") ? device : nil, hasFormer: words.has("former"))
            return told(Network.Planning.plan(Goal(network), given: sight, Reader(ledger)))
        }
    }

    @Test func `a host's plans`() throws {
        try PlanCases.check("host.txt") { words in
            let host: Resource<Kinds.Host> = try draft(
                "kind: Host\nmetadata: {name: \(words["name"] ?? "lab")}\nspec: {accelerator: \(words["accelerator"] ?? "auto")}", words)
            let probe = words["probe"].map { Kinds.Host.Sight.Probed(accelerator: $0, reason: "booted", at: Date(timeIntervalSince1970: 0)) }
            let seen = Kinds.Host.Sight(here: "lab", cpus: 2, memory: 8 << 30, qemuVersion: words.has("noqemu") ? nil : "7.2.0", probe: probe)
            return told(Kinds.Host.Planning.plan(Goal(host), given: seen, Reader(Ledger())))
        }
    }

    func told<K: Kind, A>(_ plan: Plan<K, A>) -> [String] {
        var lines = [plan.condition == .ready ? "ready" : "\(plan.condition.reason): \(plan.condition.message)"]
        lines += plan.actions.map { "  do \($0)" }
        lines += plan.differences.map { "  \($0.path): \($0.seen?.text ?? "-") -> \($0.wanted?.text ?? "-") (\($0.impact.rawValue))" }
        lines += plan.happenings.map { "  event \($0.reason): \($0.message)" }
        return lines
    }

    func draft<K: Kind>(_ text: String, _ words: PlanCases.Words) throws -> Resource<K> {
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(("apiVersion: plasma.cloud/v1alpha1\n" + text).utf8))])
        try #require(reading.problems == [])
        var resource = try #require(reading.drafts.first?.resource as? Resource<K>)
        resource.metadata.uid = "uid-\(resource.name)"
        if words.has("leaving") { resource.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0) }
        return resource
    }

    func ready<K: Kind>(_ metadata: Metadata, _ detail: String) throws -> StatusRecord<K> {
        StatusRecord(
            observedGeneration: metadata.generation,
            conditions: Condition.ready.records(generation: metadata.generation, now: Date(timeIntervalSince1970: 0), previous: []),
            phase: "Ready", detail: try Wire.decode(K.Status.self, from: Array(detail.utf8)))
    }
}
