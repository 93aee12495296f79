import Foundation
import Host

/// One job with what its answers came to: the decider of the prober.
struct ProbeEntry: Sendable {
    enum Answer: Sendable {
        case health(ProbeFailure?)
        case certificate(Result<ServedCertificate, ProbeFailure>)
        case members(Result<MembershipCheck.Finding, ProbeFailure>)
        /// nil: it has not begun.
        case firstBoot(Result<FirstBootState?, ProbeFailure>)
    }

    /// So often in a row must the members be seen unwell, in whatever way: terms and words change with every look.
    private static let membersThreshold = 2

    var job: ProbeJob
    /// Answers to an older version of the job come to nothing.
    var serial: UInt64
    private var judge: HealthJudge
    private var served: ServedCertificate?
    private var firstBoot: FirstBootState?
    private var members: ProbeFindings.Members?
    private var membersUnwell = 0

    init(_ job: ProbeJob, serial: UInt64) {
        self.job = job
        self.serial = serial
        judge = HealthJudge(job.thresholds)
    }

    /// The same thing asked in another way: what is known stays until it is known better.
    mutating func replace(with job: ProbeJob, serial: UInt64) {
        if job.thresholds != self.job.thresholds || job.question.facet != self.job.question.facet { judge = HealthJudge(job.thresholds) }
        self.job = job
        self.serial = serial
    }

    /// What was seen of the members is older than a change of them.
    mutating func forgetMembers(serial: UInt64) {
        (members, membersUnwell) = (nil, 0)
        self.serial = serial
    }

    mutating func note(_ answer: Answer, at now: Instant, date: Date) {
        switch answer {
        case .health(let failure): judge.note(failure, at: now, date: date)
        case .certificate(.success(let leaf)): served = leaf
        // Nobody listens: that is for the health probe to tell.
        case .certificate(.failure): break
        case .firstBoot(.success(let state)): firstBoot = state
        case .firstBoot(.failure): break
        case .members(let result): noteMembers(result)
        }
    }

    private mutating func noteMembers(_ result: Result<MembershipCheck.Finding, ProbeFailure>) {
        let seen: ProbeFindings.Members
        let isWell: Bool
        switch result {
        case .success(let finding): (seen, isWell) = (.init(finding: finding), finding.problems.isEmpty)
        case .failure(let failure): (seen, isWell) = (.init(failure: failure.text), false)
        }
        membersUnwell = isWell ? 0 : membersUnwell + 1
        // An election between the answers of two nodes is no trouble: when they are asked again it is over.
        if isWell || members == nil || membersUnwell >= Self.membersThreshold { members = seen }
    }

    /// How long until it is asked again.
    var pause: Duration {
        switch job.question {
        case .firstBoot where firstBoot?.state == .done: .seconds(600)
        default: job.every
        }
    }

    func write(_ findings: inout ProbeFindings) {
        switch job.question.facet {
        case .health: findings.health[job.node] = judge.verdict
        case .certificate: findings.served[job.node] = served
        case .firstBoot: findings.firstBoot[job.node] = firstBoot
        case .members: findings.members = members
        }
    }
}
