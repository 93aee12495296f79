import Manifest
import QEMU
import Reconcile
import Resource

@testable import Kinds

/// Random manifests and random accidents, all from one seed.
struct RandomManifest {
    var random: SplitMix

    init(seed: UInt64) { random = SplitMix(state: seed) }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

    /// A manifest of one network, up to four nodes and sometimes a machine written by hand.
    mutating func manifest() -> String {
        let names = (1...number(1...4)).map { "node0\($0)" }
        var text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Network
            metadata: {name: lan}
            spec: {driver: \(["multicast", "user", "bridge"][number(0...2)]), subnet: 10.0.0.0/24, gateway: 10.0.0.1, mtu: \([1500, 1400][number(0...1)])}

            """
        if text.contains("driver: bridge") { text = text.replacing("subnet:", with: "bridge: {interface: br7}, subnet:") }
        // A device that changes its driver, and not its name.
        if text.contains("driver: multicast"), chance(25) { text = text.replacing("subnet:", with: "interface: br7, subnet:") }
        for (index, name) in names.enumerated() { text += node(name, index) }
        if chance(30) {
            text += """
                ---
                apiVersion: plasma.cloud/v1alpha1
                kind: VirtualMachine
                metadata: {name: hand}
                spec: {memory: \(number(1...2) * 128)MiB, firmware: bios, runPolicy: \(chance(30) ? "Halted" : "Always")}

                """
        }
        let hasServices = chance(25)
        if hasServices {
            text += """
                ---
                apiVersion: plasma.cloud/v1alpha1
                kind: Service
                metadata: {name: web}
                spec: {ports: [{name: http, port: 80}], probe: {check: {tcpSocket: {port: http}}}, dependsOn: [clock]}
                ---
                apiVersion: plasma.cloud/v1alpha1
                kind: Service
                metadata: {name: clock}
                spec: {nodes: [\(names[0])]\(chance(50) ? ", probe: {check: {exec: {command: [\"true\"]}}}" : "")}

                """
        }
        text += """
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Cluster
            metadata: {name: lab}
            spec: {domain: lab.local, network: lan, nodes: [\(names.joined(separator: ", "))], services: [\(hasServices ? "web" : "")], bootstrap: {initialPeers: [\(names[0])]}}

            """
        return text
    }

    private mutating func node(_ name: String, _ index: Int) -> String {
        let disks = (0..<number(0...2)).map { disk in
            "{device: /dev/vd\(["a", "b"][disk]), size: \(number(1...4))GiB, deletionPolicy: \(chance(50) ? "Delete" : "Retain"), "
                + "wipePolicy: \(chance(20) ? "Never" : "WithConsent")}"
        }
        return """
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata: {name: \(name)}
            spec:
              hostname: \(name)
              role: worker
              interfaces: [{network: lan, address: 10.0.0.\(10 + index), mac: "52:54:00:00:01:0\(index + 1)"}]
              machine:
                virtual: {cpus: \(number(1...2)), memory: \(number(1...3) * 256)MiB, firmware: \(chance(50) ? "bios" : "uefi"), updatePolicy: \(chance(20) ? "OnNextBoot" : "Restart")}
              disks: [\(disks.joined(separator: ", "))]

            """
    }

    /// Something happens to the world behind plasma's back.
    mutating func accident(_ world: SimulatedWorld) {
        let (what, which) = (number(0...7), number(0...7))
        world.state.withLock { state in
            let machine = state.machines.isEmpty ? nil : state.machines.keys.sorted()[which % state.machines.count]
            let image = state.images.isEmpty ? nil : state.images.keys.sorted()[which % state.images.count]
            let device = state.devices.keys.sorted().first
            switch what {
            case 0: if let machine { state.machines[machine] = nil }
            case 1: if let machine { state.machines[machine]?.commandLine += ["-s"] }
            case 2: if let machine { state.machines[machine]?.state = "paused" }
            case 3: if let image { state.images[image] = nil }
            case 4: if let image { state.images[image]?.bytes += 512 << 20 }
            case 5: if let image { state.images[image]?.bytes = 512 << 20 }
            case 6: if let device { state.devices[device] = nil }
            default: if let device { state.devices[device]?.mtu = 9000 }
            }
        }
    }
}

extension Ledger {
    /// The records that the API would write for these drafts.
    func changed(by drafts: [Draft]) -> [any AnyResource] {
        drafts.compactMap { draft in
            let reference = draft.resource.reference
            guard let existing = self[reference] else {
                var new = draft.resource
                new.metadata.uid = "uid-of-\(reference)"
                return new
            }
            return existing.hasSameSpec(as: draft.resource) ? nil : existing.replacingSpec(with: draft.resource)
        }
    }

    /// Writes them, and marks as leaving what is retired.
    mutating func apply(_ drafts: [Draft], retired: [Reference]) {
        for record in changed(by: drafts) { self[record.reference] = record }
        for reference in retired { self[reference]?.metadata.deletionTimestamp = .init(timeIntervalSince1970: 0) }
    }
}
