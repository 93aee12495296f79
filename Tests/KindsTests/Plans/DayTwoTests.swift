import Foundation
import Manifest
import NixOS
import Probe
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What planners decide about a cluster that has formed: who joins it, who leaves it, and when.
@Suite struct DayTwoTests {
    /// A cluster of three founders on which chainfire runs, and a fourth node.
    private struct Scene {
        var ledger = Ledger()

        /// - Parameters:
        ///   - nodes: those that the Cluster names.
        ///   - members: "n1*=a1 n2=b2 n3!=c3": who leads, who is not well, who learns (?), who has never started (-); with ids.
        ///   - installed: nodes that have their system.
        init(nodes: [String] = ["n1", "n2", "n3"], members: String? = "n1*=a1 n2=b2 n3=c3", installed: [String] = ["n1", "n2", "n3"]) throws {
            let founders = nodes.filter { ["n1", "n2", "n3"].contains($0) }
            let head = """
                apiVersion: plasma.cloud/v1alpha1
                kind: Service
                metadata: {name: chainfire}
                spec: {ports: [{name: clients, port: 2379}, {name: metrics, port: 2381}], probe: {check: {httpGet: {port: metrics}}}}
                ---
                apiVersion: plasma.cloud/v1alpha1
                kind: Network
                metadata: {name: lan}
                spec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}
                ---
                apiVersion: plasma.cloud/v1alpha1
                kind: Cluster
                metadata: {name: lab}
                spec: {domain: lab.local, network: lan, nodes: [\(nodes.joined(separator: ", "))], services: [chainfire], bootstrap: {initialPeers: [\(founders.joined(separator: ", "))]}}

                """
            let layout = "layout: {content: {type: gpt, partitions: [{name: lvm, size: 100%, content: {type: lvm_pv, vg: pool}}]}, "
                + "lvm_vg: [{name: pool, lvs: [{name: root, size: 1GiB, content: {type: filesystem, format: ext4, mountpoint: /}}]}]}"
            let text = ["n1", "n2", "n3", "n4"].reduce(head) { text, name in
                text + """
                    ---
                    apiVersion: plasma.cloud/v1alpha1
                    kind: Node
                    metadata: {name: \(name)}
                    spec:
                      hostname: \(name)
                      interfaces: [{network: lan, address: 10.0.0.1\(name.dropFirst()), mac: "52:54:00:00:01:0\(name.dropFirst())"}]
                      machine: {virtual: {memory: 512MiB, firmware: bios}}
                      disks: [{device: /dev/vda, size: 4GiB, \(layout)}]
                      system: {}

                    """
            }
            let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
            try #require(reading.problems == [])
            for draft in reading.drafts {
                var record = draft.resource
                record.metadata.uid = "uid-\(record.name)"
                if var node = record as? Resource<Node> {
                    guard case .virtual = node.spec.machine else { continue }
                    for var child in Node.children(of: node) ?? [] {
                        child.metadata.uid = "uid-\(child.name)"
                        if var installation = child as? Resource<Installation> {
                            if installed.contains(node.name) {
                                installation.status = try Self.ready(installation.metadata, #"{"system": "/nix/store/one", "diskConsents": {"\#(node.name)-vda": 0}}"#)
                            }
                            child = installation
                        } else if var machine = child as? Resource<VirtualMachine> {
                            machine.status = try Self.ready(machine.metadata, #"{"pid": 7}"#)
                            child = machine
                        } else if var disk = child as? Resource<Kinds.Disk> {
                            disk.status = try Self.ready(disk.metadata, #"{"size": "4GiB"}"#)
                            child = disk
                        }
                        ledger[child.reference] = child
                    }
                    node.status = try Self.ready(node.metadata, "{}")
                    record = node
                }
                ledger[record.reference] = record
            }
            try note(members)
        }

        /// What the Service's status tells of its members.
        mutating func note(_ members: String?) throws {
            var service = try #require(ledger.get(Service.self, "chainfire"))
            let finding = members.map { DayTwoTests.finding($0, wanted: ["n1", "n2", "n3", "n4"]) }
            service.status = try Self.ready(service.metadata, "{}")
            service.status?.detail.membership = finding.map { Service.Membership($0, wanted: ["n1", "n2", "n3", "n4"], before: nil) }
            service.status?.detail.nodes = (finding?.members ?? []).map { Service.NodeHealth(node: $0.name, healthy: $0.isHealthy) }
            ledger[service.reference] = service
        }

        static func ready<K: Kind>(_ metadata: Metadata, _ detail: String) throws -> StatusRecord<K> {
            StatusRecord(
                observedGeneration: metadata.generation,
                conditions: Condition.ready.records(generation: metadata.generation, now: Date(timeIntervalSince1970: 0), previous: []),
                phase: "Ready", detail: try Wire.decode(K.Status.self, from: Array(detail.utf8)))
        }

        func begin(_ name: String) throws -> Plan<Installation, Installation.Action> {
            let installation = try #require(ledger.get(Installation.self, name))
            var facts = NodeFacts(id: "debian", variant: "installer")
            facts.devices = [BlockDevice(name: "vda", path: "/dev/vda", type: "disk", bytes: 4 << 30, serial: "vda")]
            facts.signatures["/dev/vda"] = []
            let seen = Installation.Sight(machine: .installer(facts), hasProgram: true, hostKey: "ssh-ed25519 AAAA", authorizedKey: "ssh-ed25519 BBBB")
            return Installation.Planning.plan(.present(installation), given: seen, Reader(ledger))
        }
    }

    private static func finding(_ text: String, wanted: [String]) -> MembershipCheck.Finding {
        let members = text.split(separator: " ").map { word in
            let parts = word.split(separator: "=").map(String.init)
            let name = String(parts[0].filter { $0.isLetter || $0.isNumber })
            return MembershipCheck.Member(
                name: name, isLearner: word.contains("?"), isLeader: word.contains("*"), id: parts.count > 1 ? parts[1] : "id-" + name,
                isHealthy: !word.contains("!"), peerURLs: ["http://10.0.0.1\(name.dropFirst()):2380"],
                clientURLs: word.contains("-") ? [] : ["http://10.0.0.1\(name.dropFirst()):2379"])
        }
        let view = MembershipCheck.View(members: members, term: 2)
        guard let finding = MembershipCheck.check(wanted: wanted, views: [(node: view.leader ?? "n1", view: view)]) else { preconditionFailure("one view was given") }
        return finding
    }

    @Test(arguments: [
        // The first day: nobody has formed anything yet, or not with this founder.
        (node: "n2", members: nil, installed: [], through: nil, former: []),
        (node: "n3", members: "n1*=a1 n2=b2 n3-=c3", installed: ["n1", "n2"], through: nil, former: []),
        // All are blank: there is nothing to join, whatever is remembered.
        (node: "n2", members: "n1*=a1 n2=b2 n3=c3", installed: [], through: nil, former: []),
        // A founder comes again, also the first of them.
        (node: "n2", members: "n1*=a1 n2!=b2 n3=c3", installed: ["n1", "n3"], through: "n1", former: ["b2"]),
        (node: "n1", members: "n1!=a1 n2=b2 n3*=c3", installed: ["n2", "n3"], through: "n2", former: ["a1"]),
        // Through one that answers, where one does.
        (node: "n2", members: "n1!=a1 n2!=b2 n3*=c3", installed: ["n1", "n3"], through: "n3", former: ["b2"]),
        (node: "n2", members: "n1!=a1 n2!=b2 n3!=c3", installed: ["n1", "n3"], through: "n1", former: ["b2"]),
        // It comes a third time, while its second member was learning.
        (node: "n2", members: "n1*=a1 n2!=b2 n2?=b3 n3=c3", installed: ["n1", "n3"], through: "n1", former: ["b2", "b3"]),
        // It had been let go.
        (node: "n2", members: "n1*=a1 n3=c3", installed: ["n1", "n3"], through: "n1", former: []),
        // One that was no founder.
        (node: "n4", members: "n1*=a1 n2=b2 n3=c3", installed: ["n1", "n2", "n3"], through: "n1", former: []),
        (node: "n4", members: "n1!=a1 n2*=b2 n3=c3", installed: ["n2", "n3"], through: "n2", former: []),
    ] as [(node: String, members: String?, installed: [String], through: String?, former: [String])])
    func `who is installed joins the cluster that has formed, and founds it otherwise`(
        _ node: String, _ members: String?, _ installed: [String], _ through: String?, _ former: [String]
    ) throws {
        let scene = try Scene(nodes: ["n1", "n2", "n3", "n4"], members: members, installed: installed)
        let plan = try scene.begin(node)
        guard case .start(_, let needs)? = plan.actions.first else {
            Issue.record("nothing is started: \(plan.condition)")
            return
        }
        #expect(plan.status.joinsThrough == through)
        #expect(plan.status.formerMembers == former)
        let config = try JSON(parsing: try #require(needs.configuration).contents)
        #expect(config["bootstrap"]?.bool == (through == nil && node != "n4"))
        if let through { #expect(config["leader_url"]?.string == "http://10.0.0.1\(through.dropFirst()):2379") }
        // What it was given is what it is held to afterwards.
        #expect(Installation.needs(of: node, plan.status.terms, Reader(scene.ledger)) == needs)
    }

    @Test func `a disk that was made blank under a consent is installed anew, without another word`() throws {
        var scene = try Scene()
        func plan(_ machine: MachineSight?) throws -> Plan<Installation, Installation.Action> {
            let installation = try #require(scene.ledger.get(Installation.self, "n2"))
            return Installation.Planning.plan(
                .present(installation), given: Installation.Sight(machine: machine, hostKey: "ssh-ed25519 AAAA"), Reader(scene.ledger))
        }
        let silent = try plan(.unreachable(.noAnswer))
        #expect(silent.status.system == "/nix/store/one" && silent.actions == [])
        #expect(silent.condition.message.contains("plasma annotate installation/n2 plasma.cloud/reinstall=reinstall-uid-n2"))
        var disk = try #require(scene.ledger.get(Kinds.Disk.self, "n2-vda"))
        disk.status = try Scene.ready(disk.metadata, #"{"size": "4GiB", "spentConsents": ["wipe-uid-n2-v-1"]}"#)
        scene.ledger[disk.reference] = disk
        // As long as the system answers, it is not lost.
        let alive = try plan(.system(NodeFacts(current: "/nix/store/one", booted: "/nix/store/one")))
        #expect(alive.status.system == "/nix/store/one" && alive.status.wantsNetBoot == false)
        let anew = try plan(.unreachable(.noAnswer))
        #expect(anew.status.system == nil && anew.status.wantsNetBoot == true && anew.status.isReinstalling == nil)
        var installation = try #require(scene.ledger.get(Installation.self, "n2"))
        installation.status?.detail = anew.status
        scene.ledger[installation.reference] = installation
        let begun = try scene.begin("n2")
        #expect(begun.status.diskConsents == ["n2-vda": 1] && begun.status.joinsThrough == "n1")
    }

    private func service(_ scene: Scene, _ members: String, health: [String] = ["n1", "n2", "n3"]) throws -> Plan<Service, Service.Action> {
        let service = try #require(scene.ledger.get(Service.self, "chainfire"))
        var seen = Service.Sight()
        for name in health { seen.health[name] = .init(standing: .healthy, since: Date(timeIntervalSince1970: 60)) }
        // The prober still knows the manifest of before.
        seen.members = .init(finding: Self.finding(members, wanted: ["n1", "n2", "n3", "n4"]))
        return Service.Planning.plan(.present(service), given: seen, Reader(scene.ledger))
    }

    @Test func `the member of a node that left the manifest is removed, asked of the leader, and is missed by nobody then`() throws {
        var scene = try Scene()
        try scene.note("n1=a1 n2*=b2 n3=c3 n4=d4")
        let plan = try service(scene, "n1=a1 n2*=b2 n3=c3 n4=d4")
        #expect(plan.condition == .converging("removing member; n4"))
        #expect(plan.actions.map(\.description) == ["remove member d4 (n4), asked of 10.0.0.12:2379"])
        #expect(plan.differences.map(\.path) == ["membership"])
        let action = try #require(plan.actions.first)
        var seen = Service.Sight()
        seen.members = .init(finding: Self.finding("n1=a1 n2*=b2 n3=c3 n4=d4", wanted: ["n1", "n2", "n3"]))
        let after = Service.Planning.foresee(action, in: seen)
        #expect(after.members?.finding?.problems == [] && after.members?.finding?.voters == 3)
        #expect(try service(scene, "n1=a1 n2*=b2 n3=c3").condition == .ready)
    }

    @Test func `a member that was never a node's is told of and left alone`() throws {
        let plan = try service(try Scene(), "n1*=a1 n2=b2 n3=c3 n9=x9")
        #expect(plan.actions == [] && plan.status.membership?.problems == ["members that no manifest names: n9"])
    }

    @Test func `whose members they are must be beyond doubt`() throws {
        var scene = try Scene()
        try scene.note("n1=a1 n2*=b2 n3=c3 n4=d4")
        var second = try #require(scene.ledger.get(Cluster.self, "lab"))
        second.metadata.name = "second"
        second.spec.nodes = []
        scene.ledger[second.reference] = second
        let plan = try service(scene, "n1=a1 n2*=b2 n3=c3 n4=d4")
        #expect(plan.actions == [])
        #expect(plan.condition == .stalled("it runs on the nodes of Cluster/lab and Cluster/second, and its members are one Raft group; take it out of spec.services of all but one of them"))
        #expect(try leave("n1", scene).condition.message.contains("Cluster/lab and Cluster/second"), "nobody knows whether it has a vote to lose")
    }

    @Test func `a change of members shows the leader its own certificate, where the cluster has a trust`() throws {
        var scene = try Scene()
        try scene.note("n1=a1 n2*=b2 n3=c3 n4=d4")
        var cluster = try #require(scene.ledger.get(Cluster.self, "lab"))
        cluster.spec.trust = try Wire.decode(Cluster.Trust.self, from: Array(#"{"certificateAuthority": "ca"}"#.utf8))
        scene.ledger[cluster.reference] = cluster
        let text = ["n1", "n2", "n3"].map { "apiVersion: plasma.cloud/v1alpha1\nkind: Certificate\nmetadata: {name: of-\($0)}\nspec: {commonName: \($0), node: \($0), issuerRef: {name: ca}}\n" }
        for draft in Catalog.table.read([(file: "certificates.yaml", bytes: Array(text.joined(separator: "---\n").utf8))]).drafts { scene.ledger[draft.reference] = draft.resource }
        guard case .change(_, let access, _)? = try service(scene, "n1=a1 n2*=b2 n3=c3 n4=d4").actions.first else {
            Issue.record("nothing is changed")
            return
        }
        #expect(access.authority == "ca" && access.certificate == "of-n2")
    }

    @Test func `a cluster that is given another name keeps the token of its members`() throws {
        var scene = try Scene(nodes: ["n1", "n2", "n3", "n4"], members: "n1*=a1 n2=b2 n3=c3", installed: ["n1", "n2", "n3"])
        func token(_ node: String) throws -> String? {
            guard case .start(_, let needs)? = try scene.begin(node).actions.first else { return nil }
            return needs.cluster
        }
        #expect(try token("n4") == "lab")
        for name in ["n1", "n2", "n3"] {
            var installation = try #require(scene.ledger.get(Installation.self, name))
            installation.status?.detail.tokenCluster = "lab"
            scene.ledger[installation.reference] = installation
        }
        var cluster = try #require(scene.ledger.get(Cluster.self, "lab"))
        let old = cluster.reference
        cluster.metadata.name = "home"
        scene.ledger[cluster.reference] = cluster
        scene.ledger[old] = nil
        #expect(try token("n4") == "lab")
        // One of that name that is there is another cluster.
        var another = cluster
        another.metadata.name = "lab"
        another.spec.nodes = []
        another.spec.services = []
        scene.ledger[another.reference] = another
        #expect(try token("n4") == "home")
        // Who changes the members shows it, too.
        scene.ledger[another.reference] = nil
        cluster.spec.nodes.removeLast()
        scene.ledger[cluster.reference] = cluster
        try scene.note("n1*=a1 n2=b2 n3=c3 n4=d4")
        guard case .change(_, let access, _)? = try service(scene, "n1*=a1 n2=b2 n3=c3 n4=d4").actions.first else {
            Issue.record("nothing is changed")
            return
        }
        #expect(access.cluster == "lab")
    }

    @Test func `a member that cannot be spared stays, and the reason is the arithmetic`() throws {
        var scene = try Scene()
        try scene.note("n1*=a1 n2=b2 n3=c3 n4=d4")
        let plan = try service(scene, "n1*=a1 n2!=b2 n3!=c3 n4=d4")
        #expect(plan.actions == [])
        #expect(plan.condition.message.hasSuffix(
            "n4 is not removed yet: 4 voters, 2 healthy; without n4 there would be 3, 1 of them healthy, and 2 are needed"))
        #expect(plan.status.membership?.problems.last?.hasPrefix("n4 is not removed yet") == true)
    }

    @Test func `a member is replaced once the disk that it had was formatted, and not before`() throws {
        var scene = try Scene(installed: ["n1", "n3"])
        var installation = try #require(scene.ledger.get(Installation.self, "n2"))
        installation.status = try Scene.ready(installation.metadata, #"{"run": "r1", "isRunning": true, "joinsThrough": "n1", "formerMembers": ["b2"]}"#)
        scene.ledger[installation.reference] = installation
        #expect(try service(scene, "n1*=a1 n2!=b2 n3=c3", health: ["n1", "n3"]).actions == [])
        installation.status?.detail.formattedBy = "r1"
        scene.ledger[installation.reference] = installation
        let plan = try service(scene, "n1*=a1 n2!=b2 n3=c3", health: ["n1", "n3"])
        #expect(plan.actions.map(\.description) == ["replace member b2 (n2) by a new one of that name, asked of 10.0.0.11:2379"])
        let waiting = try service(scene, "n1*=a1 n2!=b2 n2-?=e5 n3=c3", health: ["n1", "n3"])
        #expect(waiting.actions == [] && waiting.status.membership?.problems.last?.hasPrefix("n2 comes anew as a learner") == true)
        #expect(try service(scene, "n1*=a1 n2=e5 n3=c3").condition == .ready)
    }

    @Test func `a change of members and a copy of files never wait for one another`() throws {
        var scene = try Scene()
        try scene.note("n1=a1 n2*=b2 n3=c3 n4=d4")
        var node = try #require(scene.ledger.get(Node.self, "n2"))
        node.status = nil
        scene.ledger[node.reference] = node
        let reader = Reader(scene.ledger)
        let service = try #require(scene.ledger.get(Service.self, "chainfire"))
        var seen = Service.Sight()
        seen.members = .init(finding: Self.finding("n1=a1 n2*=b2 n3=c3 n4=d4", wanted: ["n1", "n2", "n3"]))
        #expect(Service.Planning.plan(.present(service), given: seen, reader).actions.count == 1)
        let installations = Reader(scene.ledger)
        _ = Installation.needs(of: "n2", Installation.Terms(), installations)
        // Who reads another by name looks at it again before it acts, and is held as long as that one has news.
        #expect(!reader.subscriptions.contains(.object(Reference(Installation.self, "n2"))))
        #expect(reader.subscriptions.contains(.follower(Reference(Installation.self, "n2"))))
        #expect(!installations.subscriptions.contains(.object(service.reference)) && installations.subscriptions.contains(.follower(service.reference)))
    }

    @Test func `what was known of members is kept while nobody can be asked`() throws {
        let scene = try Scene()
        let service = try #require(scene.ledger.get(Service.self, "chainfire"))
        let plan = Service.Planning.plan(.present(service), given: .init(), Reader(scene.ledger))
        #expect(plan.status.membership?.members?.map(\.id) == ["a1", "b2", "c3"])
    }

    private func leave(_ name: String, _ scene: Scene) throws -> Plan<Node, NoAction> {
        var node = try #require(scene.ledger.get(Node.self, name))
        node.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0)
        return Node.Planning.plan(.absent(node), given: .init(), Reader(scene.ledger))
    }

    @Test func `a node that leaves its cluster runs until its member has left`() throws {
        var scene = try Scene()
        try scene.note("n1*=a1 n2=b2 n3=c3 n4=d4")
        let kept = try leave("n4", scene)
        guard case .waiting(let on, _) = kept.condition else {
            Issue.record("it does not wait: \(kept.condition)")
            return
        }
        #expect(on == Reference(Service.self, "chainfire"))
        #expect(kept.children.map(\.reference.description) == ["Disk/n4-vda", "VirtualMachine/n4", "Installation/n4"])
        try scene.note("n1*=a1 n2=b2 n3=c3")
        let free = try leave("n4", scene)
        #expect(free.condition == .ready && free.children.isEmpty)
    }

    @Test func `a node that is deleted while its cluster names it keeps its vote and its machine, and is told how to go`() throws {
        let kept = try leave("n3", try Scene())
        guard case .waiting(let on, let why) = kept.condition else {
            Issue.record("it does not wait: \(kept.condition)")
            return
        }
        #expect(on == Reference(Cluster.self, "lab"))
        #expect(why.hasPrefix("it names this node in spec.nodes: take it out there"))
        #expect(kept.children.map(\.reference.description) == ["Disk/n3-vda", "VirtualMachine/n3", "Installation/n3"])
        // Before its cluster's members were seen it may have a vote, unless it has no system yet.
        guard case .waiting(_, let unseen) = try leave("n3", try Scene(members: nil)).condition else {
            Issue.record("it does not wait")
            return
        }
        #expect(unseen.hasSuffix("once its members have been seen: this one may have a vote"))
        #expect(try leave("n3", try Scene(members: nil, installed: ["n1", "n2"])).condition == .ready)
        #expect(try leave("n4", try Scene(members: nil, installed: ["n4"])).condition == .ready, "its cluster does not name it")
    }

    @Test func `a node that goes with its whole cluster waits for nobody`() throws {
        var scene = try Scene()
        // The cluster leaves.
        var cluster = try #require(scene.ledger.get(Cluster.self, "lab"))
        cluster.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0)
        scene.ledger[cluster.reference] = cluster
        #expect(try leave("n3", scene).condition == .ready)
        // It is gone.
        scene.ledger[Reference(Cluster.self, "lab")] = nil
        #expect(try leave("n3", scene).condition == .ready)
        // The service goes too.
        scene = try Scene()
        try scene.note("n1*=a1 n2=b2 n3=c3 n4=d4")
        var service = try #require(scene.ledger.get(Service.self, "chainfire"))
        service.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0)
        scene.ledger[service.reference] = service
        #expect(try leave("n4", scene).condition == .ready)
    }
}
