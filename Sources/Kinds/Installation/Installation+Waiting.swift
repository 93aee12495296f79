import Foundation
import Manifest
import NetBoot
import NixOS
import Reconcile
import Resource

extension Installation {
    /// New boots that were asked for, of a virtual machine that should come up with the installer and says nothing.
    package struct Boots: Codable, Hashable, Sendable {
        /// When the latest one was asked for.
        var latest: Moment
        var count: Int
        /// A person's request that was heard meanwhile: with a new one they are counted anew.
        var request: String?

        static let most = 3
        /// Firmware that was offered nothing gives up for good. One that boots has shown a sign of it by then, emulated and beside others, too.
        static let patience: Int64 = 180_000
    }
}

extension InstallationRound {
    /// Nobody answers yet. A machine that gave up booting from the network, because nothing was offered when it asked, does not
    /// ask again by itself: it is given another boot.
    func awaitInstaller(_ status: Installation.Status) -> Decision {
        var status = status
        let saying = "\(whoAnswers)\(netBootSays)"
        let request = installation.metadata.annotations[Annotation.requestedAt]
        let boots = status.boots.flatMap { $0.request == request ? $0 : nil }
        let count = boots?.count ?? 0
        if let now = seen.silentAt, canBeBooted, isOurs, let sign = lastSign(boots?.latest), now.milliseconds - sign.milliseconds >= patienceAfterSign {
            guard count < Installation.Boots.most else {
                return Plan(
                    .stalled("\(node.reference) was asked to start anew \(count) times, and its installer does not answer: \(saying). Look at its console: "
                        + "plasma console \(name). Try again: plasma reconcile installation/\(installation.name)"),
                    status: status, differences: [uninstalled], lookAgain: .seconds(15))
            }
            status.boots = Installation.Boots(latest: now, count: count + 1, request: request)
        }
        let again = status.boots.map { " (its machine was asked to start anew, \($0.count) of \(Installation.Boots.most) times)" } ?? ""
        let wish = wantsPerson ? "; switch the machine on, \(netBoot == nil ? "with an installer that lets plasma's SSH key in" : "and let it boot from the network")" : ""
        return Plan(
            .converging("waiting for the installer to answer; \(saying)\(wish)\(again)"), status: status, differences: [uninstalled],
            // Where nobody listens yet but the machine answers, it is a matter of moments.
            lookAgain: seen.machine == .unreachable(.refused) ? .seconds(1) : Self.patience)
    }

    /// A real machine that was not heard of since it was installed or wanted to be: nobody but a person can switch it on.
    private var wantsPerson: Bool {
        guard case .metal = node.spec.machine, case .unreachable? = seen.machine, seen.machine != .unreachable(.refused) else { return false }
        guard let netBoot else { return true }
        let sign = ownBoot?.phases.values.max() ?? .start
        return netBoot.status?.detail.offered.contains(name) == true && (seen.silentAt != nil || sign < Moment(installation.metadata.creationTimestamp))
    }

    /// A machine of ours, which is offered the installer right now.
    private var canBeBooted: Bool {
        guard case .virtual = node.spec.machine, installation.name == name, case .unreachable? = seen.machine, seen.machine != .unreachable(.refused),
            let netBoot
        else { return false }
        return netBoot.status?.detail.offered.contains(name) == true && netBoot.summary?.condition("Ready")?.reason != "Failing"
    }

    /// It was started for this installation, or has booted from the network since: what ran before may be a person's own, and only does
    /// not answer at this address.
    private var isOurs: Bool {
        guard let started = reader.get(VirtualMachine.self, name)?.status?.detail.startedAt else { return false }
        return started >= Moment(installation.metadata.creationTimestamp) || ownBoot?.phases.values.contains { $0 >= started } == true
    }

    /// The last that was heard of its boot. That it has been silent as long is in the sight already.
    private func lastSign(_ asked: Moment?) -> Moment? {
        let started = reader.get(VirtualMachine.self, name)?.status?.detail.startedAt
        return ([started, asked] + (ownBoot?.phases.values.map { $0 } ?? [])).compactMap { $0 }.max()
    }

    /// An installer that has its kernel may take as long to come up as a system.
    private var patienceAfterSign: Int64 {
        let hasKernel = [Timeline.Phase.kernel, .initrd, .installer].contains { $0.rawValue == ownBoot?.phase }
        return max(Installation.Boots.patience, hasKernel ? Int64(spec.deadlines.reboot.milliseconds) : 0)
    }

    var netBoot: Resource<NetBoot>? { spec.netBoot.flatMap { reader.get(NetBoot.self, $0.scalarText) } }

    /// What NetBoot says of the machine.
    var ownBoot: NetBoot.Machine? {
        // By whichever of its interfaces it booted last.
        netBoot?.status?.detail.machines.filter { $0.node == name }.max { ($0.phases.values.max() ?? .start) < ($1.phases.values.max() ?? .start) }
    }

    /// How far the machine came in its boot from the network, as NetBoot tells it.
    private var netBootSays: String {
        guard let netBoot else { return "" }
        if let problem = ownBoot?.problem { return "; \(netBoot.reference): \(problem)" }
        if let phase = ownBoot?.phase { return "; \(netBoot.reference) saw it last at \(phase)" }
        // Not why: each attempt of NetBoot's would change these words, and they would wake it for the next.
        return netBoot.status?.detail.offered.contains(name) == true ? "" : "; \(netBoot.reference) does not offer it the installer yet"
    }
}
