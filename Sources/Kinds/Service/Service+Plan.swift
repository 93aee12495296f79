import Foundation
import Manifest
import Probe
import Reconcile
import Resource

extension Service {
    /// What was found out on its nodes, as judged: it stays equal while no judgement changes.
    package struct Sight: Hashable, Sendable {
        package struct Served: Hashable, Sendable {
            /// Serials, and the end of the one that is served.
            package var serial: String
            package var notAfter: Date
            package var issued: String
            package var isIssued: Bool
            package var isExpired: Bool

            package init(serial: String, notAfter: Date, issued: String, isIssued: Bool, isExpired: Bool = false) {
                self.serial = serial
                self.notAfter = notAfter
                self.issued = issued
                self.isIssued = isIssued
                self.isExpired = isExpired
            }
        }

        // By node.
        package var health: [String: HealthJudge.Verdict] = [:]
        package var firstBoot: [String: FirstBootState] = [:]
        package var served: [String: Served] = [:]
        package var members: ProbeFindings.Members?

        package init() {}
    }

    package enum Planning: Planner {
        package typealias K = Service

        package static func plan(_ goal: Goal<Service>, given seen: Sight, _ reader: Reader) -> Plan<Service, Action> {
            guard case .present(let service) = goal else { return Plan(.ready, status: Status()) }
            let placement = ServicePlacement(of: service, reader)
            guard !placement.places.isEmpty else { return Plan(.ready, status: Status()) }
            let judgement = Judgement(service, placement, seen, reader)
            var plan = Plan<Service, Action>(judgement.condition, status: judgement.status, differences: judgement.differences)
            if let (action, phase) = judgement.change {
                plan.condition = .converging(phase)
                plan.actions = [action]
            }
            if service.name == Service.clustered, let why = placement.contention { plan.condition = .stalled(why) }
            return plan
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .change(let change, _, _): next.members?.finding = seen.members?.finding?.after(change)
            }
            return next
        }
    }
}

/// What the sights of all nodes come to.
private struct Judgement {
    private(set) var status = Service.Status()
    private(set) var differences: [Difference] = []
    /// What is done about the members, whatever else is amiss.
    private(set) var change: (Service.Action, phase: String)?
    private var failing: String?
    /// Of the first node that is not well.
    private var first: Condition?

    var condition: Condition {
        if let failing { return .failing(failing, attempt: 0) }
        return first ?? .ready
    }

    init(_ service: Resource<Service>, _ placement: ServicePlacement, _ seen: Service.Sight, _ reader: Reader) {
        let previous = Dictionary((service.status?.detail.nodes ?? []).map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
        for place in placement.places { judge(service, place, seen, previous[place.node], reader) }
        status.healthy = "\(status.nodes.count(where: \.healthy))/\(status.nodes.count)"
        let before = service.status?.detail.membership
        status.membership = before
        guard let members = seen.members else {
            // What was seen before stays true until it is known better.
            if before?.problems.isEmpty == false, !seen.health.isEmpty || service.spec.probe == nil { note(.converging("membership; looking again")) }
            return
        }
        guard let finding = members.finding?.against(placement.places.map(\.node)) else {
            let why = members.failure ?? "no node can be asked"
            status.membership?.problems = [why]
            if before == nil { status.membership = .init(problems: [why]) }
            note(.converging("membership; \(why)"))
            if before?.members?.isEmpty == false { noteMembership(why, placement) }
            return
        }
        judge(service, finding, placement, hadAll: previous.values.contains { $0.wasHealthy == true }, reader)
    }

    private mutating func judge(
        _ service: Resource<Service>, _ place: ServicePlacement.Place, _ seen: Service.Sight, _ old: Service.NodeHealth?, _ reader: Reader
    ) {
        let node = place.node
        var entry = Service.NodeHealth(node: node, healthy: false, wasHealthy: old?.healthy == true ? true : old?.wasHealthy)
        entry.firstHealthy = old?.firstHealthy
        defer { status.nodes.append(entry) }
        if let boot = seen.firstBoot[node] {
            entry.firstBoot = boot.summary
            entry.firstBootSteps = boot.steps.isEmpty ? nil : boot.steps.map { .init(message: $0.message, since: $0.since, attempts: $0.attempts) }
        }
        if let served = seen.served[node] {
            entry.certificate = .init(serial: served.serial, notAfter: served.notAfter, isIssued: served.isIssued)
            if !served.isIssued {
                differences.append(
                    Difference("certificate served by \(node)", seen: .string(served.serial), wanted: .string(served.issued), impact: .reload))
            }
        }
        if case .notYet(let why) = Node.hosting(of: place.record, reader) {
            entry.reason = why
            note(.waiting(on: Reference(Node.self, node), why))
            return
        }
        // A daemon that has just started has not read it yet.
        if entry.firstBoot == nil { (entry.firstBoot, entry.firstBootSteps) = (old?.firstBoot, old?.firstBootSteps) }
        guard service.spec.probe != nil else { return judgeUnasked(&entry, seen) }
        guard place.address != nil || service.spec.probe?.check.needsNoAddress == true else {
            entry.reason = "the node has no static address at which it could be asked"
            note(.stalled("\(node): \(entry.reason ?? "")"))
            return
        }
        let verdict = seen.health[node] ?? .init()
        entry.since = verdict.since.map { Date(timeIntervalSince1970: $0.timeIntervalSince1970.rounded(.down)) }
        switch verdict.standing {
        // Whoever looks at certificates refuses it, though this probe does not.
        case .healthy where seen.served[node]?.isExpired == true:
            entry.wasHealthy = true
            entry.reason = "it serves a certificate that expired (serial \(seen.served[node]?.serial ?? ""))"
            if failing == nil { failing = "\(node): \(entry.reason ?? "")" }
        case .healthy:
            entry.healthy = true
            entry.wasHealthy = true
            if old?.wasHealthy != true, old?.healthy != true { entry.firstHealthy = verdict.since.map { Moment($0) } }
        case .unknown:
            // A daemon that has just started knows nothing; what it knew before is told until it knows better.
            if let old { (entry.healthy, entry.reason, entry.since) = (old.healthy, old.reason, old.since) }
            if !entry.healthy { note(waiting(service, node, reader) ?? trust(service, place, reader) ?? .converging("probing; \(node) has not answered yet")) }
        case .unhealthy, .flapping:
            entry.reason = verdict.reason
            explain(service, entry, seen.firstBoot[node], verdict, reader)
        }
        if old?.healthy == entry.healthy, let since = old?.since { entry.since = since }
    }

    /// Where nobody asks, what is known otherwise counts.
    private mutating func judgeUnasked(_ entry: inout Service.NodeHealth, _ seen: Service.Sight) {
        let boot = seen.firstBoot[entry.node]
        if seen.served[entry.node]?.isExpired == true {
            entry.reason = "it serves a certificate that expired (serial \(seen.served[entry.node]?.serial ?? ""))"
        } else if boot?.state == .failed {
            entry.reason = "first boot \(boot?.summary ?? "")"
        } else {
            entry.healthy = true
        }
        if let reason = entry.reason, failing == nil { failing = "\(entry.node): \(reason)" }
    }

    private mutating func explain(
        _ service: Resource<Service>, _ entry: Service.NodeHealth, _ boot: FirstBootState?, _ verdict: HealthJudge.Verdict, _ reader: Reader
    ) {
        let node = entry.node
        if entry.wasHealthy == true {
            differences.append(Difference("health on \(node)", seen: .string(verdict.reason), wanted: .string("healthy"), impact: .none))
        }
        if let waiting = waiting(service, node, reader) { return note(waiting) }
        if entry.wasHealthy == true {
            if failing == nil { failing = "\(node): \(verdict.reason)" }
            return
        }
        switch boot?.state {
        case .running: note(.converging("first boot; \(node): \(boot?.summary ?? "")"))
        case .failed where failing == nil: failing = "\(node): first boot \(boot?.summary ?? "")"
        default: note(.converging("not healthy; \(node): \(verdict.reason)"))
        }
    }

    /// What the service needs on this node first.
    private func waiting(_ service: Resource<Service>, _ node: String, _ reader: Reader) -> Condition? {
        for name in service.spec.dependsOn.map(\.scalarText) {
            let reference = Reference(Service.self, name)
            guard let other = reader.get(Service.self, name) else { return .waiting(on: reference, "there is no such object; apply one of that name") }
            if let there = other.status?.detail.nodes.first(where: { $0.node == node }) {
                if !there.healthy { return .waiting(on: reference, "\(node): \(there.reason ?? "not healthy")") }
            } else if !other.isReady {
                return .waiting(on: reference, reason(other))
            }
        }
        return nil
    }

    /// Without its authority nobody can be believed.
    private func trust(_ service: Resource<Service>, _ place: ServicePlacement.Place, _ reader: Reader) -> Condition? {
        guard let name = place.authority, service.spec.probe?.check.isOverTLS == true else { return nil }
        let reference = Reference(CertificateAuthority.self, name)
        guard let authority = reader.get(CertificateAuthority.self, name) else { return .waiting(on: reference, "there is no such object; apply one of that name") }
        return authority.isReady ? nil : .waiting(on: reference, reason(authority))
    }

    private mutating func judge(
        _ service: Resource<Service>, _ finding: MembershipCheck.Finding, _ placement: ServicePlacement, hadAll: Bool, _ reader: Reader
    ) {
        let wanted = placement.places.map(\.node)
        var membership = Service.Membership(finding, wanted: wanted, before: status.membership)
        let (step, action) = Service.membersStep(of: service, placement, finding, membership, reader)
        if case .wait(let why) = step { membership.problems.append(why) }
        status.membership = membership
        let problem = membership.problems.last
        if hadAll || action != nil, !finding.missing.isEmpty || !finding.foreign.isEmpty || action != nil {
            noteMembership(finding.members.map { $0.isLearner ? "\($0.name) (learner)" : $0.name }.joined(separator: ", "), placement)
        }
        if let action, case .change(_, let phase) = step { change = (action, phase) }
        guard let first = membership.problems.first else { return }
        // Why nothing is done tells more than what is amiss.
        if case .wait = step, let problem { note(.converging("membership; \(problem)")) } else { note(.converging("membership; \(first)")) }
    }

    private mutating func noteMembership(_ seen: String, _ placement: ServicePlacement) {
        differences.append(
            Difference("membership", seen: .string(seen), wanted: .string(placement.places.map(\.node).joined(separator: ", ")), impact: .none))
    }

    private mutating func note(_ condition: Condition) { first = first ?? condition }
}

extension Service.Check {
    /// A command finds its node by name.
    var needsNoAddress: Bool { if case .exec = self { true } else { false } }

    /// In a cluster with an authority.
    var isOverTLS: Bool {
        switch self {
        case .httpGet(let get): get.scheme == .https
        case .grpc: true
        case .tcpSocket, .exec: false
        }
    }
}
