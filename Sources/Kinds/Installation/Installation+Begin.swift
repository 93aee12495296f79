import Foundation
import Manifest
import NixOS
import Reconcile
import Resource

import struct Host.SSHTarget

extension InstallationRound {
    /// Starts a run, as soon as everything is there for it.
    /// - Parameter again: a run that was decided on, and of which nothing was started.
    func begin(_ status: Installation.Status, again: String?) -> Decision {
        var status = status
        status.wantsNetBoot = true
        if answersAnother { status.wasTakenOver = true }
        let others = reader.list(Installation.self).filter { $0.name != installation.name }
        if let first = others.first(where: { $0.spec.node == spec.node && $0.came(before: installation) }) {
            return Plan(.stalled("\(first.reference) installs \(node.reference) already; delete one of the two"), status: status)
        }
        // A word that nothing was done about yet can be taken back.
        if status.run == nil, installation.metadata.annotations[Installation.reinstallAnnotation] == nil {
            status.isReinstalling = nil
            if let system = status.formerSystem {
                (status.system, status.formerSystem) = (system, nil)
                return keep(status)
            }
        }
        if case .system(let facts)? = seen.machine, status.isReinstalling != true {
            // It has the host key that plasma gave it: it was installed, and is not installed over.
            status.wantsNetBoot = false
            status.boots = nil
            guard let system = facts.current else { return awaitSystem(status) }
            status.system = system
            // As whoever installed it set it up.
            status.hasRevocationLists = facts.files["/" + NodeSecrets.revocationListsPath] != nil
            return keep(status)
        }
        let request = installation.metadata.annotations[Annotation.requestedAt]
        let isRequested = request != nil && request != status.heardRequest
        if again == nil, let failure = status.failure, !isRequested, status.attempts ?? 0 > spec.retries, status.run?.hasPrefix(series) == true {
            status.wantsNetBoot = false
            if let tidying = tidying(status, [uninstalled]) { return tidying }
            let times = status.attempts.map { $0 == 1 ? "" : " (\($0) times)" } ?? ""
            return Plan(
                .stalled("the installation failed\(times): \(failure). Its log: plasma logs installation/\(installation.name). "
                    + "Try again: plasma reconcile installation/\(installation.name)"),
                status: status, differences: [uninstalled])
        }
        if let why = unprepared { return Plan(.stalled(why), status: status, differences: [uninstalled], lookAgain: Self.patience) }
        if let obstacle = obstacle() { return Plan(obstacle, status: status, differences: [uninstalled], lookAgain: Self.patience) }
        let facts: NodeFacts
        var (isInstaller, isKnown) = (true, true)
        switch seen.machine {
        case .installer(let found)?: facts = found
        case .system(let found)? where spec.phases.contains(.kexec): (facts, isInstaller) = (found, false)
        case .stranger(let found)? where spec.phases.contains(.kexec): (facts, isInstaller, isKnown) = (found, false, false)
        case .system?:
            return Plan(
                .stalled("its system answers, not the installer, and spec.phases has no kexec to get from there to it; boot the machine with the installer, "
                    + "or take the word back: plasma annotate installation/\(installation.name) \(Installation.reinstallAnnotation)-"),
                status: status, differences: [uninstalled], lookAgain: .seconds(15))
        case .stranger(let found)?:
            return Plan(
                .stalled("\(found.id) answers at its address, not the installer, and spec.phases has no kexec to get from there to it"),
                status: status, differences: [uninstalled])
        case .unreachable(.keyNotAccepted)?:
            return Plan(
                .stalled("the machine at its address does not accept plasma's SSH key; give it the key of `<data>/ssh/id_ed25519.pub`"),
                status: status, differences: [uninstalled], lookAgain: .seconds(15))
        default: return awaitInstaller(status)
        }
        status.wantsNetBoot = false
        if let obstacle = preparation() { return Plan(obstacle, status: status, differences: [uninstalled], lookAgain: Self.patience) }
        // Whether there is a cluster to join is decided once, with the run: what the node was given stays what it is held to.
        let (joinsThrough, formerMembers) = entry()
        let flake: [RenderedFile]
        let terms = Installation.Terms(
            // A person's own flake may know nothing of lists.
            joinsThrough: joinsThrough, hasRevocationLists: spec.flake == nil && cluster.flatMap { Rendering.revocationLists(of: $0, reader) } != nil,
            tokenCluster: cluster.map { Installation.tokenCluster(of: $0, reader) })
        switch rendered(terms) {
        case .success(let files): flake = files
        case .failure(let refusal): return Plan(.stalled("its system cannot be rendered: \(refusal)"), status: status, differences: [uninstalled])
        }
        let running = others.filter { $0.status?.detail.isRunning == true }
        if seen.lacksLock, let first = running.first {
            return Plan(
                .waiting(on: first.reference, "it runs, and the inputs of the flake are found by one run alone, so that all nodes are built from the same"),
                status: status, differences: [uninstalled], lookAgain: Self.patience)
        }
        let most = cluster?.spec.bootstrap.installsAtOnce ?? Cluster.Bootstrap.usualInstallsAtOnce
        if running.count >= most, let first = running.first {
            return Plan(
                .waiting(on: first.reference, "\(running.count == 1 ? "it runs" : "\(running.count) installations run"), and no more than \(most) may at once (spec.bootstrap.installsAtOnce)"),
                status: status, differences: [uninstalled])
        }
        var started = status
        switch permission(facts, status, isResumed: again != nil, isInstaller: isInstaller, isKnown: isKnown) {
        case .denied(let why): return Plan(.stalled(why), status: status, differences: [uninstalled], lookAgain: .seconds(15))
        case .granted(let consent, let disks):
            if let consent { started.spentConsents.append(consent) }
            // What a new set of disks holds is not ours, nor what another system left on them.
            if started.disks != disks || started.wasTakenOver == true { started.formattedBy = nil }
            (started.disks, started.wasTakenOver) = (disks, nil)
        }
        let id = again ?? nextRun(status)
        (started.run, started.formerSystem) = (id, nil)
        started.boots = nil
        started.isRunning = true
        (started.joinsThrough, started.formerMembers, started.diskConsents) = (joinsThrough, formerMembers, diskConsents)
        (started.hasRevocationLists, started.tokenCluster) = (terms.hasRevocationLists, terms.tokenCluster)
        started.configuration = configuration(terms)
        if again == nil { started.attempts = isRequested || status.run?.hasPrefix(series) != true ? 1 : (status.attempts ?? 0) + 1 }
        started.heardRequest = request
        (started.step, started.phase, started.phaseSince, started.exitCode) = (nil, nil, nil, nil)
        (started.startedAt, started.finishedAt, started.log, started.timeline) = (nil, nil, nil, beginnings)
        (started.servedMilliseconds, started.firstBoot) = (ownBoot?.servedMilliseconds, nil)
        let order = InstallerOrder(
            node: name, run: id, program: spec.program.text, flake: spec.flake, attribute: spec.attribute ?? name, target: node.sshTarget(spec.target),
            diskoMode: spec.diskoMode.rawValue, phases: spec.phases.map(\.rawValue), isInstaller: isInstaller, flakeFiles: flake,
            atOnce: seen.lacksLock ? 1 : most, makesLock: spec.makesPackage, images: seen.images)
        var plan = Decision(
            .converging("starting the installation"), [.start(order, Installation.needs(of: name, terms, reader))], status: started,
            differences: [uninstalled], lookAgain: .seconds(1))
        plan.statusIfHeld = status
        return plan
    }

    var cluster: Resource<Cluster>? { Rendering.cluster(of: name, reader) }

    /// Runs of this life and this spec have names that begin so.
    var series: String { "\(installation.metadata.uid.prefix(8))-\(installation.metadata.generation)-" }

    /// A name that no run has had, as far as status and host know.
    private func nextRun(_ status: Installation.Status) -> String {
        let names = seen.runs.map(\.run) + [status.run, status.failedRun].compactMap { $0 }
        let numbers = names.filter { $0.hasPrefix(series) }.compactMap { Int($0.dropFirst(series.count)) }
        return series + "\((numbers.max() ?? 0) + 1)"
    }

    /// What must be there before the installer can come up.
    private func obstacle() -> Condition? {
        if case .virtual = node.spec.machine {
            let reference = Reference(VirtualMachine.self, name)
            guard let machine = reader.get(VirtualMachine.self, name) else { return .waiting(on: reference, "not made yet") }
            if !machine.isReady { return .waiting(on: reference, reason(machine)) }
            if machine.spec.runPolicy == .halted { return .waiting(on: reference, "it is halted; set runPolicy to Always") }
        }
        if case .installer? = seen.machine { return nil }
        if let netBoot = spec.netBoot {
            let reference = Reference(NetBoot.self, netBoot.scalarText)
            guard let record = reader.get(reference) else { return .waiting(on: reference, "there is no such object; apply one of that name") }
            // It may wait for others of its nodes, or one of them not boot; what stalls it otherwise is everybody's trouble.
            let isOthers = reader.get(NetBoot.self, netBoot.scalarText)?.isStalledByAnother(than: name) == true
            if record.summary?.condition("Stalled")?.status == .yes, !isOthers { return .waiting(on: reference, reason(record)) }
        }
        return nil
    }

    /// What must be there before the installer can be started.
    private func preparation() -> Condition? {
        if cluster?.spec.trust != nil, let certificate = Rendering.certificate(of: name, reader), !certificate.isReady {
            return .waiting(on: certificate.reference, reason(certificate))
        }
        return seen.lacks.map { .converging("preparing; \($0)") }
    }

    /// Why no run could be started here, whatever the machine does: there is no use in waiting for it.
    private var unprepared: String? {
        if seen.hasProgram == false {
            return "there is no program \(spec.program); install it, or name another one in spec.system.installer of Node/\(name) (spec.program of an Installation)"
        }
        if let why = seen.unfitImage { return why }
        return seen.ownProgramProblem.map {
            "the program of this server \($0), and start the server with that; or name a flake of your own in spec.system.flake of Node/\(name)"
        }
    }

    /// How it comes into its cluster: a founder begins it with the others, but once that was done it has to join like
    /// anybody else: its member's disk is not what it was.
    /// - Returns: the node to join through; nil: as the manifest says. And the members whose disk the run formats.
    private func entry() -> (through: String?, former: [String]) {
        guard let cluster, cluster.spec.bootstrap.mode == .bootstrap,
            let service = reader.glance(Service.self, Service.clustered)?.status?.detail, let members = service.membership?.members
        else { return (nil, []) }
        let healthy = Set(service.nodes.filter(\.healthy).map(\.node))
        let peers = cluster.spec.bootstrap.initialPeers
        let others = (peers + cluster.spec.nodes.filter { !peers.contains($0) }).map(\.scalarText).filter { $0 != name }
        // The cluster is where it runs: on nodes that have their system, as voters that have started.
        let doors = others.filter { other in
            members.contains { $0.name == other && $0.isVoter && $0.hasStarted }
                && reader.get(Installation.self, other)?.status?.detail.system != nil
        }
        guard let through = doors.first(where: healthy.contains) ?? doors.first else { return (nil, []) }
        // A disk that is not formatted keeps its member.
        guard spec.wipes else { return (nil, []) }
        let own = members.filter { $0.name == name }
        let former = own.filter(\.hasStarted).map(\.id)
        // A founder that has never come yet is waited for as one.
        return own.isEmpty || !former.isEmpty ? (through, former) : (nil, [])
    }

    /// What the manifest makes of its system now; nil where plasma renders none.
    func configuration(_ terms: Installation.Terms) -> [String: String]? {
        guard spec.flake == nil, let cluster,
            let description = try? Rendering.description(
                of: cluster, lookup: reader, only: name, joinsThrough: terms.joinsThrough, hasRevocationLists: terms.hasRevocationLists)
        else { return nil }
        return ClusterRendering(description: description).parts(of: name)
    }

    private func rendered(_ terms: Installation.Terms) -> Result<[RenderedFile], Rendering.Refusal> {
        guard spec.flake == nil else { return .success([]) }
        guard let cluster else {
            return .failure(Rendering.Refusal(problems: [
                .init(object: node.reference, message: "belongs to no Cluster; name it in spec.nodes of one, or give spec.system.flake")
            ]))
        }
        do throws(Rendering.Refusal) {
            var description = try Rendering.description(
                of: cluster, lookup: reader, only: name, joinsThrough: terms.joinsThrough, hasRevocationLists: terms.hasRevocationLists)
            description.authorizedKeys += [seen.authorizedKey].compactMap { $0 }
            // Nix's store is no place for secrets, and a node's flake none for the others' configuration.
            return .success(ClusterRendering(description: description).files().filter { !$0.path.contains("/secrets/") })
        } catch {
            return .failure(error)
        }
    }
}

extension Resource where K == Installation {
    /// Of two that install one node, the one that was there first does.
    func came(before other: Self) -> Bool {
        (metadata.creationTimestamp, name) < (other.metadata.creationTimestamp, other.name)
    }
}

extension Resource where K == Node {
    /// Where its SSH server is.
    func sshTarget(_ target: Installation.Target?) -> SSHTarget {
        let own = spec.interfaces.first { $0.address != nil }?.address?.scalarText
        return SSHTarget(address: target?.address ?? own ?? spec.fullName, port: target?.port ?? 22, user: target?.user ?? "root")
    }
}
