import Foundation
import Kinds
import Manifest
import Resource
import Testing

@testable import Commands

/// How `plasma timeline` cuts a run into stretches.
@Suite struct `The timeline of a run` {
    private func at(_ seconds: Double) -> Moment { Moment(milliseconds: 1_700_000_000_000 + Int64(seconds * 1000)) }

    private func whole(_ change: (inout RunTimeline.Milestones) -> Void = { _ in }) -> RunTimeline {
        var milestones = RunTimeline.Milestones()
        (milestones.applied, milestones.machine, milestones.dhcp, milestones.kernel) = (at(0), at(1.25), at(11), at(14))
        (milestones.installer, milestones.started, milestones.served) = (at(30), at(32.5), 250)
        milestones.phases = [("kexec", at(33)), ("disko", at(34)), ("install", at(40)), ("reboot", at(88))]
        (milestones.finished, milestones.booted, milestones.ssh, milestones.joined) = (at(90), at(110), at(140), at(150))
        (milestones.seen, milestones.healthy) = (at(145), at(153))
        change(&milestones)
        return RunTimeline(node: "node01", milestones)
    }

    @Test func `each stretch is ours or the guest's, and together they are the whole`() {
        let run = whole()
        #expect(run.stretches.map(\.name) == [
            "manifest taken → machine started", "firmware → has an address", "boot loader → asks for its kernel", "kernel, RAM disk → installer reports",
            "boot servers' answers, in all", "installer reports → run started", "installer: prepares", "installer: kexec", "installer: disko",
            "installer: install", "installer: reboot", "reboot → kernel", "kernel → SSH", "SSH → first boot done", "first boot done → seen healthy",
        ])
        #expect(run.stretches.map(\.seconds) == [1.25, 9.75, 3, 15.75, 0.25, 2.5, 0.5, 1, 6, 48, 2, 20, 30, 10, 3])
        #expect(run.seconds(.ours) == 1.25 + 0.25 + 2.5 + 3)
        #expect(run.seconds == 153 && run.seconds(.ours) + run.seconds(.guest) == 153)
        #expect(run.isComplete && run.began == at(0) && run.ended == at(153))
    }

    @Test func `what nobody saw is part of the next stretch`() {
        let run = whole { ($0.machine, $0.dhcp, $0.booted, $0.ssh) = (nil, nil, nil, nil) }
        #expect(run.stretches.first == .init(name: "boot loader → asks for its kernel", owner: .guest, seconds: 14))
        #expect(run.stretches.contains(.init(name: "SSH → first boot done", owner: .guest, seconds: 60)))
        #expect(run.seconds == 153)
    }

    @Test func `a moment that seems to come before its cause takes no time, and nothing is counted twice`() {
        let run = whole { ($0.booted, $0.started) = (at(80), at(29)) }
        #expect(run.stretches.allSatisfy { $0.seconds >= 0 } && run.seconds == 153)
        #expect(run.stretches.contains(.init(name: "reboot → kernel", owner: .guest, seconds: 0)))
        #expect(run.stretches.contains(.init(name: "installer reports → run started", owner: .ours, seconds: 0)))
    }

    @Test func `boot servers cannot have taken longer than the boot`() {
        let run = whole { $0.served = 1_000_000 }
        #expect(run.stretches.contains(.init(name: RunTimeline.answers, owner: .ours, seconds: 16)) && run.seconds == 153)
    }

    @Test func `a run under way is told so far`() {
        let booting = whole { ($0.kernel, $0.installer, $0.started, $0.finished, $0.seen, $0.healthy, $0.phases) = (nil, nil, nil, nil, nil, nil, []) }
        #expect(booting.seconds == 11 && !booting.isComplete && booting.stretches.count == 2)
        let joining = whole { ($0.joined, $0.healthy) = (nil, nil) }
        #expect(joining.seconds == 140 && !joining.isComplete, "what the guest still does is not ours")
        let probing = whole { ($0.healthy, $0.waitsForHealth) = (nil, true) }
        #expect(probing.seconds == 150 && !probing.isComplete)
        let plain = whole { $0.healthy = nil }
        #expect(plain.seconds == 150 && plain.isComplete, "without a service it was seen before its first boot was done")
        #expect(RunTimeline(node: "x", .init()).stretches.isEmpty)
    }

    @Test func `before a run there is what the machine's boot tells`() throws {
        func object(_ text: String) throws -> (Reference, any AnyResource) {
            let json = try JSON(parsing: Array(text.utf8))
            let kind = try #require(kinds[json["kind"]?.string ?? ""])
            let object = try kind.decode(Array(text.utf8), 1)
            return (object.reference, object)
        }
        let meta = { (name: String) in "\"apiVersion\": \"plasma.cloud/v1alpha1\", \"metadata\": {\"name\": \"\(name)\", \"uid\": \"u\", \"generation\": 1, \"creationTimestamp\": \"2023-11-14T22:13:20Z\"}" }
        let state = { (detail: String) in "\"status\": {\"observedGeneration\": 1, \"conditions\": [], \"phase\": \"x\", \(detail)}" }
        let world = Dictionary(uniqueKeysWithValues: [
            try object("{\"kind\": \"Node\", \(meta("n")), \"spec\": {\"hostname\": \"n\", \"role\": \"worker\", \"interfaces\": [], \"machine\": {\"metal\": {\"firmware\": \"uefi\"}}, \"disks\": [], \"services\": []}}"),
            try object("{\"kind\": \"Installation\", \(meta("n")), \"spec\": {\"node\": \"n\", \"program\": \"nixos-anywhere\", \"diskoMode\": \"disko\", \"phases\": [], \"deadlines\": {\"kexec\": \"1m\", \"disko\": \"1m\", \"install\": \"1m\", \"reboot\": \"1m\"}, \"retries\": 0}, \(state("\"spentConsents\": []"))}"),
            try object("{\"kind\": \"NetBoot\", \(meta("boot")), \"spec\": {\"network\": \"lan\", \"nodes\": [\"n\"], \"kernel\": {\"path\": \"/k\", \"digest\": \"sha256:\(String(repeating: "0", count: 64))\"}, \"commandLine\": \"\", \"dhcp\": {\"mode\": \"server\", \"leaseTime\": \"1h\"}, \"unknownMachines\": \"Pending\"}, \(state("\"offered\": [], \"machines\": [{\"node\": \"n\", \"mac\": \"52:54:00:00:01:01\", \"boots\": 1, \"phases\": {\"dhcp\": \"2023-11-14T22:13:31.5Z\", \"kernel\": \"2023-11-14T22:13:34Z\"}}], \"pending\": []"))}"),
        ])
        let run = try #require(try RunTimeline(node: "n", world: world))
        #expect(run.stretches.map(\.name) == ["manifest taken → has an address", "boot loader → asks for its kernel"])
        #expect(run.stretches.map(\.seconds) == [11.5, 2.5] && !run.isComplete)
    }

    @Test func `the table has a line for each stretch of any node, in their order`() {
        let text = TimelineText(
            runs: [whole { $0.phases.removeFirst() }, whole { $0.phases.removeLast() }], formed: [.init(cluster: "lab", ready: at(154))])
        let lines = text.table(isColored: false)
        #expect(lines[0] == "SECONDS                                WHOSE   node01   node01")
        #expect(lines.contains("installer: kexec                       guest   -        1.00"))
        #expect(lines.contains("installer: reboot                      guest   2.00     -"))
        #expect(lines.contains("in all                                 ours    7.00     7.00"))
        #expect(lines.last == "Cluster/lab was Ready 154 s after the manifest was taken.")
        let json = text.json
        #expect(json["nodes"]?.array?.first?["oursSeconds"] == .number(7) && json["clusters"]?.array?.first?["cluster"] == "lab")
    }

    @Test func `a run is read from the records of its node`() throws {
        let node = """
            {"apiVersion":"plasma.cloud/v1alpha1","kind":"Node","metadata":{"name":"n","creationTimestamp":"2023-11-14T22:13:20Z"},"spec":{}}
            """
        // Specs of real kinds have many fields: the records here are those that the server would send, cut to what is read.
        func record(_ kind: String, _ name: String, _ json: String) throws -> (Reference, any AnyResource) {
            (Reference(kind: kind, name: name), Plain(reference: Reference(kind: kind, name: name), tree: try JSON(parsing: Array(json.utf8))))
        }
        var world = Dictionary(uniqueKeysWithValues: [
            try record("Node", "n", node),
            try record("Installation", "n", """
                {"spec":{"node":"n"},"status":{"run":"uid-1-1","servedMilliseconds":120,"startedAt":"2023-11-14T22:13:52Z","timeline":{
                "machine":"2023-11-14T22:13:21.500Z","dhcp":"2023-11-14T22:13:30Z","kernel":"2023-11-14T22:13:34.250Z","installer":"2023-11-14T22:13:50Z",
                "started":"2023-11-14T22:13:52Z","disko":"2023-11-14T22:13:54Z","finished":"2023-11-14T22:14:20Z","booted":"2023-11-14T22:14:40Z",
                "ssh":"2023-11-14T22:15:00Z","joined":"2023-11-14T22:15:10Z","seen":"2023-11-14T22:15:05Z"}}}
                """),
            try record("Service", "chainfire", #"{"status":{"nodes":[{"node":"n","healthy":true,"firstHealthy":"2023-11-14T22:15:12.500Z"},{"node":"m","healthy":false}]}}"#),
        ])
        let first = try RunTimeline(node: "n", world: world)
        let run = try #require(first)
        #expect(run.seconds == 112.5 && run.isComplete)
        #expect(run.stretches.first == .init(name: "manifest taken → machine started", owner: .ours, seconds: 1.5))
        #expect(run.stretches.last == .init(name: "first boot done → seen healthy", owner: .ours, seconds: 2.5))
        world[Reference(kind: "Installation", name: "n")] = try record("Installation", "n", #"{"spec":{"node":"n"},"status":{"run":"uid-1-2","timeline":{"machine":"2023-11-14T22:13:21Z","dhcp":"2023-11-14T23:00:00Z","kernel":"2023-11-14T23:00:07Z"}}}"#).1
        let again = try RunTimeline(node: "n", world: world)
        #expect(again?.seconds == 7, "a second run begins with its own boot")
        let none = try RunTimeline(node: "m", world: world)
        #expect(none == nil)
    }
}

/// A record of which only the JSON is looked at.
private struct Plain: AnyResource {
    var metadata = Metadata(name: "")
    let reference: Reference
    let tree: JSON
    var summary: StatusSummary? { nil }
    var mentions: [Reference] { [] }

    init(reference: Reference, tree: JSON) {
        self.reference = reference
        self.tree = tree
        let birth = tree["metadata"]?["creationTimestamp"]?.string.flatMap { Moment($0) }
        metadata = Metadata(name: reference.name, creationTimestamp: birth?.date ?? Date(timeIntervalSince1970: 0))
    }

    func encoded() throws -> [UInt8] { Array(tree.text.utf8) }
    func replacingSpec(with other: any AnyResource) -> any AnyResource { other }
    func hasSameSpec(as other: any AnyResource) -> Bool { false }
}
