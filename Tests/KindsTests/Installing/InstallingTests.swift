import Crypto
import Foundation
import NixOS
import Reconcile
import Resource
import Testing

@testable import Kinds

@Suite struct `Installing a machine that is pretended` {
    private func isStalled(_ condition: Condition) -> Bool { if case .stalled = condition { true } else { false } }
    private func phase(_ condition: Condition) -> String { if case .converging(let phase) = condition { phase } else { "" } }

    @Test func `goes from nobody who answers to a node that is as it should be, and stays there`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        let first = try await steps.step()
        #expect(first.condition == .converging("waiting for the installer to answer; nobody answers"))
        #expect(first.status.wantsNetBoot == true)
        // It is told how long that has been going on once it is long.
        func silentAt() async throws -> Moment? {
            let installation = try #require(steps.ledger[Reference(Installation.self, "node01")] as? Resource<Installation>)
            return try await steps.keeper.observe(Goal(installation), Reader(steps.ledger)).silentAt
        }
        machine.time.advance(by: .seconds(179))
        #expect(try await silentAt() == nil)
        machine.time.advance(by: .seconds(2))
        #expect(try await silentAt() == Moment(machine.time.date()))
        steps.keeper = machine.keeper()
        #expect(try await silentAt() == nil, "another daemon counts anew")
        try machine.set("state", "installer")
        try await steps.run { $0 == .ready }
        #expect(steps.performed.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == ["install node01", "remove the"])
        #expect(machine.text("started") == "run\n")
        #expect(steps.status?.system == "/nix/store/one")
        #expect(machine.text("root/etc/nixos/secrets/cluster-config.json")?.contains("\"node_id\": \"node01\"") == true)
        #expect(machine.text("root/etc/nixos/secrets/join.token")?.isEmpty == false)
        let key = machine.path + "/root/etc/ssh/ssh_host_ed25519_key"
        #expect(try FileManager.default.attributesOfItem(atPath: key)[.posixPermissions] as? Int == 0o600)
        #expect(machine.text("keys/known_hosts")?.hasPrefix("node01 ssh-ed25519 ") == true)
        #expect(machine.text("installations/node01/log")?.contains("### Rebooting ###") == true)
        // A configuration that plasma rendered lets plasma in.
        let run = try #require(steps.status?.run)
        let flake = try #require(machine.text("installations/node01/\(run)/flake/node01/configuration.nix"))
        #expect(flake.contains(machine.text("keys/id_ed25519.pub")?.split(separator: " ")[1] ?? "no key"))
        // The installer found the program that its package is made of; nothing of what it was given is left but texts.
        #expect(machine.text("program") == "executable\n")
        for gone in ["extra", "flake/nix/bin"] { #expect(!FileManager.default.fileExists(atPath: "\(machine.path)/installations/node01/\(run)/\(gone)")) }
        // Another daemon sees the same, and does nothing.
        steps.keeper = machine.keeper()
        let later = try await steps.step()
        #expect(later.condition == .ready && later.differences == [] && later.actions == [])
    }

    @Test func `a diff of a manifest that is new says what would be wiped, and asks nobody`() async throws {
        let machine = try PretendedMachine()
        let text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Network
            metadata: {name: lan}
            spec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Host
            metadata: {name: lab}
            spec: {}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata: {name: node01}
            spec:
              hostname: node01
              interfaces: [{network: lan, address: 10.0.0.11, mac: "52:54:00:00:01:01"}]
              machine: {virtual: {memory: 512MiB, firmware: bios}}
              disks: [{device: /dev/vda, size: 4GiB}]
              system: {flake: "path:/etc/x", installer: /bin/sh}

            """
        let drafts = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))]).drafts
        let loops = Stepper.loops(SimulatedWorld()) + [AnyLoop(Loop<Installation.Planning>(observer: machine.keeper()))]
        let report = await Differ(loops).diff(stored: Ledger(), records: Ledger().changed(by: drafts), drafts: drafts)
        let found = try #require(report.objects.first { $0.reference == Reference(Installation.self, "node01") })
        #expect(found.operation == .create)
        #expect(found.changes.map(\.impact) == [.wipe])
        #expect(found.note?.hasPrefix("waits on") == true || found.note == nil, "\(found.note ?? "")")
        #expect(!FileManager.default.fileExists(atPath: machine.path + "/vault.key"))
    }

    @Test func `what is changed on the node is named, and its files are put right`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        try machine.set("state", "installer")
        try await steps.run { $0 == .ready }
        try machine.set("root/etc/nixos/secrets/join.token", "forged")
        let plan = try await steps.step()
        #expect(plan.differences.map(\.path) == ["files./etc/nixos/secrets/join.token"])
        #expect(!plan.differences.contains { ($0.seen?.text ?? "").contains("forged") })
        try await steps.run { $0 == .ready }
        #expect(machine.text("root/etc/nixos/secrets/join.token") != "forged")
        try machine.set("system", "/nix/store/two")
        let switched = try await steps.step()
        #expect(isStalled(switched.condition))
        #expect(switched.differences.map(\.path) == ["system"])
    }

    /// A loop does not ask again so soon.
    @Test(arguments: [true, false]) func `a diff tells what was changed since the one a moment before`(looksAnew: Bool) async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        try machine.set("state", "installer")
        try await steps.run { $0 == .ready }
        steps.keeper = machine.keeper(mustSee: true, looksAnew: looksAnew)
        #expect(try await steps.step().differences == [])
        try machine.set("root/etc/nixos/secrets/join.token", "forged")
        #expect(try await steps.step(after: .seconds(1)).differences.map(\.path) == (looksAnew ? ["files./etc/nixos/secrets/join.token"] : []))
    }

    @Test func `a diff of a node that does not tell of its units has not looked at it`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        try machine.set("state", "installer")
        try await steps.run { $0 == .ready }
        steps.keeper = machine.keeper(mustSee: true)
        #expect(try await steps.step().differences == [])
        try machine.set("mute", "")
        steps.keeper = machine.keeper()
        #expect(try await steps.step().differences.map(\.path) == ["units"])
        steps.keeper = machine.keeper(mustSee: true)
        await #expect { try await steps.step() } throws: { "\($0)" == "the node does not tell of units" }
    }

    @Test func `a daemon that goes down before, while and after does not start it twice`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        try machine.set("mode", "hang")
        try machine.set("state", "installer")
        // Written down, not done.
        let planned = try await steps.step(crashes: true)
        #expect(planned.actions.count == 1)
        steps.keeper = machine.keeper()
        try await steps.run { phase($0).contains("Gathering machine facts") }
        steps.keeper = machine.keeper()
        let seen = try await steps.step()
        #expect(seen.status.timeline.keys.sorted() == ["kexec", "started"] && seen.status.timeline["kexec"] == seen.status.phaseSince)
        #expect(seen.actions == [] && phase(seen.condition).contains("Gathering machine facts"))
        #expect(machine.text("started") == "run\n")
        #expect(steps.status?.run == "uid-node-1-1")
        try await steps.end()
    }

    @Test func `one that fails is repeated, and then says what to do`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine, spec: ", retries: 1")
        try machine.set("mode", "fail")
        try machine.set("state", "installer")
        try await steps.run { isStalled($0) }
        #expect(machine.text("started") == "run\nrun\n")
        let plan = try await steps.step()
        #expect(plan.condition.message.contains(#"exited with code 1 at "Gathering machine facts": no tar"#))
        #expect(plan.condition.message.contains("plasma reconcile installation/node01"))
        // The keys of a run that failed for good are not kept.
        for run in ["uid-node-1-1", "uid-node-1-2"] { #expect(!FileManager.default.fileExists(atPath: "\(machine.path)/installations/node01/\(run)/extra"), "\(run)") }
        try machine.set("mode", "good")
        steps.ledger[Reference(Installation.self, "node01")]?.metadata.annotations[Annotation.requestedAt] = "now"
        try await steps.run { $0 == .ready }
        #expect(steps.status?.failure == nil)
    }

    @Test func `an image with another digest keeps it from starting, and is looked at once more when it starts`() async throws {
        let machine = try PretendedMachine()
        try machine.set("root.tar", "the right one")
        let digest = SHA256.hash(data: Data("the right one".utf8)).map { String(format: "%02x", $0) }.joined()
        var steps = try InstallationSteps(machine, spec: ", images: [{name: root, path: \(machine.path)/root.tar, digest: \"sha256:\(digest)\"}]")
        try machine.set("state", "installer")
        try machine.set("root.tar", "another one")
        let spoiled = try await steps.step()
        #expect(isStalled(spoiled.condition) && spoiled.actions == [])
        #expect(spoiled.condition.message.hasPrefix("spec.images[0] (root): \(machine.path)/root.tar has the digest sha256:"))
        #expect(spoiled.condition.message.hasSuffix("and sha256:\(digest) is expected; nothing is installed until they agree"))
        try machine.set("root.tar", "the right one")
        let planned = try await steps.step(crashes: true)
        let action = try #require(planned.actions.first)
        try machine.set("root.tar", "changed in between")
        await #expect(throws: NixOSError.self) { try await steps.keeper.perform(action) }
        #expect(machine.text("started") == nil)
        try machine.set("root.tar", "the right one")
        try await steps.run { $0 == .ready }
        #expect(machine.text("started") == "run\n")
    }

    @Test func `a phase that takes too long is ended with all its processes`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine, spec: ", retries: 0, deadlines: {kexec: 1m}")
        try machine.set("mode", "hang")
        try machine.set("state", "installer")
        try await steps.run { phase($0).contains("Gathering machine facts") }
        machine.time.advance(by: .seconds(70))
        try await steps.run { isStalled($0) }
        let message = try await steps.step().condition.message
        #expect(message.contains("it did not get past the phase kexec within 1m"), "\(message)")
        #expect(machine.text("started") == "run\n")
    }

    @Test func `when its record goes, the run is ended and what it had is removed; the node is left alone`() async throws {
        let machine = try PretendedMachine()
        var steps = try InstallationSteps(machine)
        try machine.set("mode", "hang")
        try machine.set("state", "installer")
        try await steps.run { phase($0).contains("Gathering machine facts") }
        try await steps.end()
        #expect(!FileManager.default.fileExists(atPath: machine.path + "/installations/node01"))
    }
}

extension InstallationSteps {
    /// Lets the record go.
    fileprivate mutating func end() async throws {
        ledger[Reference(Installation.self, "node01")]?.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0)
        try await run { $0 == .ready }
    }
}
