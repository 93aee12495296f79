import Resource

/// One node's way from a manifest to health, cut into stretches of which each belongs to plasma or to the guest.
///
/// A stretch is the guest's as long as the guest has something to do: firmware, boot loader, kernel, installer, reboot,
/// services. What is left is ours: until the machine is started, from the installer's own report until it is given its
/// run, and from the end of the first boot until a probe has seen the node healthy. While the guest boots from the network,
/// what its requests waited for the boot servers is ours too, and is taken from the guest's.
struct RunTimeline: Hashable, Sendable {
    enum Owner: String, Hashable, Sendable { case ours, guest }

    struct Stretch: Hashable, Sendable {
        var name: String
        var owner: Owner
        var seconds: Double
    }

    /// When the run came how far; nil: not yet, or nobody saw it.
    struct Milestones: Hashable, Sendable {
        /// The server took the manifest (in whole seconds, rounded down: what that adds is counted as ours).
        var applied: Moment?
        var machine: Moment?
        var dhcp: Moment?
        var kernel: Moment?
        /// The installer reported itself.
        var installer: Moment?
        var started: Moment?
        /// Phases of the installer, in order.
        var phases: [(name: String, at: Moment)] = []
        var finished: Moment?
        var booted: Moment?
        var ssh: Moment?
        var joined: Moment?
        /// The system was first seen over SSH; its last service was first seen healthy.
        var seen: Moment?
        var healthy: Moment?
        /// A service runs on it whose health is yet to be seen.
        var waitsForHealth = false
        /// For how long requests waited for the boot servers, in milliseconds.
        var served: Int?

        static func == (a: Milestones, b: Milestones) -> Bool { a.hashed == b.hashed }
        func hash(into hasher: inout Hasher) { hasher.combine(hashed) }
        private var hashed: [[Int64?]] {
            [[applied, machine, dhcp, kernel, installer, started, finished, booted, ssh, joined, seen, healthy].map { $0?.milliseconds }, phases.map(\.at.milliseconds), [served.map(Int64.init), waitsForHealth ? 1 : 0]]
        }
    }

    /// One of these in the order of their time, each with what ends at it.
    static let answers = "boot servers' answers, in all"

    var node: String
    private(set) var stretches: [Stretch] = []
    private(set) var began: Moment?
    private(set) var ended: Moment?
    /// Nothing is to come.
    private(set) var isComplete = false

    init(node: String, _ milestones: Milestones) {
        self.node = node
        var last: Moment?
        func reach(_ moment: Moment?, _ name: String, _ owner: Owner) {
            guard let moment else { return }
            guard let before = last else {
                (began, last) = (moment, moment)
                return
            }
            // Clocks differ by little: what seems to come before its cause came with it.
            let at = max(before, moment)
            stretches.append(Stretch(name: name, owner: owner, seconds: at.seconds(since: before)))
            last = at
        }
        reach(milestones.applied, "", .ours)
        reach(milestones.machine, "manifest taken → machine started", .ours)
        reach(milestones.dhcp, milestones.machine == nil ? "manifest taken → has an address" : "firmware → has an address", .guest)
        reach(milestones.kernel, "boot loader → asks for its kernel", .guest)
        reach(milestones.installer, "kernel, RAM disk → installer reports", .guest)
        if let served = milestones.served, let index = stretches.lastIndex(where: { $0.owner == .guest }), milestones.installer != nil {
            let seconds = min(Double(served) / 1000, stretches[index].seconds)
            stretches[index].seconds -= seconds
            stretches.append(Stretch(name: Self.answers, owner: .ours, seconds: seconds))
        }
        reach(milestones.started, "installer reports → run started", .ours)
        var current = "prepares"
        for phase in milestones.phases {
            reach(phase.at, "installer: \(current)", .guest)
            current = phase.name
        }
        reach(milestones.finished, "installer: \(current)", .guest)
        if milestones.finished != nil {
            reach(milestones.booted, "reboot → kernel", .guest)
            reach(milestones.ssh, "kernel → SSH", .guest)
            reach(milestones.joined, "SSH → first boot done", .guest)
            if let seen = milestones.seen, milestones.joined != nil, milestones.healthy != nil || !milestones.waitsForHealth {
                reach(max(seen, milestones.healthy ?? seen), "first boot done → seen healthy", .ours)
                isComplete = true
            }
        }
        ended = last
    }

    func seconds(_ owner: Owner) -> Double { stretches.filter { $0.owner == owner }.reduce(0) { $0 + $1.seconds } }
    var seconds: Double { stretches.reduce(0) { $0 + $1.seconds } }
}
