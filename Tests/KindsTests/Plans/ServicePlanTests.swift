import Foundation
import Manifest
import Probe
import Reconcile
import Resource
import Simulation
import Testing

@testable import Kinds

/// What the planners of Services and Clusters decide, case by case, in the text files beside this one.
@Suite struct ServicePlanTests {
    /// A cluster of three nodes with chainfire on them; the words say what differs from all being well.
    private struct Scene {
        var ledger = Ledger()
        var service: Resource<Service>

        init(_ words: PlanCases.Words) throws {
            let probe = words["probe"] == "none" ? "" : ", probe: {check: {\(words["probe"] == "https" ? "httpGet: {port: clients, scheme: HTTPS}" : "httpGet: {port: metrics}")}}"
            let needs = words["needs"].map { ", dependsOn: [\($0)]" } ?? ""
            let reading = Catalog.table.read([(
                file: "case.yaml",
                bytes: Array(
                    """
                    apiVersion: plasma.cloud/v1alpha1
                    kind: Service
                    metadata: {name: chainfire}
                    spec: {ports: [{name: clients, port: 2379}, {name: metrics, port: 2381}]\(probe)\(needs)}
                    ---
                    apiVersion: plasma.cloud/v1alpha1
                    kind: Service
                    metadata: {name: time}
                    spec: {}
                    ---
                    apiVersion: plasma.cloud/v1alpha1
                    kind: Network
                    metadata: {name: lan}
                    spec: {driver: user, subnet: 10.0.0.0/24}
                    ---
                    apiVersion: plasma.cloud/v1alpha1
                    kind: CertificateAuthority
                    metadata: {name: ca}
                    spec: {commonName: lab}
                    ---
                    apiVersion: plasma.cloud/v1alpha1
                    kind: Cluster
                    metadata: {name: lab}
                    spec: {domain: lab.local, network: lan, nodes: [n1, n2, n3], services: [\(words["services"] ?? "chainfire")], bootstrap: {initialPeers: [n1]}\(words.has("trust") ? ", trust: {certificateAuthority: ca}" : "")}

                    """.utf8) + ["n1", "n2", "n3"].flatMap {
                        Array(
                            """
                            ---
                            apiVersion: plasma.cloud/v1alpha1
                            kind: Node
                            metadata: {name: \($0)}
                            spec: {hostname: \($0), role: worker, interfaces: [{network: lan\(words.has("dhcp") ? "" : ", address: 10.0.0.1\($0.dropFirst())"), mac: "52:54:00:00:01:0\($0.dropFirst())"}], machine: {virtual: {memory: 256MiB}}\($0 == words["installing"] || $0 == words["installed"] ? ", system: {\(words.has("target") ? "target: {address: gate.lan, port: 2222, user: admin}" : "")}" : "")}

                            """.utf8)
                    }
            )])
            try #require(reading.problems == [])
            for draft in reading.drafts {
                var record = draft.resource
                record.metadata.uid = "uid-\(record.name)"
                ledger[record.reference] = record
            }
            service = try #require(ledger.get(Service.self, "chainfire"))
            try stand(words)
        }

        private mutating func stand(_ words: PlanCases.Words) throws {
            for name in ["n1", "n2", "n3"] where name != words["absent"] {
                var node = try #require(ledger.get(Node.self, name))
                if name == words["down"] {
                    node.status = try status(node.metadata, .waiting(on: Reference(VirtualMachine.self, name), "it is off"), "{}")
                } else if name == words["installing"] || name == words["installed"] {
                    node.status = try status(node.metadata, .waiting(on: Reference(Installation.self, name), "a unit failed"), "{}")
                    let ended = name == words["installed"] ? "{\"system\": \"/nix/store/x\"}" : "{}"
                    var installation = Resource<Installation>(
                        metadata: Metadata(name: name), spec: try Self.spec("{flake: x, node: \(name)}"))
                    installation.status = try status(installation.metadata, .converging("checking"), ended)
                    ledger[installation.reference] = installation
                    var machine = Resource<VirtualMachine>(metadata: Metadata(name: name), spec: try Self.spec("{memory: 128MiB}"))
                    machine.status = try status(machine.metadata, .ready, "{}")
                    ledger[machine.reference] = machine
                } else {
                    node.status = try status(node.metadata, .ready, "{}")
                }
                ledger[node.reference] = node
            }
            if let name = words["absent"] { ledger[Reference(Node.self, name)] = nil }
            if let was = words["was"] {
                let nodes = ["n1", "n2", "n3"].map { "{\"node\": \"\($0)\", \"healthy\": \(was == "healthy"), \"wasHealthy\": true, \"reason\": \"old\"}" }
                let known = "{\"id\": \"a1\", \"name\": \"n1\", \"isVoter\": true, \"hasStarted\": true, \"isOurs\": true, \"clientURLs\": []}"
                let membership = words.has("known") ? ", \"membership\": {\"problems\": [], \"members\": [\(known)]}" : ""
                service.status = try status(service.metadata, .ready, "{\"nodes\": [\(nodes.joined(separator: ","))]\(membership)}")
                ledger[service.reference] = service
            }
            if let time = words["time"] {
                var other = try #require(ledger.get(Service.self, "time"))
                let detail = time == "unready" ? "{}" : "{\"nodes\": [{\"node\": \"n1\", \"healthy\": \(time == "well"), \"reason\": \"connection refused\"}]}"
                other.status = try status(other.metadata, time == "well" ? .ready : .converging("not healthy; n1"), detail)
                ledger[other.reference] = other
            }
            for reference in [Reference(Network.self, "lan"), Reference(CertificateAuthority.self, "ca")] where words["unready"] != reference.kind {
                if var network = ledger[reference] as? Resource<Network> {
                    network.status = try status(network.metadata, .ready, "{}")
                    ledger[reference] = network
                }
                if var authority = ledger[reference] as? Resource<CertificateAuthority> {
                    authority.status = try status(authority.metadata, .ready, "{}")
                    ledger[reference] = authority
                }
            }
            if words["service"] == "ready" {
                service.status = try status(service.metadata, .ready, "{}")
                ledger[service.reference] = service
            }
        }

        private static func spec<S: Decodable>(_ text: String) throws -> S where S: Sendable {
            let kind = S.self == Installation.Spec.self ? "Installation" : "VirtualMachine"
            let reading = Catalog.table.read([(
                file: "child.yaml", bytes: Array("apiVersion: plasma.cloud/v1alpha1\nkind: \(kind)\nmetadata: {name: x}\nspec: \(text)".utf8))])
            try #require(reading.problems == [])
            if let installation = reading.drafts.first?.resource as? Resource<Installation>, let spec = installation.spec as? S { return spec }
            let machine = try #require(reading.drafts.first?.resource as? Resource<VirtualMachine>)
            return try #require(machine.spec as? S)
        }

        private func status<K: Kind>(_ metadata: Metadata, _ condition: Condition, _ detail: String) throws -> StatusRecord<K> {
            StatusRecord(
                observedGeneration: metadata.generation,
                conditions: condition.records(generation: metadata.generation, now: Date(timeIntervalSince1970: 0), previous: []),
                phase: condition.phase(isLeaving: false), detail: try Wire.decode(K.Status.self, from: Array(detail.utf8)))
        }
    }

    @Test func `a service's plans`() throws {
        try PlanCases.check("service.txt") { words in
            let scene = try Scene(words)
            var seen = Service.Sight()
            for name in ["n1", "n2", "n3"] {
                switch words[name] {
                case "unknown": break
                case "refused": seen.health[name] = .init(standing: .unhealthy, reason: "connection refused", category: .refused, since: Date(timeIntervalSince1970: 60))
                case "flapping": seen.health[name] = .init(standing: .flapping, reason: "flapping: 4 changes within 60 s", category: .refused, since: Date(timeIntervalSince1970: 60))
                default: seen.health[name] = .init(standing: .healthy, since: Date(timeIntervalSince1970: 60))
                }
            }
            if let boot = words["boot"] {
                seen.firstBoot["n1"] = FirstBootState(
                    service: "chainfire", state: boot == "failed" ? .failed : .running, step: "joining",
                    message: boot == "failed" ? "gave up" : "waiting for a leader", attempt: 3, updatedAt: Date(timeIntervalSince1970: 0)
                ).following([])
            }
            if let served = words["served"] {
                seen.served["n2"] = .init(serial: served, notAfter: Date(timeIntervalSince1970: 0), issued: "a1", isIssued: served == "a1", isExpired: words.has("expired"))
            }
            if words["members"] == "unasked" {
                seen.members = .init(failure: "n1: connection refused")
            } else if let members = words["members"] {
                let view = MembershipCheck.View(
                    members: members.split(separator: ",").map { .init(name: String($0.filter { $0 != "*" }), isLeader: $0.hasSuffix("*")) }, term: 2)
                seen.members = .init(finding: MembershipCheck.check(wanted: ["n1", "n2", "n3"], views: [(node: "n1", view: view)]))
            }
            let goal = words.has("leaving") ? Goal.absent(scene.service) : Goal.present(scene.service)
            let plan = Service.Planning.plan(goal, given: seen, Reader(scene.ledger))
            var lines = told(plan)
            if let healthy = plan.status.healthy { lines.append("  healthy \(healthy)") }
            for node in plan.status.nodes where !node.healthy || node.firstBoot != nil || node.certificate != nil {
                lines.append("  \(node.node) \(node.healthy ? "healthy" : "not healthy: \(node.reason ?? "-")")" + (node.firstBoot.map { "; \($0)" } ?? "")
                    + (node.firstBootSteps.map { steps in "; after " + steps.map { "\($0.message) ×\($0.attempts)" }.joined(separator: ", ") } ?? ""))
            }
            if let membership = plan.status.membership { lines.append("  led by \(membership.leader ?? "nobody"), \(membership.voters ?? 0) voters, problems: \(membership.problems)") }
            return lines
        }
    }

    @Test(arguments: [(["probe": "none"], "10.0.0.11:22 root"), (["target": ""], "gate.lan:2222 admin")])
    func `first boot, members and commands are asked for with and without a probe, and as the installation reaches the node`(
        _ words: [String: String], _ place: String
    ) async throws {
        let scene = try Scene(PlanCases.Words(values: words.merging(["installed": "n1"]) { first, _ in first }))
        let (jobs, _) = try await ServiceJobs(nil, true).jobs(of: scene.service, Reader(scene.ledger))
        let boots = jobs.compactMap { job -> String? in
            guard case .firstBoot(_, let at) = job.question else { return nil }
            return "\(at.address):\(at.port) \(at.user)"
        }
        #expect(boots == [place])
        #expect(jobs.contains { if case .members(let members, _, _) = $0.question { members.map(\.node) == ["n1", "n2", "n3"] } else { false } })
        #expect(jobs.contains { if case .http = $0.question { true } else { false } } == (words["probe"] == nil))
    }

    @Test func `a diff that comes before the first answers has not looked, and one of a new service finds nothing to wait for`() async throws {
        let keeper = Service.Keeper(prober: Prober(time: ManualTime(), shell: nil), certificates: nil, assigns: false, time: ManualTime())
        let scene = try Scene(PlanCases.Words(values: ["was": "healthy", "known": ""]))
        await #expect { try await keeper.observe(.present(scene.service), Reader(scene.ledger)) } throws: { "\($0)" == "n1 has not answered yet" }
        let fresh = try Scene(PlanCases.Words(values: [:]))
        #expect(try await keeper.observe(.present(fresh.service), Reader(fresh.ledger)) == Service.Sight())
        let (jobs, _) = try await ServiceJobs(nil, false).jobs(of: scene.service, Reader(scene.ledger))
        var found = ProbeFindings()
        for name in ["n1", "n2", "n3"] { found.health[name] = .init(standing: name == "n2" ? .unhealthy : .healthy) }
        #expect(found.unanswered(jobs, scene.service.status?.detail) == "its members have")
        found.members = .init(failure: "n1: connection refused")
        #expect(found.unanswered(jobs, scene.service.status?.detail) == nil)
    }

    @Test func `a cluster's plans`() throws {
        try PlanCases.check("cluster.txt") { words in
            let scene = try Scene(words)
            let cluster = try #require(scene.ledger.get(Cluster.self, "lab"))
            let plan = Cluster.Planning.plan(.present(cluster), given: .init(), Reader(scene.ledger))
            return told(plan) + ["  nodes \(plan.status.nodesReady ?? 0)/\(plan.status.nodes ?? 0)" + (plan.status.services.map { ", services \(plan.status.servicesReady ?? 0)/\($0)" } ?? "")]
        }
    }

    @Test func `a command on a node keeps its words`() {
        #expect(NodeShell.script(["cat", "/a b", "it's", "$(x)"]) == "exec 'cat' '/a b' 'it'\\''s' '$(x)'\n")
    }

    private func told<K: Kind, A>(_ plan: Plan<K, A>) -> [String] {
        [plan.condition == .ready ? "ready" : "\(plan.condition.reason): \(plan.condition.message)"]
            + plan.differences.map { "  \($0.path): \($0.seen?.text ?? "-") -> \($0.wanted?.text ?? "-") (\($0.impact.rawValue))" }
    }
}
