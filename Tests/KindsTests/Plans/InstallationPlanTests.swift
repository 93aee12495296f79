import Foundation
import Manifest
import NixOS
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What is decided about an installation, case by case, in `Cases/installation.txt`.
@Suite struct `An installation's plans` {
    @Test func `as they stand in the file`() throws {
        try PlanCases.check("installation.txt") { words in
            let (installation, reader) = try records(words)
            let plan = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
            var lines = [plan.condition == .ready ? "ready" : "\(plan.condition.reason): \(plan.condition.message)"]
            lines += plan.happenings.map { "  \($0.isWarning ? "warns" : "tells"): \($0.reason): \($0.message)" }
            lines += plan.actions.map { "  do \($0)" }
            if words.has("order"), case .start(let order, let needs)? = plan.actions.first {
                lines.append("  \(order.flake ?? "rendered")#\(order.attribute) to \(order.target.userAtAddress), \(order.phases.joined(separator: ","))")
                lines += order.images.map { "  image \($0.name) \($0.path)" }
                lines += order.flakeFiles.map(\.path).filter { !$0.hasPrefix("nix/") }.map { "  with \($0)" }
                if needs.revocationLists != nil {
                    let file = String(decoding: needs.configuration?.contents ?? [], as: UTF8.self)
                    lines.append("  gives lists: \(needs.revocationLists?.split(separator: "\n").joined(separator: ", ") ?? "")")
                    lines.append("  names them: \(file.contains("\"crl\": \"crl.pem\""))")
                }
                lines.append("  needs \(needs.cluster ?? "-") \(needs.certificate ?? "-") \(needs.configuration?.path ?? "-")")
            }
            lines += plan.differences.map { "  \($0.path): \($0.seen?.text ?? "-") -> \($0.wanted?.text ?? "-") (\($0.impact.rawValue))" }
            if let shown = words["show"] {
                let json = try JSON(parsing: Wire.encode(plan.status))
                lines += shown.split(separator: ",").map { "  status.\($0): \(json[String($0)]?.text ?? "-")" }
            }
            return lines
        }
    }

    @Test func `a foreseen start runs, and a foreseen copy leaves no difference`() throws {
        let words = PlanCases.Words(values: ["machine": "system", "system": "", "file": "old"])
        let (installation, reader) = try records(words)
        let seen = try sight(words)
        let plan = Installation.Planning.plan(Goal(installation), given: seen, reader)
        let copy = try #require(plan.actions.first)
        let after = Installation.Planning.plan(Goal(installation), given: Installation.Planning.foresee(copy, in: seen), reader)
        #expect(after.condition == .ready && after.differences == [] && after.actions == [])
        let fresh = PlanCases.Words(values: ["machine": "installer", "disk": "blank"])
        let (blank, world) = try records(fresh)
        let start = try #require(Installation.Planning.plan(Goal(blank), given: try sight(fresh), world).actions.first)
        var running = blank
        running.status = StatusRecord(
            observedGeneration: 1, conditions: [], phase: "", detail: try Wire.decode(Installation.Status.self, from: Array("{\"run\":\"uid-node-1-1\"}".utf8)))
        let next = Installation.Planning.plan(Goal(running), given: Installation.Planning.foresee(start, in: try sight(fresh)), world)
        #expect(next.actions == [] && next.condition == .converging("installing; preparing the installation"))
    }

    @Test func `a consent is good once, and for these disks as they are`() throws {
        var words = PlanCases.Words(values: ["machine": "installer", "disk": "full", "consent": "right"])
        let (installation, reader) = try records(words)
        let plan = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        #expect(plan.actions.count == 1)
        #expect(plan.statusIfHeld?.spentConsents == [], "held back, nothing is spent")
        var later = installation
        later.status = StatusRecord(observedGeneration: 1, conditions: [], phase: "", detail: plan.status)
        // A crash before the run was made: it is the same run, under the same consent.
        let again = Installation.Planning.plan(Goal(later), given: try sight(words), reader)
        #expect(again.actions == plan.actions)
        #expect(again.status.spentConsents == plan.status.spentConsents)
        // The run failed before it touched anything: the consent is gone.
        words.values["run"] = "exit1"
        words.values["log"] = "facts"
        let failed = Installation.Planning.plan(Goal(later), given: try sight(words), reader)
        #expect(failed.actions == [])
        #expect(failed.condition.message.contains("is spent"))
        // It began to format: what is on the disks now is its own.
        words.values["log"] = "format"
        let formatted = Installation.Planning.plan(Goal(later), given: try sight(words), reader)
        #expect(formatted.actions.map(\.description) == ["install node with nixos-anywhere (run uid-node-1-2)"])
        // Other disks are not.
        words.values["disk"] = "other"
        #expect(Installation.Planning.plan(Goal(later), given: try sight(words), reader).actions == [])
    }

    @Test func `what is suspended spends no consent, and one that was taken back is good for nothing`() throws {
        let words = PlanCases.Words(values: ["machine": "installer", "disk": "full", "consent": "right"])
        var (installation, reader) = try records(words)
        let plan = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        func round(_ installation: Resource<Installation>) -> Round<Installation.Planning> {
            Round(installation, plan: plan, ledger: Ledger(), now: Date(timeIntervalSince1970: 0)) { "uid" }
        }
        #expect(round(installation).status?.status?.detail.spentConsents.count == 1)
        installation.metadata.annotations[Annotation.suspended] = "true"
        let held = try #require(round(installation).status?.status?.detail)
        #expect(round(installation).actions == [] && held.spentConsents == [] && held.run == nil && held.isRunning != true)
        // Nor is a word to begin anew.
        let installed = PlanCases.Words(values: ["machine": "system", "system": "", "reinstall": ""])
        let (other, ledger) = try records(installed)
        let anew = Installation.Planning.plan(Goal(other), given: try sight(installed), ledger)
        #expect(anew.status.isReinstalling == true && anew.status.spentConsents.count == 1)
        #expect(anew.statusIfHeld?.isReinstalling != true && anew.statusIfHeld?.spentConsents == [] && anew.statusIfHeld?.system == "/nix/store/one")
        // Decided on, and then the consent was taken back before anything was started.
        installation.metadata.annotations = [:]
        installation.status = StatusRecord(observedGeneration: 1, conditions: [], phase: "", detail: plan.status)
        let again = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        #expect(again.actions == [] && again.condition.message.contains("is not blank"))
    }

    @Test func `a run that was seen is not begun again under its name, wherever its directory is`() throws {
        let words = PlanCases.Words(values: ["machine": "installer", "disk": "blank"])
        var (installation, reader) = try records(words)
        let detail = #"{"run": "uid-node-1-1", "attempts": 1, "startedAt": "1970-01-01T00:01:00Z"}"#
        installation.status = try status(installation.metadata, detail)
        let plan = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        #expect(plan.status.failure?.contains("this host knows nothing of it any more") == true)
        #expect(plan.actions.map(\.description) == ["install node with nixos-anywhere (run uid-node-1-2)"])
    }

    @Test func `of a flake that nobody here knows every disk may be formatted`() throws {
        // The one that is laid out is blank, and another is there.
        var words = PlanCases.Words(values: ["machine": "installer", "disk": "full", "spec": "flake:_path:/etc/plasma"])
        func plan() throws -> Plan<Installation, Installation.Action> {
            let (installation, reader) = try records(words)
            return Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        }
        #expect(try plan().condition.message.contains("/dev/vda (vda 4294967296 bytes serial vda) holds Windows"))
        words.values["disk"] = "blank"
        #expect(try plan().actions.count == 1)
        words.values["nolayout"] = ""
        words.values["never"] = ""
        let refused = try plan()
        #expect(refused.actions == [] && refused.condition.message.contains("the wipePolicy of /dev/vda is Never"), "\(refused.condition.message)")
        words.values["spec"] = "flake:_path:/etc/plasma,_diskoMode:_mount"
        #expect(try plan().actions.count == 1)
    }

    @Test func `a machine that nobody knows is not formatted for a run of ours having begun to`() throws {
        var words = PlanCases.Words(values: ["machine": "installer", "disk": "full", "run": "exit1", "log": "format", "formatted": ""])
        let (installation, reader) = try records(words)
        #expect(Installation.Planning.plan(Goal(installation), given: try sight(words), reader).actions.count == 1)
        words.values["machine"] = "stranger"
        let plan = Installation.Planning.plan(Goal(installation), given: try sight(words), reader)
        #expect(plan.actions == [] && plan.condition.message.contains("is not blank"), "\(plan.condition.message)")
    }

    @Test func `what a failed run left is its own for that spec alone, and until another system was seen there`() throws {
        var words = PlanCases.Words(values: ["machine": "installer", "disk": "full", "run": "exit1", "log": "format", "formatted": ""])
        var (installation, reader) = try records(words)
        func plan() throws -> Plan<Installation, Installation.Action> { Installation.Planning.plan(Goal(installation), given: try sight(words), reader) }
        #expect(try plan().actions.count == 1)
        installation.metadata.generation += 1
        let changed = try plan()
        #expect(changed.actions == [] && changed.condition.message.contains("is not blank"), "\(changed.condition.message)")
        installation.metadata.generation -= 1
        for other in ["stranger", "locked"] {
            words.values["machine"] = other
            var later = installation
            later.status?.detail = try plan().status
            words.values["machine"] = "installer"
            let after = Installation.Planning.plan(Goal(later), given: try sight(words), reader)
            #expect(after.actions == [] && after.condition.message.contains("is not blank"), "\(other): \(after.condition.message)")
            // A consent begins another run, and what the earlier one formatted counts no more.
            later.metadata.annotations[Installation.consentAnnotation] = "wipe-uid-node-1-38388dab"
            let consented = Installation.Planning.plan(Goal(later), given: try sight(words), reader)
            #expect(consented.actions.count == 1 && consented.status.formattedBy == nil && consented.status.wasTakenOver == nil)
        }
        // The installer that is offered to it is still booting, and does not know plasma's key yet.
        (words.values["machine"], words.values["boot"]) = ("locked", "")
        let (booting, offering) = try records(words)
        #expect(Installation.Planning.plan(Goal(booting), given: try sight(words), offering).status.wasTakenOver == nil)
    }

    @Test func `a service that runs with a description of before is named, and what tells how it began is not of interest`() throws {
        let words = PlanCases.Words(values: ["machine": "system", "system": ""])
        let (installation, reader) = try records(words)
        let file = try #require(Installation.needs(of: "node", Installation.Terms(), reader).configuration)
        let text = String(decoding: file.contents, as: UTF8.self)
        func differences(_ running: String) throws -> [Difference] {
            var (seen, facts) = (try sight(words), system(words))
            facts.running = ["chainfire": running]
            seen.machine = .system(facts)
            return Installation.Planning.plan(Goal(installation), given: seen, reader).differences
        }
        #expect(try differences(text) == [] && differences("no JSON") == [])
        #expect(try differences(text.replacing("\"node=http", with: "\"other=http").replacing("\"bootstrap\": true", with: "\"bootstrap\": false")) == [])
        let changed = text.replacing("0.0.0.0:2379", with: "0.0.0.0:2479").replacing("\"domain\"", with: "\"election_timeout\": \"9s\", \"domain\"")
        #expect(try differences(changed) == [
            Difference(
                "units.chainfire.service", seen: "started before its configuration was changed: election_timeout, listen_client", wanted: "started since",
                impact: .restart)
        ])
    }

    @Test func `a node with a system makes its installation, and is ready only with it`() throws {
        let text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata: {name: node, labels: {rack: a}}
            spec:
              hostname: node
              interfaces: [{network: lan, mac: "52:54:00:00:01:01"}]
              machine: {virtual: {memory: 512MiB}}
              system: {attribute: web, installer: ../bin/install, netBoot: installer, diskoMode: format, phases: [disko, install], retries: 0,
                deadlines: {install: 2h}, target: {port: 2222}}

            """
        let reading = Catalog.table.read([(file: "/manifests/lab/case.yaml", bytes: Array(text.utf8))])
        try #require(reading.problems == [])
        let node = try #require(reading.drafts.first?.resource as? Resource<Node>)
        let children = Node.Planning.plan(Goal(node), given: .init(), Reader(Ledger())).children
        let made = try #require(children.compactMap { $0 as? Resource<Installation> }.first)
        #expect(made.name == "node" && made.metadata.labels["rack"] == "a" && made.spec.node.scalarText == "node")
        #expect(made.spec.flake == nil && made.spec.attribute == "web" && made.spec.program.text == "/manifests/bin/install")
        #expect(made.spec.diskoMode == .format && made.spec.phases == [.disko, .install] && made.spec.retries == 0)
        #expect(made.spec.deadlines.install == .seconds(7200) && made.spec.deadlines.disko == .seconds(600) && made.spec.target?.port == 2222)
        var ledger = Ledger()
        for var child in children {
            if var machine = child as? Resource<VirtualMachine> {
                machine.status = try status(machine.metadata, "{}")
                child = machine
            }
            ledger[child.reference] = child
        }
        #expect(Node.Planning.plan(Goal(node), given: .init(), Reader(ledger)).condition == .waiting(on: made.reference, "not looked at yet"))
        var ready = made
        ready.status = try status(ready.metadata, "{\"system\": \"/nix/store/one\"}")
        ledger[ready.reference] = ready
        let plan = Node.Planning.plan(Goal(node), given: .init(), Reader(ledger))
        #expect(plan.condition == .ready && plan.status.system == "/nix/store/one")
    }

    @Test func `a real machine has its installation and nothing else, and keeps it when it is given a controller`() throws {
        func node(_ machine: String) throws -> Resource<Node> {
            let text = """
                apiVersion: plasma.cloud/v1alpha1
                kind: Node
                metadata: {name: node}
                spec:
                  hostname: node
                  interfaces: [{network: lan, mac: "52:54:00:00:01:01"}]
                  machine: {metal: {\(machine)}}
                  disks: [{device: /dev/nvme0n1, size: 1TB}]
                  system: {netBoot: installer}

                """
            let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
            try #require(reading.problems == [])
            return try #require(reading.drafts.first?.resource as? Resource<Node>)
        }
        let plan = Node.Planning.plan(Goal(try node("")), given: .init(), Reader(Ledger()))
        #expect(plan.children.map(\.reference) == [Reference(Installation.self, "node")])
        #expect(plan.condition == .waiting(on: Reference(Installation.self, "node"), "not made yet") && plan.status.machine == "metal")
        let driven = try node("bmc: {address: \"https://10.0.0.9\", credentials: {username: admin, passwordFile: /etc/bmc}}")
        var ledger = Ledger()
        for child in plan.children { ledger[child.reference] = child }
        let stalled = Node.Planning.plan(Goal(driven), given: .init(), Reader(ledger))
        guard case .stalled(let why) = stalled.condition else { return #expect(Bool(false), "\(stalled.condition)") }
        #expect(why.hasPrefix("this version has no driver for a redfish controller") && stalled.children.count == 1)
        #expect(Node.Planning.plan(Goal(driven), given: .init(), Reader(Ledger())).children.isEmpty)
    }
}
