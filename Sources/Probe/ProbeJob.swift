import Host

/// One thing that is asked again and again.
package struct ProbeJob: Hashable, Sendable {
    package enum Question: Hashable, Sendable {
        // Of health: it goes well or it does not.
        case http(ProbeAddress, path: String, trust: ProbeTrust?)
        case tcp(ProbeAddress)
        case grpc(ProbeAddress, service: String, trust: ProbeTrust?)
        case exec([String], at: SSHTarget)
        /// Which leaf is presented there.
        case certificate(ProbeAddress)
        /// Whether these nodes agree who belongs to their Raft group. By node name.
        case members([Place], wanted: [String], trust: ProbeTrust?)
        /// How far the first boot of a service has come.
        case firstBoot(service: String, at: SSHTarget)

        var facet: Facet {
            switch self {
            case .http, .tcp, .grpc, .exec: .health
            case .certificate: .certificate
            case .members: .members
            case .firstBoot: .firstBoot
            }
        }
    }

    package struct Place: Hashable, Sendable {
        package var node: String
        package var address: ProbeAddress

        package init(node: String, address: ProbeAddress) {
            self.node = node
            self.address = address
        }
    }

    enum Facet: Int, Hashable, Sendable { case health, certificate, members, firstBoot }

    /// The node; empty for what concerns all of them.
    package var node: String
    package var question: Question
    package var every: Duration
    package var within: Duration
    package var thresholds: HealthJudge.Thresholds

    package init(node: String, _ question: Question, every: Duration, within: Duration, failures: Int = 3, successes: Int = 1) {
        self.node = node
        self.question = question
        self.every = every
        self.within = within
        thresholds = HealthJudge.Thresholds(failures: failures, successes: successes, period: every)
    }
}

/// What is known of one subject, settled: equal as long as nothing of weight changed.
package struct ProbeFindings: Hashable, Sendable {
    package struct Members: Hashable, Sendable {
        package var finding: MembershipCheck.Finding?
        /// Why no node could be asked.
        package var failure: String?

        package init(finding: MembershipCheck.Finding? = nil, failure: String? = nil) {
            self.finding = finding
            self.failure = failure
        }
    }

    // By node.
    package var health: [String: HealthJudge.Verdict] = [:]
    package var served: [String: ServedCertificate] = [:]
    package var firstBoot: [String: FirstBootState] = [:]
    package var members: Members?

    package init() {}
}
