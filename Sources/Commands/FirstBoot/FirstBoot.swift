import Probe

/// Decides how far a member's first boot has come, from what it and its cluster say.
struct FirstBoot: Hashable, Sendable {
    enum Way: Hashable, Sendable {
        /// It begins the cluster together with these, itself among them.
        case bootstrap(founders: [String])
        /// A cluster that runs lets it in.
        case join(through: String)
    }

    enum Health: Hashable, Sendable {
        case unreachable(String)
        case unwell(String)
        case well
    }

    struct Sight: Hashable, Sendable {
        var health: Health
        /// What this member says of its cluster; nil: not asked.
        var members: Result<MembershipCheck.View, ProbeFailure>?
    }

    enum Verdict: Hashable, Sendable {
        case waiting(String)
        case done(String)
    }

    var name: String
    var way: Way

    /// The step while it goes on: "joining".
    var step: String {
        switch way {
        case .bootstrap: "bootstrapping"
        case .join: "joining"
        }
    }

    /// The file that says that it is over, and the step afterwards.
    var marker: String { ".chainfire-\(lastStep)" }
    var lastStep: String {
        switch way {
        case .bootstrap: "initialized"
        case .join: "joined"
        }
    }

    static let markers = [".chainfire-initialized", ".chainfire-joined"]

    func judge(_ seen: Sight) -> Verdict {
        let view: MembershipCheck.View
        switch (seen.health, seen.members) {
        case (.unreachable(let why), _):
            if case .join(let leader) = way { return .waiting("chainfire does not serve yet; until it does, it asks \(leader) to be let in (\(why))") }
            return .waiting("chainfire does not serve yet (\(why))")
        // A learner cannot vouch for a read yet; its list of members tells more.
        case (.unwell, .success(let members)?): view = members
        case (.unwell(let why), _): return .waiting("waiting for health: \(why)")
        case (.well, .success(let members)?): view = members
        case (.well, .failure(let failure)?): return .waiting("waiting for the list of members: \(failure)")
        case (.well, nil): return .waiting("waiting for the list of members")
        }
        guard let own = view.members.first(where: { $0.name == name }) else {
            return .waiting("\(name) is no member of the cluster that it reached: \(view.names.joined(separator: ", "))")
        }
        if case .bootstrap(let founders) = way {
            let missing = founders.filter { !view.names.contains($0) }
            if !missing.isEmpty { return .waiting("waiting for \(missing.joined(separator: ", ")) to be a member beside \(view.names.joined(separator: ", "))") }
        }
        guard let leader = view.leader else {
            if case .unwell(let why) = seen.health { return .waiting("waiting for a leader: \(why)") }
            return .waiting("waiting for a leader")
        }
        if own.isLearner { return .waiting("waiting to be promoted: it catches up with \(leader) as a learner") }
        if case .unwell(let why) = seen.health { return .waiting("waiting for health: \(why)") }
        return .done("\(name) is one of \(view.members.count) members, \(leader) leads in term \(view.term)")
    }

    /// Short at first, so that a cluster that comes up at once is not waited for; then up to five seconds.
    static func pause(after attempt: Int) -> Duration { min(Duration.milliseconds(250) * (1 << min(attempt - 1, 10)), .seconds(5)) }
}
