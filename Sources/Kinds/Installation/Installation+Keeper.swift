import Foundation
import Glibc
import Host
import Logging
import NetBoot
import NixOS
import PKI
import Reconcile
import Resource
import Synchronization

extension Installation {
    /// Looks at the runs on this host and, when none runs, at the node through SSH.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let runs: InstallerRuns
        private let machines: MachineLooks
        private let identity: SSHIdentity
        private let files: NodeFiles
        private let images: PinnedFiles
        private let time: any Time
        private let mustSee: Bool
        private let looksAnew: Bool
        private let memory = Memory()

        /// What this process saw, and when.
        private final class Memory: Sendable {
            struct Seen {
                var machine: MachineSight
                var question: NodeLook
                var at: Instant

                var isSilent: Bool { if case .unreachable = machine { true } else { false } }
            }
            /// By node.
            let machines = Mutex<[String: Seen]>([:])
            /// Since when nobody answers, by node.
            let silences = Mutex<[String: Instant]>([:])
            /// When a phase of a run began, by run.
            let phases = Mutex<[String: (phase: InstallerProgress.Phase, began: Instant, date: Moment)]>([:])
            /// When a run was asked to end.
            let endings = Mutex<[String: Instant]>([:])
            /// The boot of the system that a node runs, by node: reckoned once, so that it stays equal to itself.
            let boots = Mutex<[String: NodeBoot]>([:])
        }

        /// Who answered is not asked again so soon. Who did not may have come up since: its installer's report wakes us.
        private static let freshness = Duration.milliseconds(2_500), silence = Duration.milliseconds(300)
        /// After this, a run that was asked to end is ended by force.
        private static let hearing = Duration.seconds(10)

        /// - Parameters:
        ///   - directory: where runs have their directories.
        ///   - images: what looks at the files that installers are given; one for all keepers, as it remembers what it read.
        ///   - mustSee: for a diff: an installed node that does not answer, or not all that it is asked, is one that could not be looked at.
        ///   - looksAnew: for a diff: what another one saw a moment before says nothing of now.
        ///   - ssh: the client to use, looked for along PATH.
        package init(
            directory: String, identity: SSHIdentity, vault: Vault, processes: any Processes, images: PinnedFiles, time: any Time,
            mustSee: Bool = false, looksAnew: Bool = false, ssh: String = "ssh"
        ) {
            runs = InstallerRuns(directory: directory, identity: identity, processes: processes)
            machines = MachineLooks(ssh: SSH(identity: identity, processes: processes, program: ssh), identity: identity, remembers: !mustSee)
            files = NodeFiles(vault: vault, processes: processes)
            self.identity = identity
            self.images = images
            self.time = time
            self.mustSee = mustSee
            self.looksAnew = looksAnew
        }

        package func observe(_ goal: Goal<Installation>, _ reader: Reader) async throws -> Sight {
            let installation = goal.resource
            let name = installation.spec.node.scalarText
            var sight = Sight(runs: try runs.runs(of: name))
            let status = installation.status?.detail
            let run = sight.runs.first { $0.run == status?.run }
            for other in sight.runs where other.state == .running { noteEnding(of: other.run, &sight) }
            if let run, run.state == .running {
                pace(run, installation, &sight)
                return sight
            }
            guard case .present = goal, !sight.runs.contains(where: { $0.state == .running }), let node = reader.get(Node.self, name) else { return sight }
            // Machines that boot from the network are given its public half: it must be there before they are.
            sight.authorizedKey = identity.knownKey
            let needs = Installation.needs(of: name, status?.terms ?? Terms(), reader)
            let gathered = try await files.gather(needs, makesMissing: false)
            sight.files = gathered.files.map(Sight.File.init)
            if case .partial(_, let lacks) = gathered { sight.lacks = lacks }
            if installation.spec.flake == nil, needs.problem != nil { sight.lacks = nil }
            sight.hostKey = try await files.hostKey(of: name)?.publicKey
            if let run { sight.isOverdue = isOverdue(bootAfter: run, installation) }
            // It may take a while when they are new: the machine is asked afterwards.
            if status?.system == nil {
                switch await look(atImagesOf: installation) {
                case .success(let images): sight.images = images
                case .failure(let unfit): sight.unfitImage = unfit.why
                }
            }
            if Self.mayAnswer(node, reader) { sight.machine = try await machine(node, installation, sight) }
            sight.silentAt = silentAt(sight.machine, node.name)
            if case .system? = sight.machine { sight.boot = memory.boots.withLock { $0[node.name] } }
            if mustSee, status?.system != nil {
                switch sight.machine {
                case .unreachable(let why)?: throw NixOSError.system("the node cannot be asked: \(why)")
                case .system(let facts)? where !facts.untold(of: node).isEmpty:
                    throw NixOSError.system("the node does not tell of \(facts.untold(of: node).joined(separator: ", "))")
                default: break
                }
            }
            if status?.system == nil {
                sight.hasProgram = try await runs.canRun(installation.spec.program.text)
                if installation.spec.makesPackage {
                    sight.ownProgramProblem = runs.ownProgramProblem()
                    sight.lacksLock = try runs.newestLock() == nil
                }
            }
            return sight
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .start(let order, let needs):
                forget(order.node)
                let pair = try await files.hostKey(of: order.node, makesMissing: true)
                guard pair != nil, case .whole(let extra) = try await files.gather(needs, makesMissing: true) else {
                    throw NixOSError.system("the files of \(order.node) are not complete")
                }
                for image in order.images {
                    let file = PinnedFile(path: image.path, digest: image.digest)
                    if let why = await images.objection(to: file, "the image \(image.name)", else: "nothing is installed") { throw NixOSError.system(why) }
                }
                try runs.start(order, extra: extra, lock: try runs.newestLock())
            case .end(let node, let run, let force):
                try runs.end(node, run, force: force)
                if !force { memory.endings.withLock { $0[run] = time.now() } }
            case .copyFiles(let needs, let target, let paths):
                forget(needs.node)
                guard let key = try await files.hostKey(of: needs.node) else { throw NixOSError.system("\(needs.node) has no host key yet") }
                let wanted = try await files.gather(needs, makesMissing: false).files.filter { paths.contains("/" + $0.path) }
                try await machines.copy(wanted, to: needs.node, target, hostKey: key.publicKey)
            case .forget(let node): try runs.forgetSecrets(node)
            case .clear(let node):
                forget(node)
                try runs.clear(node)
            }
        }

        package func strays(_ reader: Reader) async throws -> [Reconcile.Stray] {
            let known = Set(reader.list(Installation.self).map(\.spec.node.scalarText))
            return try runs.nodes().filter { !known.contains($0) }.flatMap { node in
                try runs.runs(of: node).map { run in
                    Reconcile.Stray(
                        Reference(Installation.self, node),
                        run.state == .running ? "an installer that runs (\(run.run))" : "what is left of an installation (\(run.run))")
                }
            }
        }

        /// The log of a node's latest run, whichever that is while it is read.
        package static func log(ofNode node: String, in directory: String) -> String { "\(directory)/\(node)/log" }

        private func look(atImagesOf installation: Resource<Installation>) async -> Result<[InstallerOrder.Image], Unfit> {
            var found: [InstallerOrder.Image] = []
            for (index, image) in (installation.spec.images ?? []).enumerated() {
                let field = "spec.images[\(index)] (\(image.name.scalarText))", path = image.path.path
                switch await images.digest(of: path, image.digest, image.digestFile, field) {
                case .failure(let unfit): return .failure(unfit)
                case .success(let digest):
                    if let why = await images.objection(to: PinnedFile(path: path, digest: digest), field, else: "nothing is installed") { return .failure(Unfit(why: why)) }
                    found.append(InstallerOrder.Image(name: image.name.scalarText, path: path, digest: digest))
                }
            }
            return .success(found)
        }

        /// A virtual machine that does not run need not be asked.
        private static func mayAnswer(_ node: Resource<Node>, _ reader: Reader) -> Bool {
            guard case .virtual = node.spec.machine else { return true }
            guard let machine = reader.get(VirtualMachine.self, node.name) else { return false }
            return machine.status?.detail.pid != nil
        }

        private func machine(_ node: Resource<Node>, _ installation: Resource<Installation>, _ sight: Sight) async throws -> MachineSight {
            let disks = node.spec.disks.map(\.device.scalarText)
            // Whether a node that somebody else installed has lists is of interest, too.
            let paths = Set(sight.files.map(\.path)).union(["/" + NodeSecrets.revocationListsPath]).sorted()
            let isLaidOut = installation.spec.lays(out: node)
            let signatures: NodeLook.Signatures = installation.status?.detail.system != nil ? .none : isLaidOut ? .ofNamed : .ofAll
            let question = NodeLook(files: paths, disks: disks, signatures: signatures)
            let last = memory.machines.withLock { $0[node.name] }
            if !looksAnew, let last, last.question == question, time.now() - last.at < (last.isSilent ? Self.silence : Self.freshness) { return last.machine }
            // A machine may come up while it is waited for in vain, and say so: that nobody answers is as old as the question.
            let asked = time.now()
            var machine = try await machines.look(
                at: node.name, node.sshTarget(installation.spec.target), hostKey: sight.hostKey, installerKey: installation.spec.target?.hostKey, question)
            if case .system(var facts) = machine {
                if let boot = facts.boot { noteBoot(boot, of: node.name) }
                facts.boot = nil
                machine = .system(facts)
            }
            var seen = Memory.Seen(machine: machine, question: question, at: time.now())
            if seen.isSilent { seen.at = asked }
            memory.machines.withLock { $0[node.name] = seen }
            return machine
        }

        private func silentAt(_ machine: MachineSight?, _ node: String) -> Moment? {
            guard case .unreachable? = machine else {
                memory.silences.withLock { $0[node] = nil }
                return nil
            }
            let now = time.now()
            let began = memory.silences.withLock { silences in
                if silences[node] == nil { silences[node] = now }
                return silences[node] ?? now
            }
            return now - began >= .milliseconds(Boots.patience) ? Moment(time.date()) : nil
        }

        private func noteBoot(_ facts: BootFacts, of node: String) {
            let now = time.date()
            memory.boots.withLock { boots in
                var boot = boots[node] ?? NodeBoot(id: "", began: Moment(now), seen: Moment(now))
                if boot.id != facts.id { boot = NodeBoot(id: facts.id, began: Moment(now.addingTimeInterval(-facts.uptime)), seen: Moment(now)) }
                boot.note(facts)
                boots[node] = boot
            }
        }

        private func forget(_ node: String) { memory.machines.withLock { $0[node] = nil } }

        /// How long the phase has been going on, and whether that is too long.
        private func pace(_ run: RunSight, _ installation: Resource<Installation>, _ sight: inout Sight) {
            let status = installation.status?.detail
            let now = time.now(), date = time.date()
            let phase = run.progress.phase
            let known = memory.phases.withLock { phases in
                if let known = phases[run.run], known.phase == phase { return known }
                // Of what another process saw begin, the calendar tells how long it has been going on.
                let isSame = status?.run == run.run && status?.phase?.rawValue == phase.rawValue
                let since = isSame ? status?.phaseSince?.date ?? date : date
                let elapsed = Duration.seconds(max(0, date.timeIntervalSince(since)))
                let began = (phase: phase, began: Instant(sinceStart: now.sinceStart - elapsed), date: isSame ? status?.phaseSince ?? Moment(date) : Moment(date))
                phases[run.run] = began
                return began
            }
            sight.phaseSince = known.date
            sight.isOverdue = now - known.began >= installation.spec.deadlines.of(phase).duration
        }

        private func noteEnding(of run: String, _ sight: inout Sight) {
            guard let asked = memory.endings.withLock({ $0[run] }) else { return }
            sight.isEnding = true
            sight.isDeaf = time.now() - asked >= Self.hearing
        }

        private func isOverdue(bootAfter run: RunSight, _ installation: Resource<Installation>) -> Bool {
            guard let finished = run.finishedAt ?? run.startedAt else { return false }
            let limit = Double(installation.spec.deadlines.reboot.milliseconds) / 1000
            return time.date().timeIntervalSince1970 - finished >= limit
        }
    }
}
