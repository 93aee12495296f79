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
}
