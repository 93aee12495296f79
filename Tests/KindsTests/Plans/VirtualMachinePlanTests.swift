import Foundation
import Manifest
import QEMU
import Reconcile
import Resource
import Testing

@testable import Kinds

/// A machine whose installation asks for another boot than the one that it was given.
@Suite struct VirtualMachinePlanTests {
    private let plans = PlanTests()
    private let none = PlanCases.Words(values: [:])
    private let premises = VirtualMachine.Premises(host: "lab", directory: "/machines/web", firmware: nil)

    private func ledger() throws -> Ledger {
        var ledger = Ledger()
        var disk: Resource<Kinds.Disk> = try plans.draft("kind: Disk\nmetadata: {name: root}\nspec: {size: 2GiB}", none)
        disk.status = try plans.ready(disk.metadata, "{\"path\": \"/disks/root.qcow2\"}")
        var host: Resource<Kinds.Host> = try plans.draft("kind: Host\nmetadata: {name: lab}\nspec: {}", none)
        host.status = try plans.ready(host.metadata, "{\"accelerator\": \"tcg\"}")
        var installation: Resource<Installation> = try plans.draft("kind: Installation\nmetadata: {name: web}\nspec: {node: web}", none)
        installation.status = try plans.ready(installation.metadata, "{\"boots\": {\"count\": 1, \"latest\": \"1970-01-01T00:00:25Z\"}}")
        (ledger[disk.reference], ledger[host.reference], ledger[installation.reference]) = (disk, host, installation)
        return ledger
    }

    private func machine() throws -> Resource<VirtualMachine> {
        try plans.draft(
            "kind: VirtualMachine\nmetadata: {name: web}\nspec: {cpus: 1, memory: 256MiB, firmware: bios, disks: [{disk: root}]}", none)
    }

    /// What the record says after a round of this plan, where it is suspended.
    private func held(
        _ machine: Resource<VirtualMachine>, _ plan: Plan<VirtualMachine, VirtualMachine.Action>, _ ledger: Ledger
    ) throws -> VirtualMachine.Status {
        var machine = machine
        machine.metadata.annotations[Annotation.suspended] = "true"
        let round = Round<VirtualMachine.Planning>(machine, plan: plan, ledger: ledger, now: Date(timeIntervalSince1970: 0)) { "uid" }
        #expect(round.actions == [])
        return try #require((round.status ?? machine).status?.detail)
    }

    @Test func `a reset that is held back is not told to be done`() throws {
        let ledger = try ledger()
        var machine = try machine()
        let started = try VirtualMachine.definition(of: machine, premises, Reader(ledger)).get()
        machine.status = try plans.ready(
            machine.metadata, "{\"pid\": 7, \"startedAt\": \"1970-01-01T00:00:10Z\", \"bootedFor\": \"1970-01-01T00:00:20Z\"}")
        let running = VirtualMachine.Sight.Running(pid: 7, commandLine: ["qemu"] + started.machine.arguments().flatMap(\.arguments))
        let seen = VirtualMachine.Sight(process: .running(running), hasFiles: true, premises: premises)
        let plan = VirtualMachine.Planning.plan(.present(machine), given: seen, Reader(ledger))
        #expect(plan.actions == [.reset("web")] && plan.status.bootedFor == Moment(milliseconds: 25_000))
        let held = try held(machine, plan, ledger)
        #expect(held.bootedFor == Moment(milliseconds: 20_000))
        machine.status?.detail = held
        #expect(VirtualMachine.Planning.plan(.present(machine), given: seen, Reader(ledger)).actions == [.reset("web")], "once it may")
    }

    @Test func `of a start that is held back no disk is told to be in use`() throws {
        let ledger = try ledger()
        let machine = try machine()
        let seen = VirtualMachine.Sight(process: .none, hasFiles: false, premises: premises)
        let plan = VirtualMachine.Planning.plan(.present(machine), given: seen, Reader(ledger))
        #expect(plan.actions.count == 1 && plan.status.disks == ["root"])
        #expect(try held(machine, plan, ledger).disks == [])
    }

    @Test(arguments: [
        ("[{disk: a}, {disk: b}]", "[]", "disk, network", "0 1 /"), ("[{disk: a}, {disk: b, bootIndex: 0}]", "[]", "disk, network", "1 0 /"),
        ("[{disk: a}, {disk: b}]", "[0]", "disk, network", "1 2 / 0"), ("[{disk: a, bootIndex: 1}, {disk: b}]", "[33]", "network", "1 - / 33"),
        ("[{disk: a}]", "[-]", "network, disk", "32 / 0"), ("[{disk: a}, {disk: b, bootIndex: 1}, {disk: c}]", "[]", "disk", "0 1 2 /"),
    ])
    func `no place in the boot order is given twice`(_ disks: String, _ interfaces: String, _ order: String, _ wanted: String) throws {
        let given = interfaces.dropFirst().dropLast().split(separator: " ").enumerated().map { index, boot in
            "{network: lan, mac: \"52:54:00:00:00:0\(index)\"\(boot == "-" ? "" : ", bootIndex: \(boot)")}"
        }
        let machine: Resource<VirtualMachine> = try plans.draft(
            "kind: VirtualMachine\nmetadata: {name: web}\nspec: {memory: 256MiB, bootOrder: [\(order)], disks: \(disks), interfaces: [\(given.joined(separator: ", "))]}", none)
        let found = VirtualMachine.bootIndices(of: machine.spec)
        func words(_ indices: [Int?]) -> String { indices.map { $0.map { "\($0)" } ?? "-" }.joined(separator: " ") }
        #expect("\(words(found.disks)) / \(words(found.interfaces))".trimmingCharacters(in: .whitespaces) == wanted)
    }

    @Test(arguments: [
        ("10.0.2.0/24", nil, nil, nil), ("10.0.2.0/24", "10.0.2.2", "10.0.2.15", nil), ("10.0.2.0/24", nil, "10.0.2.20", "10.0.2.2 10.0.2.3 10.0.2.20"),
        ("192.168.76.0/24", "192.168.76.1", "192.168.76.10", "192.168.76.1 192.168.76.3 192.168.76.10"),
        ("192.168.76.0/24", "192.168.76.3", nil, "192.168.76.3 192.168.76.1 192.168.76.15"), ("10.9.0.0/29", "10.9.0.6", nil, "10.9.0.6 10.9.0.3 10.9.0.1"),
        ("10.9.0.0/30", "10.9.0.1", nil, nil),
    ] as [(String, String?, String?, String?)])
    func `a user network has the manifest's subnet and addresses`(_ subnet: String, _ gateway: String?, _ address: String?, _ wanted: String?) throws {
        let network: Resource<Network> = try plans.draft(
            "kind: Network\nmetadata: {name: lan}\nspec: {driver: user, subnet: \(subnet)\(gateway.map { ", gateway: \($0)" } ?? "")}", none)
        let found = VirtualMachine.userSubnet(network.spec, try address.map { try IPv4Address(scalar: $0) })
        #expect(found.map { "\($0.host) \($0.dns) \($0.guest)" } == wanted && found.map(\.subnet) == wanted.map { _ in subnet })
    }
}
