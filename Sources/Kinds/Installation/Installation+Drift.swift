import Foundation
import Manifest
import NixOS
import Reconcile
import Resource

extension InstallationRound {
    /// The node has been installed: it is held to what it was, as far as that destroys nothing.
    func keep(_ status: Installation.Status) -> Decision {
        var status = status
        status.wantsNetBoot = false
        if let reinstallation = reinstallation(status) { return reinstallation }
        guard case .system(let facts)? = seen.machine else {
            status.drift = []
            if let disk = blankedDisk(status) {
                var plan = anew(status, "beginning anew; Disk/\(disk) was made blank under a consent", ifHeld: status)
                // Where its system answers all the same, that is on another disk.
                (plan.status.isReinstalling, plan.status.formerSystem) = (nil, nil)
                return plan
            }
            return absent(status)
        }
        if let accepted = installation.metadata.annotations[Installation.systemAnnotation], accepted == facts.current, status.system != accepted {
            (status.system, status.source, status.configuration) = (accepted, source, configuration(status.terms))
        }
        if status.tokenCluster == nil { status.tokenCluster = cluster.map { Installation.tokenCluster(of: $0, reader) } }
        let storage = storage(facts)
        let outdated = seen.files.filter { wanted in
            guard let found = facts.files[wanted.path] else { return true }
            return found.sha256 != wanted.sha256 || found.mode.map { $0 != wanted.mode } ?? false
        }
        let differences = systems(facts, status) + units(facts, status) + outdated.map { difference($0, facts) } + storage + facts.untold(of: node).map {
            Difference($0, seen: "could not be asked", wanted: nil, impact: .none)
        }
        status.drift = differences.map(\.path)
        if cluster?.spec.trust == nil {
            status.delivered = nil
        } else if !outdated.contains(where: { $0.path.hasPrefix("/etc/nixos/secrets/") }), let delivered { status.delivered = delivered }
        if !outdated.isEmpty {
            let action = Installation.Action.copyFiles(Installation.needs(of: name, status.terms, reader), node.sshTarget(spec.target), paths: outdated.map(\.path))
            return Plan(.converging("copying files"), [action], status: status, differences: differences, lookAgain: Self.patience)
        }
        if let current = facts.current, let expected = status.system, current != expected {
            return Plan(
                .stalled("it runs \(current), not \(expected), with which it was installed; switch it back, or accept it: "
                    + "plasma annotate installation/\(installation.name) \(Installation.systemAnnotation)=\(current)"),
                status: status, differences: differences, lookAgain: .seconds(15))
        }
        if let tidying = tidying(status, differences) { return tidying }
        if lacksCertificate {
            return Plan(
                .stalled("\(node.reference) has no Certificate any more: nobody renews the one that it shows, and when that ends it is cut off; "
                    + "apply a Certificate with spec.node: \(name)"),
                status: status, differences: differences, lookAgain: .seconds(15))
        }
        // What its first boot still does is of interest to those who measure it.
        return Plan(.ready, status: status, differences: differences, lookAgain: .seconds(seen.boot?.isPending == true ? 15 : 60))
    }

    /// What its record says of the node's certificate, which may lag behind what the node was given, and is never ahead of it.
    private var delivered: Installation.Delivered? {
        guard cluster?.spec.trust != nil, let certificate = Rendering.certificate(of: name, reader), let detail = certificate.status?.detail,
            let trust = detail.trust
        else { return nil }
        return Installation.Delivered(certificate: certificate.name, issuer: detail.issuer, trust: trust)
    }

    /// Its cluster's members know each other by their certificates, and none is for this node.
    private var lacksCertificate: Bool { cluster?.spec.trust != nil && Rendering.certificate(of: name, reader) == nil }

    /// Keys that ended runs were given stay nowhere.
    func tidying(_ status: Installation.Status, _ differences: [Difference]) -> Decision? {
        guard seen.runs.contains(where: { $0.hasSecrets && $0.state != .running && $0.state != .prepared }) else { return nil }
        return Plan(.converging("tidying up"), [.forget(node: name)], status: status, differences: differences)
    }

    /// A person's word that it is installed once more, whatever became of what was installed; nil: there is none, or it was heard.
    func reinstallation(_ status: Installation.Status) -> Decision? {
        guard let word = installation.metadata.annotations[Installation.reinstallAnnotation], word == reinstallWord(status) else { return nil }
        var spent = status
        spent.spentConsents.append(word)
        return anew(spent, "beginning anew", ifHeld: status)
    }

    private func anew(_ old: Installation.Status, _ phase: String, ifHeld before: Installation.Status) -> Decision {
        var status = old
        status.formerSystem = status.system
        (status.system, status.attempts, status.failure, status.failedRun) = (nil, nil, nil, nil)
        (status.run, status.startedAt, status.exitCode, status.disks, status.formattedBy, status.drift) = (nil, nil, nil, nil, nil, [])
        (status.wantsNetBoot, status.isReinstalling, status.delivered, status.wasTakenOver) = (true, true, nil, nil)
        var plan = Decision(.converging(phase), status: status, differences: [uninstalled], lookAgain: .milliseconds(100))
        plan.statusIfHeld = before
        return plan
    }

    /// A disk that a person let be made blank since the system was installed: whoever consented to that wants another one.
    private func blankedDisk(_ status: Installation.Status) -> String? {
        guard let before = status.diskConsents, spec.wipes else { return nil }
        return diskConsents.filter { $0.value > before[$0.key] ?? 0 }.keys.min()
    }

    /// How often each of the disks that its system may be on was given up, by name; none before there is a Disk.
    var diskConsents: [String: Int] {
        guard case .virtual = node.spec.machine else { return [:] }
        let names = node.spec.disks.filter { $0.layout?.mayHoldSystem == true }.map { "\(name)-\($0.deviceName)" }
        return Dictionary(names.compactMap { name in
            reader.get(Disk.self, name).map { (name, $0.status?.detail.spentConsents.count ?? 0) }
        }, uniquingKeysWith: { first, _ in first })
    }

    /// An installed node that is not to be seen: it may be booting, off, or not itself any more.
    private func absent(_ status: Installation.Status) -> Decision {
        switch seen.machine {
        case nil:
            if let machine = reader.get(VirtualMachine.self, name), machine.spec.runPolicy == .halted, machine.isReady {
                return Plan(.ready, status: status)
            }
            let reference = Reference(VirtualMachine.self, name)
            return Plan(.waiting(on: reference, reader.get(reference).map(reason) ?? "not made yet"), status: status)
        case .installer?, .stranger?:
            return Plan(
                .stalled("\(whoAnswers), and not the system that was installed; its disks may be others, or blank. To install it anew: \(reinstallCommand(status))"),
                status: status, differences: [Difference("system", seen: .string(whoAnswers), wanted: status.system.map { .string($0) }, impact: .wipe)],
                lookAgain: .seconds(15))
        case .unreachable(let why)?:
            return Plan(
                .converging(
                    "waiting for the node to answer; \(why). If what its disks held is lost, install it anew: \(reinstallCommand(status))"),
                status: status,
                differences: [Difference("system", seen: .string(why.description), wanted: status.system.map { .string($0) }, impact: .none)],
                lookAgain: Self.patience)
        case .system?: return Plan(.ready, status: status)
        }
    }

    private func systems(_ facts: NodeFacts, _ status: Installation.Status) -> [Difference] {
        var found: [Difference] = []
        if let expected = status.system, facts.current != expected {
            found.append(Difference("system", seen: facts.current.map { .string($0) }, wanted: .string(expected), impact: .reboot))
        } else if let made = status.source, made != source {
            found.append(Difference("system.source", seen: .string(made), wanted: .string(source), impact: .replace))
        }
        let form = ClusterRendering.formKey
        if let made = status.configuration, let wanted = configuration(status.terms), made[form] == wanted[form] {
            found += Set(made.keys).union(wanted.keys).sorted().filter { made[$0] != wanted[$0] }.map { part in
                Difference("system.configuration.\(part)", seen: made[part].map { .string($0) }, wanted: wanted[part].map { .string($0) }, impact: .replace)
            }
        }
        // The next boot is of what the profile says, whatever runs now.
        if let expected = status.system, let profile = facts.profile, profile != expected {
            found.append(Difference("system.profile", seen: .string(profile), wanted: .string(expected), impact: .reboot))
        }
        if facts.needsReboot == true {
            found.append(Difference(
                "system.booted", seen: facts.booted.map { .string($0) }, wanted: facts.current.map { .string($0) }, impact: .reboot))
        }
        return found
    }

    private func units(_ facts: NodeFacts, _ status: Installation.Status) -> [Difference] {
        (facts.failedUnits ?? []).map { Difference("units.\($0)", seen: "failed", wanted: "running", impact: .restart) } + outrun(facts, status)
    }

    /// Services read their description when they start, and go on with that when another is copied to the node. Nobody restarts
    /// them by itself: that is a member less for a while.
    private func outrun(_ facts: NodeFacts, _ status: Installation.Status) -> [Difference] {
        guard !facts.running.isEmpty, let file = Installation.needs(of: name, status.terms, reader).configuration,
            case .object(let wanted)? = try? JSON(parsing: file.contents)
        else { return [] }
        return facts.running.sorted { $0.key < $1.key }.compactMap { service, text in
            guard case .object(let found)? = try? JSON(parsing: Array(text.utf8)) else { return nil }
            let keys = Set(found.keys).union(wanted.keys).subtracting(ClusterRendering.beginningKeys).filter { found[$0] != wanted[$0] }.sorted()
            guard !keys.isEmpty else { return nil }
            return Difference(
                "units.\(service).service", seen: .string("started before its configuration was changed: \(keys.joined(separator: ", "))"),
                wanted: "started since", impact: .restart)
        }
    }

    /// Contents are told by their digests only: there are keys among them.
    private func difference(_ wanted: Installation.Sight.File, _ facts: NodeFacts) -> Difference {
        func told(_ sha256: String, _ mode: Int?) -> JSON {
            .string("sha256:\(sha256.prefix(16))" + (mode.map { " mode \(String($0, radix: 8))" } ?? ""))
        }
        let found = facts.files[wanted.path]
        return Difference(
            "files.\(wanted.path)", seen: found.map { told($0.sha256, $0.mode) }, wanted: told(wanted.sha256, wanted.mode), impact: .reload)
    }

    private func storage(_ facts: NodeFacts) -> [Difference] {
        guard let devices = facts.devices else { return [] }
        let expected = node.spec.disks.flatMap { disk in disk.layout.map { $0.storage(of: disk, at: facts.kernelPath(of: disk.device.scalarText)) } ?? [] }
        return storageDifferences(expected, devices: devices, volumes: facts.volumes ?? []).map { difference in
            let impact: Impact =
                switch difference.impact {
                case .missing, .extra, .destructive: .wipe
                case .mount: .restart
                }
            return Difference(
                "disks.\(difference.path)", seen: difference.seen.map { .string($0) }, wanted: difference.wanted.map { .string($0) }, impact: impact)
        }
    }
}

extension NodeFacts {
    /// What an installed node did not say of itself, by the paths of the differences that would be found with it.
    func untold(of node: Resource<Node>) -> [String] {
        let lacksDisks = devices == nil && node.spec.disks.contains { $0.layout != nil }
        return [needsReboot == nil ? "system.booted" : nil, failedUnits == nil ? "units" : nil, lacksDisks ? "disks" : nil].compactMap(\.self)
    }
}
