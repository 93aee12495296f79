import Foundation
import NixOS
import Resource
import Testing

@testable import Kinds

/// What is kept of the first boot of an installed system.
@Suite struct `The first boot's timeline` {
    private typealias Milestone = Installation.Milestone

    private func boot(id: String = "a", began: Int64 = 100_000, _ units: [String: Double] = [:], pending: [String] = [], seen: Int64 = 150_000) -> Installation.NodeBoot {
        var boot = Installation.NodeBoot(id: id, began: Moment(milliseconds: began), seen: Moment(milliseconds: seen))
        boot.note(BootFacts(id: id, uptime: 50, units: units, pending: pending))
        return boot
    }

    private func status(after boots: Installation.NodeBoot?..., started: Int64? = 50_000) -> Installation.Status {
        var status = Installation.Status()
        status.timeline[Milestone.started] = started.map { Moment(milliseconds: $0) }
        for boot in boots { Installation.Planning.noteBoot(boot, &status) }
        return status
    }

    private func milliseconds(_ status: Installation.Status) -> [String: Int64] {
        status.timeline.filter { $0.key != Milestone.started }.mapValues(\.milliseconds)
    }

    @Test func `units stand where the kernel's start and their own time put them`() {
        let status = status(after: boot(["sshd.service": 12.5, "chainfire-cluster-join.service": 30.25]))
        #expect(milliseconds(status) == ["booted": 100_000, "ssh": 112_500, "joined": 130_250, "seen": 150_000])
        #expect(status.firstBoot == "a")
    }

    @Test func `what comes up later is added, and nothing is moved`() {
        let status = status(
            after: boot(["ssh.service": 12], pending: ["chainfire-cluster-join.service"]),
            boot(began: 100_007, ["ssh.service": 12.1, "chainfire-cluster-join.service": 40], seen: 170_000))
        #expect(milliseconds(status) == ["booted": 100_000, "ssh": 112_000, "joined": 140_007, "seen": 150_000])
    }

    @Test func `a node that joins nothing is done with its SSH server, or when it is seen`() {
        #expect(status(after: boot(["ssh.service": 12])).timeline[Milestone.joined]?.milliseconds == 112_000)
        #expect(status(after: boot()).timeline[Milestone.joined]?.milliseconds == 150_000)
        #expect(status(after: boot(pending: ["x-cluster-join.service"])).timeline[Milestone.joined] == nil)
    }

    @Test func `neither a boot before the run nor a later one is told`() {
        #expect(milliseconds(status(after: boot(began: 40_000))) == [:])
        #expect(milliseconds(status(after: boot(), started: nil)) == [:], "a record from before there were timelines")
        let twice = status(after: boot(pending: ["x-cluster-join.service"]), boot(id: "b", began: 200_000, ["x-cluster-join.service": 5]))
        #expect(twice.timeline[Milestone.joined] == nil && twice.firstBoot == "a")
    }

    @Test func `a status with moments stays equal to itself through the store`() throws {
        let status = status(after: boot(["ssh.service": 12.3456789]))
        #expect(try Wire.decode(Installation.Status.self, from: try Wire.encode(status)) == status)
    }
}
