import Foundation
import Manifest
import NixOS
import Reconcile
import Resource

import struct Host.SSHTarget

extension Installation {
    package struct Sight: Hashable, Sendable {
        /// A file that the node should have.
        package struct File: Hashable, Sendable {
            /// Absolute.
            package var path: String
            package var sha256: String
            package var mode: Int

            package init(path: String, sha256: String, mode: Int) {
                self.path = path
                self.sha256 = sha256
                self.mode = mode
            }
        }

        /// What this host knows of the node's runs, by name.
        package var runs: [RunSight]
        /// When the running run's phase was first seen.
        package var phaseSince: Moment?
        /// The phase, or the boot after the run, had its time.
        package var isOverdue: Bool
        /// The run was asked to end, and is still there although it had time for it.
        package var isEnding: Bool
        package var isDeaf: Bool
        /// Who answers at the node's address; nil: nobody was asked.
        package var machine: MachineSight?
        /// Now, by the calendar, when nobody has answered for as long as this daemon would wait for a boot; nil: not so long.
        package var silentAt: Moment?
        /// nil: not asked.
        package var hasProgram: Bool?
        /// Nobody has found yet from which inputs plasma's own flakes are built: the first run does.
        package var lacksLock = false
        /// Why plasma's own program cannot be what the node's package is made of, where it is to be.
        package var ownProgramProblem: String?
        /// Files of this host that the installer is given; none where `unfitImage` says why one is not what it should be.
        package var images: [InstallerOrder.Image] = []
        package var unfitImage: String?
        package var hostKey: String?
        /// plasma's own SSH key, which the node must let in.
        package var authorizedKey: String?
        /// What the node should have of files, as far as it is there to be given.
        package var files: [File]
        /// What is missing of them.
        package var lacks: String?
        /// Of the installed system that runs.
        package var boot: NodeBoot?

        package init(
            runs: [RunSight] = [], phaseSince: Moment? = nil, isOverdue: Bool = false, isEnding: Bool = false, isDeaf: Bool = false,
            machine: MachineSight? = nil, silentAt: Moment? = nil, hasProgram: Bool? = nil, hostKey: String? = nil, authorizedKey: String? = nil,
            files: [File] = [], lacks: String? = nil, boot: NodeBoot? = nil
        ) {
            self.runs = runs
            self.phaseSince = phaseSince
            self.isOverdue = isOverdue
            self.isEnding = isEnding
            self.isDeaf = isDeaf
            self.machine = machine
            self.silentAt = silentAt
            self.hasProgram = hasProgram
            self.hostKey = hostKey
            self.authorizedKey = authorizedKey
            self.files = files
            self.lacks = lacks
            self.boot = boot
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case start(InstallerOrder, Needs)
        case end(node: String, run: String, force: Bool)
        /// Puts files that differ onto the installed node again.
        case copyFiles(Needs, SSHTarget, paths: [String])
        /// Removes what ended runs were given for the node: keys among it.
        case forget(node: String)
        /// Removes all that is left of the node's runs.
        case clear(node: String)

        package var description: String {
            switch self {
            case .start(let order, _): "install \(order.node) with \(order.program) (run \(order.run))"
            case .end(let node, let run, let force): "end the installation of \(node) (run \(run))" + (force ? " by force" : "")
            case .copyFiles(let needs, _, let paths): "copy to \(needs.node): \(paths.joined(separator: ", "))"
            case .forget(let node): "remove the secrets that the installation of \(node) was given"
            case .clear(let node): "remove the logs of the installation of \(node)"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = Installation

        package static func plan(_ goal: Goal<Installation>, given seen: Sight, _ reader: Reader) -> Plan<Installation, Action> {
            let node = goal.resource.spec.node.scalarText
            var status = goal.resource.status?.detail ?? Status()
            guard case .present(let installation) = goal else { return leave(node, seen, status) }
            status.hostKey = seen.hostKey ?? status.hostKey
            // Whoever had this name before left a run behind; it must not go on beside ours.
            if let stray = seen.runs.first(where: { $0.state == .running && $0.run != status.run }) {
                let others = reader.list(Installation.self).filter { $0.name != installation.name && $0.spec.node == installation.spec.node }
                if let other = others.first(where: { $0.status?.detail.run == stray.run }) {
                    return Plan(.stalled("\(other.reference) installs \(Reference(Node.self, node)) already; delete one of the two"), status: status)
                }
                return end(stray, node, seen, status, "ending a run of an earlier installation")
            }
            guard let record = reader.get(Node.self, node) else {
                return Plan(.waiting(on: Reference(Node.self, node), "there is no such object; apply one of that name"), status: status)
            }
            let run = seen.runs.first { $0.run == status.run }
            note(run, seen, wipes: installation.spec.wipes, &status)
            noteBoot(seen.boot, &status)
            let round = InstallationRound(installation: installation, node: record, seen: seen, run: run, reader: reader)
            if let run, run.state == .running { return round.follow(run, status) }
            status.isRunning = false
            if status.system != nil { return round.keep(status) }
            guard let run, run.state != .prepared else {
                // The status of a run is written before the run is started: it may be that it never was.
                if let code = status.exitCode { return round.judge(nil, isDone: code == 0, status) }
                // What was seen to run is not begun again under its name, wherever its directory is now.
                if run == nil, status.startedAt != nil { return round.judge(nil, isDone: false, status) }
                return round.begin(status, again: status.run)
            }
            return round.judge(run, isDone: run.state == .exited(0) || run.progress.hasInstalled, status)
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .start(let order, _):
                next.runs.removeAll { $0.run == order.run }
                next.runs.append(RunSight(run: order.run, state: .running))
            case .end(_, let run, _):
                for index in next.runs.indices where next.runs[index].run == run { next.runs[index].state = .exited(143) }
            case .copyFiles(_, _, let paths):
                if case .system(var facts)? = next.machine {
                    for file in seen.files where paths.contains(file.path) { facts.files[file.path] = .init(sha256: file.sha256, mode: file.mode) }
                    next.machine = .system(facts)
                }
            case .forget:
                for index in next.runs.indices { next.runs[index].hasSecrets = false }
            case .clear: next.runs = []
            }
            return next
        }

        /// Nothing on the node is touched when its record goes.
        private static func leave(_ node: String, _ seen: Sight, _ status: Status) -> Plan<Installation, Action> {
            if let run = seen.runs.first(where: { $0.state == .running }) { return end(run, node, seen, status, "ending the run") }
            if seen.runs.isEmpty { return Plan(.ready, status: status) }
            return Plan(.converging("removing logs"), [.clear(node: node)], status: status, differences: [.leaving("logs")])
        }

        /// First a request, then force.
        static func end(
            _ run: RunSight, _ node: String, _ seen: Sight, _ status: Status, _ phase: String, _ differences: [Difference] = []
        ) -> Plan<Installation, Action> {
            let actions: [Action] =
                if seen.isDeaf { [.end(node: node, run: run.run, force: true)] } else if seen.isEnding { [] } else {
                    [.end(node: node, run: run.run, force: false)]
                }
            return Plan(.converging(phase), actions, status: status, differences: differences, lookAgain: .seconds(1))
        }

        /// What the run says goes into the status.
        private static func note(_ run: RunSight?, _ seen: Sight, wipes: Bool, _ status: inout Status) {
            guard let run else { return }
            func date(_ seconds: Double?) -> Date? { seconds.map { Date(timeIntervalSince1970: $0.rounded(.down)) } }
            let phase = Phase(rawValue: run.progress.phase.rawValue) ?? (run.progress.phase == .done ? .reboot : nil)
            status.step = run.progress.step
            status.phaseSince = run.state == .running ? seen.phaseSince ?? status.phaseSince : nil
            status.phase = phase
            if let phase, let since = seen.phaseSince, status.timeline[phase.rawValue] == nil { status.timeline[phase.rawValue] = since }
            status.startedAt = date(run.startedAt) ?? status.startedAt
            status.finishedAt = date(run.finishedAt)
            status.timeline[Milestone.started] = run.startedAt.map { Moment(Date(timeIntervalSince1970: $0)) } ?? status.timeline[Milestone.started]
            status.timeline[Milestone.finished] = run.finishedAt.map { Moment(Date(timeIntervalSince1970: $0)) }
            status.log = run.log
            if case .exited(let code) = run.state { status.exitCode = code } else { status.exitCode = nil }
            if run.progress.hasFormatted, wipes { status.formattedBy = run.run }
        }
    }
}
