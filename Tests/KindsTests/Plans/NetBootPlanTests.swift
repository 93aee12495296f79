import Foundation
import Manifest
import NetBoot
import Reconcile
import Resource
import Testing

@testable import Kinds

extension PlanTests {
    @Test func `a netboot's plans`() throws {
        try PlanCases.check("netboot.txt") { words in
            let scene = try NetBootScene(words, self)
            let plan = NetBoot.Planning.plan(Goal(scene.netBoot), given: scene.seen, Reader(scene.ledger))
            var lines = told(plan)
            for action in plan.actions {
                guard case .serve(let service) = action else { continue }
                lines += service.loaders.sorted { $0.key < $1.key }.map { "    loader \($0.key) \(loader($0.value))" }
                if words.has("line") { lines.append("    command line \(service.commandLine)") }
                lines += service.machines.map { "    \($0.node) \($0.mac) \($0.address?.description ?? "of the pool")\($0.boots ? " boots" : "")" }
                if let first = service.pool.first, let last = service.pool.last { lines.append("    pool of \(service.pool.count), \(first) to \(last)") }
            }
            lines += plan.status.pending.map { "  pending \($0.mac) \($0.firmware)" }
            lines += plan.status.machines.map { "  machine \($0.node): \($0.phase ?? "-")\($0.problem.map { "; \($0)" } ?? "")" }
            if let problem = plan.status.problem { lines.append("  problem \(problem)") }
            return lines
        }
    }

    @Test func `after a netboot's actions there is nothing left to do`() throws {
        for text in ["", "installation=wants", "kernel=unfit", "kernel=absent installation=wants", "kernel=absent served=offered installation=wants", "loader=absent installation=wants", "loader=sound served=same", "loader=unfit served=same", "served=same left=old", "served=other", "served=broken", "served=elsewhere", "unknown=Serve mode=proxy", "served=same leaving"] {
            let pairs = text.split(separator: " ").map { $0.split(separator: "=").map(String.init) }
            let words = PlanCases.Words(values: Dictionary(pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }, uniquingKeysWith: { $1 }))
            let scene = try NetBootScene(words, self)
            var seen = scene.seen
            for _ in 0..<3 {
                for action in NetBoot.Planning.plan(Goal(scene.netBoot), given: seen, Reader(scene.ledger)).actions {
                    seen = NetBoot.Planning.foresee(action, in: seen)
                }
            }
            let last = NetBoot.Planning.plan(Goal(scene.netBoot), given: seen, Reader(scene.ledger))
            #expect(last.actions == [], "\(text)")
            #expect(last.differences == [], "\(text)")
        }
    }

    @Test func `a timeline that is written is not news again`() throws {
        var scene = try NetBootScene(PlanCases.Words(values: ["served": "same", "seen": "kernel", "pending": ""]), self)
        let first = NetBoot.Planning.plan(Goal(scene.netBoot), given: scene.seen, Reader(scene.ledger))
        #expect(first.happenings.count == 4)
        let text = String(decoding: try Wire.encode(first.status), as: UTF8.self)
        scene.netBoot.status = try ready(scene.netBoot.metadata, text)
        let second = NetBoot.Planning.plan(Goal(scene.netBoot), given: scene.seen, Reader(scene.ledger))
        #expect(second.happenings == [])
        #expect(second.status == scene.netBoot.status?.detail, "what is stored is what was planned")
        var restarted = scene.seen
        restarted.served?.machines = []
        let third = NetBoot.Planning.plan(Goal(scene.netBoot), given: restarted, Reader(scene.ledger))
        #expect(third.status.machines == second.status.machines, "a server that was started anew remembers by its status")
    }
}

private func loader(_ loader: BootService.Loader) -> String { if case .pinned(let file) = loader { file.path } else { "withheld" } }

/// A NetBoot for two nodes on a network, as the words say.
private struct NetBootScene {
    var netBoot: Resource<NetBoot>
    var ledger = Ledger()
    var seen: NetBoot.Sight

    init(_ words: PlanCases.Words, _ tests: PlanTests) throws {
        let plain = PlanCases.Words(values: [:])
        netBoot = try tests.draft(
            """
            kind: NetBoot
            metadata: {name: installer}
            spec:
              network: lan
              nodes: [node01]
              kernel: {path: /boot/vmlinuz, digest: "sha256:\(String(repeating: "a", count: 64))"}
              initrd: {path: /boot/initrd, digest: "sha256:\(String(repeating: "b", count: 64))"}
              commandLine: quiet
              dhcp: {mode: \(words["mode"] ?? "server")}
              unknownMachines: \(words["unknown"] ?? "Pending")
            """, words)
        if words["offer"] == "netboot" { netBoot.metadata.annotations[NetBoot.offerAnnotation] = "offer" }
        if words["network"] != "missing" {
            var network: Resource<Network> = try tests.draft(
                words["network"] == "user"
                    ? "kind: Network\nmetadata: {name: lan}\nspec: {driver: user, subnet: 10.0.0.0/24}"
                    : "kind: Network\nmetadata: {name: lan}\nspec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}", plain)
            if words["network"] != "unready" { network.status = try tests.ready(network.metadata, "{\"interface\": \"pl-lan\"}") }
            if words["network"] == "leaving" { network.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0) }
            ledger[network.reference] = network
        }
        // node01 is named by the NetBoot, node02 names it, node03 does neither.
        for (number, system) in [(1, ""), (2, "system: {netBoot: installer}"), (3, "")] {
            var node: Resource<Node> = try tests.draft(
                """
                kind: Node
                metadata: {name: node0\(number)}
                spec:
                  hostname: node0\(number)
                  interfaces: [{network: lan\(words.has("dynamic") ? "" : ", address: 10.0.0.1\(number)"), mac: "52:54:00:00:01:0\(number)"}]
                  machine: {virtual: {memory: 512MiB}}
                  \(system)
                """, plain)
            if words["offer"] == "node", number == 1 { node.metadata.annotations[NetBoot.offerAnnotation] = "offer" }
            ledger[node.reference] = node
        }
        if let wants = words["installation"] {
            var installation: Resource<Installation> = try tests.draft(
                "kind: Installation\nmetadata: {name: node01}\nspec: {node: node01, flake: \"github:example/cluster\", netBoot: \(words["of"] ?? "installer")}", plain)
            installation.status = try tests.ready(installation.metadata, "{\"wantsNetBoot\": \(wants == "wants")}")
            ledger[installation.reference] = installation
        }
        let kernel = PinnedFile(path: "/boot/vmlinuz", digest: String(repeating: "a", count: 64))
        let initrd = PinnedFile(path: "/boot/initrd", digest: String(repeating: "b", count: 64))
        let file: NetBoot.Sight.File =
            switch words["kernel"] {
            case "unfit": .unfit("spec.kernel: /boot/vmlinuz: No such file or directory")
            case "absent": .absent(.init(url: "https://example.org/vmlinuz", digest: kernel.digest, path: kernel.path))
            default: .sound(kernel)
            }
        seen = NetBoot.Sight(
            kernel: file,
            initrd: words["initrd"] == "unfit" ? .unfit("spec.initrd: it is wrong") : .sound(initrd))
        switch words["line"] {
        case "words": seen.commandLine = .words("init=/nix/store/x/init \n console=ttyS0\n")
        case "unfit": seen.commandLine = .unfit("spec.commandLineFile: /n/command-line cannot be read, or is no text of at most 2048 bytes")
        default: break
        }
        let loader = PinnedFile(path: "/boot/ipxe.efi", digest: String(repeating: "c", count: 64))
        switch words["loader"] {
        case "sound": seen.loaders = [Loaders.uefi: .sound(loader)]
        case "absent": seen.loaders = [Loaders.uefi: .absent(.init(url: "https://example.org/ipxe.efi", digest: loader.digest, path: loader.path))]
        case "unfit": seen.loaders = [Loaders.uefi: .unfit("spec.loaders.uefi: /boot/ipxe.efi: No such file or directory")]
        default: break
        }
        if words.has("noloader") { seen.notes = ["ipxe.efi not found"] }
        seen.occupant = words["occupant"]
        seen.leftovers = words["left"].map { ["/data/netboot/installer/\($0)"] } ?? []
        guard let served = words["served"] else { return }
        if served == "elsewhere" {
            seen.elsewhere = ["old"]
            return
        }
        // What it would serve now is what it serves.
        var usual = ledger
        if usual.get(Network.self, "lan")?.isReady != true {
            var network: Resource<Network> = try tests.draft(
                "kind: Network\nmetadata: {name: lan}\nspec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}", plain)
            network.status = try tests.ready(network.metadata, "{\"interface\": \"pl-lan\"}")
            usual[network.reference] = network
        }
        var present = netBoot
        present.metadata.deletionTimestamp = nil
        var unoccupied = seen
        unoccupied.occupant = nil
        // What is absent now was another file then.
        if words["kernel"] == "absent" { unoccupied.kernel = .sound(PinnedFile(path: "/boot/vmlinuz-old", digest: String(repeating: "d", count: 64))) }
        guard case .serve(var service)? = NetBoot.Planning.plan(Goal(present), given: unoccupied, Reader(usual)).actions.first else { return }
        if served == "other" { service.commandLine = "debug" }
        if served == "offered" { service.machines = service.machines.map { var machine = $0; machine.boots = true; return machine } }
        if served == "unoffered" { service.machines = service.machines.map { var machine = $0; machine.boots = false; return machine } }
        var sight = BootSight(service: service)
        if served == "broken" { sight.fault = "its interface pl-lan was made anew" }
        if words.has("pending") { sight.pending = [.init(mac: HardwareAddress(number: 0x5254_0000_0999), firmware: "UEFI x86-64", since: Date(timeIntervalSince1970: 1_000_000))] }
        if words.has("seen") || words.has("loop") {
            var timeline = Timeline()
            let date = Date(timeIntervalSince1970: 1_000_000)
            _ = timeline.noteAddress(for: .iPXE, at: date)
            _ = timeline.note(.ipxe, at: date)
            _ = timeline.note(.kernel, at: date)
            sight.machines = [BootSight.Machine(mac: HardwareAddress(number: 0x5254_0000_0101), timeline: timeline, loop: words.has("loop") ? .kernels : nil)]
        }
        seen.served = sight
    }
}
