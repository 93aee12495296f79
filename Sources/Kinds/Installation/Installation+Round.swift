import Foundation
import Manifest
import NixOS
import Reconcile
import Resource

/// One look at one installation, with everything that is decided from.
struct InstallationRound {
    typealias Decision = Plan<Installation, Installation.Action>

    let installation: Resource<Installation>
    let node: Resource<Node>
    let seen: Installation.Sight
    let run: RunSight?
    let reader: Reader

    var name: String { node.name }
    var spec: Installation.Spec { installation.spec }
    /// How often somebody looks whose eyes are an SSH connection.
    static let patience = Duration.seconds(3)

    /// "path:/etc/plasma#node01"; "the flake of Cluster/lab#node01"
    var source: String {
        let flake = spec.flake ?? "the flake of " + (Rendering.cluster(of: name, reader).map { "\($0.reference)" } ?? "its cluster")
        return "\(flake)#\(spec.attribute ?? name)"
    }

    /// That the node is yet to be installed.
    var uninstalled: Difference {
        Difference("system", seen: nil, wanted: .string(source), impact: spec.wipes ? .wipe : .replace)
    }

    func follow(_ run: RunSight, _ status: Installation.Status) -> Decision {
        var status = status
        status.isRunning = true
        status.wantsNetBoot = false
        let step = run.progress.step ?? "preparing the installation"
        if seen.isOverdue || seen.isEnding {
            let before = status.failedRun
            if status.failedRun != run.run {
                status.failedRun = run.run
                status.failure = "it did not get past \(phaseName(run)) within \(deadline(run).scalarText); its last words: \(run.progress.lastWords)"
            }
            return telling(
                Installation.Planning.end(run, name, seen, status, "ending the run; it takes too long", [uninstalled]), ifFailed: status.failedRun != before)
        }
        return Plan(.converging("installing; \(step)"), status: status, differences: [uninstalled], lookAgain: .seconds(1))
    }

    private func phaseName(_ run: RunSight) -> String {
        run.progress.phase == .prepare ? "the preparations" : "the phase \(run.progress.phase.rawValue)"
    }

    private func deadline(_ run: RunSight) -> TimeSpan { spec.deadlines.of(run.progress.phase) }

    /// A run is over: either the node comes up with its system, or the run failed.
    /// - Parameter isDone: the system is on the disks.
    func judge(_ run: RunSight?, isDone: Bool, _ status: Installation.Status) -> Decision {
        var status = status
        status.wantsNetBoot = false
        // Its own host key is proof: nobody else has that.
        if case .system(let facts)? = seen.machine, isDone || status.isReinstalling != true {
            guard let system = facts.current else { return awaitSystem(status) }
            status.system = system
            status.source = source
            (status.failure, status.failedRun, status.isReinstalling) = (nil, nil, nil)
            return keep(status)
        }
        if isDone {
            if let reinstallation = reinstallation(status) { return reinstallation }
            let why = whoAnswers
            if seen.isOverdue {
                return Plan(
                    .stalled("it was installed, but did not come up within \(spec.deadlines.reboot.scalarText): \(why); look at its console. "
                        + "It is ready as soon as it answers; to install it anew: \(reinstallCommand(status))"),
                    status: status, differences: [uninstalled], lookAgain: .seconds(15))
            }
            return Plan(.converging("waiting for the node to boot its system; \(why)"), status: status, differences: [uninstalled], lookAgain: Self.patience)
        }
        let before = status.failedRun
        if let id = run?.run ?? status.run, status.failedRun != id {
            status.failedRun = id
            status.failure = failure(of: run, status)
        }
        return telling(begin(status, again: nil), ifFailed: status.failedRun != before)
    }

    /// The node answers, and does not say which system it runs.
    func awaitSystem(_ status: Installation.Status) -> Decision {
        Plan(.converging("waiting for the node to boot its system"), status: status, differences: [uninstalled], lookAgain: Self.patience)
    }

    /// That a run failed is told once, for the status forgets it with the next one.
    private func telling(_ decision: Decision, ifFailed hasFailed: Bool) -> Decision {
        guard hasFailed, let run = decision.status.failedRun, let failure = decision.status.failure else { return decision }
        var decision = decision
        decision.happenings.append(Happening(reason: "RunFailed", message: "run \(run): \(failure)", isWarning: true))
        return decision
    }

    private func failure(of run: RunSight?, _ status: Installation.Status) -> String {
        guard let run else {
            guard let code = status.exitCode else { return "it had started, and this host knows nothing of it any more: its directory is gone, or it runs on another host" }
            return "it exited with code \(code), and its log is gone"
        }
        let place = run.progress.step.map { "at \"\($0)\"" } ?? "before its first step"
        switch run.state {
        case .exited(let code): return "it exited with code \(code) \(place): \(run.progress.lastWords)"
        default: return "it was ended from outside \(place), or went down with its host; its last words: \(run.progress.lastWords)"
        }
    }

    /// Somebody has the machine who is neither its installer nor the node: what its disks hold may be theirs. An installer that is
    /// booting may not know our key yet.
    var answersAnother: Bool {
        switch seen.machine {
        case .stranger?: true
        case .unreachable(.keyNotAccepted)?: netBoot?.status?.detail.offered.contains(name) != true
        case nil, .unreachable?, .installer?, .system?: false
        }
    }

    var whoAnswers: String {
        switch seen.machine {
        case nil: "it does not run"
        case .unreachable(let why)?: why.description
        case .installer?: "the installer answers"
        case .stranger(let facts)?: "another system (\(facts.id)) answers, with another host key"
        case .system?: "it answers"
        }
    }
}

extension Installation.Spec {
    /// Whether it destroys what the disks hold.
    var wipes: Bool { diskoMode == .disko && phases.contains(.disko) }
}

extension Installation.Deadlines {
    /// Before its first step an installer builds the system, which takes as long as installing it.
    func of(_ phase: InstallerProgress.Phase) -> TimeSpan {
        switch phase {
        case .prepare, .install: install
        case .kexec: kexec
        case .disko: disko
        case .reboot, .done: reboot
        }
    }
}
