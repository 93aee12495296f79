import Foundation
import Host
import Manifest
import NetBoot
import NixOS
import PKI
import Reconcile
import Resource
import Simulation

@testable import Kinds

/// A node made of files: an `ssh` that reaches it and an installer that installs it, both shell scripts. The rest is
/// real: processes, keys, files and their modes.
final class PretendedMachine: Sendable {
    let path: String
    let time = ManualTime()
    private let store = MemoryStore()

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path + "/root", withIntermediateDirectories: true)
        // A server has made it; who looks makes none.
        try FileManager.default.createDirectory(atPath: path + "/keys", withIntermediateDirectories: true)
        try set("keys/id_ed25519", "a private key\n")
        try set("keys/id_ed25519.pub", "ssh-ed25519 AAAAC3PRETENDED plasma\n")
        try write("ssh", Self.ssh, mode: 0o700)
        try write("installer", Self.installer, mode: 0o700)
        try set("state", "off")
        try set("mode", "good")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// "state": off, installer or system. "mode": what the installer does: good, fail, hang. "mute": the system does not tell of its units.
    func set(_ name: String, _ value: String) throws { try write(name, value, mode: 0o600) }

    func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    private func write(_ name: String, _ text: String, mode: Int) throws {
        let contents = text.replacing("@", with: path)
        try Data(contents.utf8).write(to: URL(filePath: "\(path)/\(name)"), options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: "\(path)/\(name)")
    }

    /// A keeper that knows nothing but what is on disk and in the store: each is another daemon.
    /// - Parameters: as a diff has them.
    func keeper(mustSee: Bool = false, looksAnew: Bool = false) -> Installation.Keeper {
        let processes = SystemProcesses()
        return Installation.Keeper(
            directory: path + "/installations", identity: SSHIdentity(directory: path + "/keys", processes: processes),
            vault: Vault(store: store, sealingKeyFile: path + "/vault.key"), processes: processes, images: PinnedFiles(), time: time,
            mustSee: mustSee, looksAnew: looksAnew, ssh: path + "/ssh")
    }

    private static let ssh = """
        #!/bin/sh
        script=$(cat)
        for word; do case $word in HostKeyAlias=*) alias=${word#*=};; esac; done
        say() { printf 'plasma %s 0 %s\\n%s\\n' "$1" "${#2}" "$2"; }
        case $(cat @/state):$alias in
        off:*) echo 'ssh: connect to host: Connection timed out' >&2; exit 255 ;;
        installer:installer.*)
            say release VARIANT_ID=installer
            say lsblk '{"blockdevices":[{"name":"vda","path":"/dev/vda","type":"disk","size":4294967296,"serial":"vda"}]}'
            say signatures /dev/vda ;;
        system:node01)
            case $script in *take*) printf '%s' "$script" | sed "s#'/etc/#'@/root/etc/#g" | sh -s; exit $? ;; esac
            say release ID=nixos
            say current "$(cat @/system)"
            for system in current booted; do say $system-boot /nix/store/kernel; done
            [ -e @/mute ] || say failed ''
            say lsblk '{"blockdevices":[{"name":"vda","path":"/dev/vda","type":"disk","size":4294967296,"serial":"vda","children":[
              {"name":"vda1","path":"/dev/vda1","type":"part","size":536870912,"fstype":"vfat","partlabel":"disk-vda-ESP","mountpoints":["/boot"]},
              {"name":"vda2","path":"/dev/vda2","type":"part","fstype":"ext4","partlabel":"disk-vda-root","mountpoints":["/"]}]}]}'
            cd @/root
            say files "$(find etc -type f | sort | xargs sha256sum | sed 's#  #  /#')"
            say modes "$(find etc -type f | sort | xargs stat -c '%a /%n')" ;;
        *) echo 'Host key verification failed.' >&2; exit 255 ;;
        esac
        printf 'plasma end 0 0\\n'
        """

    private static let installer = """
        #!/bin/sh
        while [ $# -gt 0 ]; do case $1 in --extra-files) extra=$2 ;; --flake) flake=${2%#*} ;; esac; shift; done
        echo run >>@/started
        [ -x "${flake#path:}/nix/bin/plasma" ] && echo executable >@/program
        echo '### Gathering machine facts ###'
        case $(cat @/mode) in
        fail) echo 'aborted: no tar'; exit 1 ;;
        hang) exec sleep 600 ;;
        esac
        echo '### Formatting hard drive with disko ###'
        echo '### Copying extra files ###'
        cp -a "$extra/." @/root/
        echo '### Rebooting ###'
        printf /nix/store/one >@/system
        printf system >@/state
        echo '### Done! ###'
        """
}

/// Does what the controller does with one installation: look, plan, write, perform.
struct InstallationSteps {
    let machine: PretendedMachine
    var keeper: Installation.Keeper
    var ledger = Ledger()
    private(set) var performed: [String] = []

    init(_ machine: PretendedMachine, spec: String = "") throws {
        self.machine = machine
        keeper = machine.keeper()
        let text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Network
            metadata: {name: lan}
            spec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Cluster
            metadata: {name: lab}
            spec: {domain: lab.local, network: lan, nodes: [node01], bootstrap: {initialPeers: [node01]}}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata: {name: node01}
            spec:
              hostname: node01
              role: control-plane
              interfaces: [{network: lan, address: 10.0.0.11, mac: "52:54:00:00:01:01"}]
              machine: {virtual: {memory: 512MiB}}
              disks: [{device: /dev/vda, size: 4GiB, layout: {content: {type: gpt, partitions: [
                {name: ESP, size: 512MiB, type: EF00, content: {type: filesystem, format: vfat, mountpoint: /boot}},
                {name: root, size: 100%, content: {type: filesystem, format: ext4, mountpoint: /}}]}}}]
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: VirtualMachine
            metadata: {name: node01}
            spec: {memory: 512MiB}
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Installation
            metadata: {name: node01}
            spec: {node: node01, program: \(machine.path)/installer\(spec)}

            """
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
        guard reading.problems.isEmpty else { throw Unreadable(problems: reading.problems) }
        for draft in reading.drafts {
            var record = draft.resource
            record.metadata.uid = "uid-\(record.name)"
            if var vm = record as? Resource<VirtualMachine> {
                vm.status = StatusRecord(
                    observedGeneration: vm.metadata.generation,
                    conditions: Condition.ready.records(generation: vm.metadata.generation, now: Date(timeIntervalSince1970: 0), previous: []),
                    phase: "Ready", detail: try Wire.decode(VirtualMachine.Status.self, from: Array("{\"pid\": 7}".utf8)))
                record = vm
            }
            ledger[record.reference] = record
        }
    }

    struct Unreadable: Error { var problems: [Problem] }
    struct NoEnd: Error { var last: Condition }

    var status: Installation.Status? { ledger.get(Installation.self, "node01")?.status?.detail }

    /// - Parameter crashes: the daemon goes down after the status was written and before anything was done.
    mutating func step(after pause: Duration = .seconds(3), crashes: Bool = false) async throws -> Plan<Installation, Installation.Action> {
        machine.time.advance(by: pause)
        let reader = Reader(ledger)
        guard let installation = ledger.get(Installation.self, "node01") else { preconditionFailure("there is no installation") }
        let goal = Goal(installation)
        let plan = Installation.Planning.plan(goal, given: try await keeper.observe(goal, reader), reader)
        let round = Round<Installation.Planning>(installation, plan: plan, ledger: ledger, now: Date(timeIntervalSince1970: 0), makeUID: { "" })
        if let shown = round.status { ledger[shown.reference] = shown }
        if crashes { return plan }
        for action in round.actions {
            performed.append(action.description)
            try await keeper.perform(action)
        }
        return plan
    }

    /// Steps until it is so; three minutes of the world's time at most, as real processes share the machine with every other test.
    mutating func run(until isSo: (Condition) -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        var last = Condition.ready
        repeat {
            last = try await step().condition
            if isSo(last) { return }
            try await Task.sleep(for: .milliseconds(5))
        } while ContinuousClock.now < deadline
        throw NoEnd(last: last)
    }
}
