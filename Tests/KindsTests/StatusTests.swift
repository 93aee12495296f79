import Foundation
import Manifest
import Resource
import Testing

@testable import Kinds

/// Those statuses that decode themselves, since an older record lacks fields: what is written is read.
struct StatusTests {
    private func check<Status: Codable & Equatable>(_ status: Status) throws {
        for field in Mirror(reflecting: status).children {
            let value = Mirror(reflecting: field.value)
            let isUnset = value.displayStyle == .optional && value.children.isEmpty || (field.value as? any Collection)?.isEmpty == true
            #expect(!isUnset, "\(Status.self).\(field.label ?? ""): give it a value here")
        }
        #expect(try Wire.decode(Status.self, from: Wire.encode(status)) == status, "\(Status.self)")
        #expect(throws: Never.self) { try Wire.decode(Status.self, from: Array("{}".utf8)) }
    }

    private let moment = Moment(milliseconds: 1_000_001)
    private let date = Date(timeIntervalSince1970: 1000)
    private func digest() throws -> Digest { try Digest(scalar: "sha256:" + String(repeating: "0", count: 64)) }

    @Test func `a virtual machine's`() throws {
        var status = VirtualMachine.Status()
        (status.pid, status.uuid, status.host, status.accelerator) = (7, "u", "h", "tcg")
        (status.startedAt, status.stopRequestedAt, status.bootedFor) = (moment, date, moment)
        (status.serialLog, status.console, status.addresses, status.disks) = ("s", "c", ["a"], ["d"])
        (status.starts, status.pendingRestart) = (3, ["spec.cpus"])
        try check(status)
    }

    @Test func `an installation's`() throws {
        var status = Installation.Status()
        (status.run, status.step, status.phase, status.phaseSince) = ("r", "s", .disko, moment)
        (status.timeline, status.servedMilliseconds, status.firstBoot) = (["started": moment], 5, "b")
        (status.startedAt, status.finishedAt, status.exitCode, status.isRunning) = (date, date, 1, false)
        (status.failure, status.failedRun, status.attempts, status.heardRequest, status.log) = ("f", "r", 2, "h", "l")
        (status.spentConsents, status.disks, status.formattedBy, status.wantsNetBoot) = (["c"], "d", "r", true)
        status.wasTakenOver = true
        status.configuration = ["networking": "0a"]
        (status.system, status.source, status.diskConsents, status.joinsThrough) = ("/nix/store/x", "s", ["vda": 1], "node02")
        (status.formerMembers, status.isReinstalling, status.hostKey, status.drift) = (["ab"], true, "ssh-ed25519 A", ["system"])
        status.boots = .init(latest: moment, count: 2, request: "now")
        (status.hasRevocationLists, status.tokenCluster, status.formerSystem) = (true, "lab", "/nix/store/w")
        status.delivered = .init(certificate: "c", issuer: try digest(), trust: [try digest()])
        try check(status)
    }

    @Test func `a netboot's`() throws {
        var status = NetBoot.Status()
        status.pending = [.init(mac: "52:54:00:00:01:01", firmware: "BIOS", since: moment)]
        (status.offered, status.problem) = (["node01"], "p")
        status.machines = [.init(node: "node01", mac: "52:54:00:00:01:01", phase: "dhcp", phases: ["dhcp": moment], boots: 1, problem: "p", servedMilliseconds: 2)]
        try check(status)
        let older = try Wire.decode(NetBoot.Status.self, from: Array(#"{"pending": ["52:54:00:00:01:01"], "offered": ["node01"]}"#.utf8))
        #expect(older.pending == [] && older.offered == ["node01"])
    }

    @Test func `a service's`() throws {
        var status = Service.Status()
        var node = Service.NodeHealth(node: "node01", healthy: true)
        (node.reason, node.since, node.wasHealthy, node.firstHealthy) = ("r", date, true, moment)
        (node.firstBoot, node.firstBootSteps) = ("initialized", [.init(message: "m", since: date, attempts: 2)])
        node.certificate = .init(serial: "s", notAfter: date, isIssued: true)
        (status.healthy, status.nodes) = ("1/1", [node])
        status.membership = .init(leader: "node01", term: 2, voters: 1, learners: 0, problems: [], members: [
            .init(id: "1", name: "node01", isVoter: true, hasStarted: true, isOurs: true, clientURLs: ["u"])
        ])
        try check(status)
        let older = try Wire.decode(Service.Status.self, from: Array(#"{"nodes": [{"node": "node01", "healthy": true}]}"#.utf8))
        #expect(older.nodes == [.init(node: "node01", healthy: true)])
    }

    @Test func `a node's`() throws {
        var status = Node.Status()
        (status.machine, status.addresses, status.system, status.disks) = ("virtual", ["a"], "s", ["d"])
        try check(status)
    }
}
