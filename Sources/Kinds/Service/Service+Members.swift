import Foundation
import Probe
import Reconcile
import Resource

extension Service {
    /// The one whose members are a Raft group that plasma changes.
    static let clustered = "chainfire"

    /// Where and how a change of members is asked for; what is secret in it is in the vault.
    package struct MembersAccess: Hashable, Sendable {
        /// The leader.
        package var address: ProbeAddress
        /// The authority it is believed by; nil: it speaks plain HTTP.
        package var authority: String?
        /// Names the Certificate that is shown to it; nil: there is none.
        package var certificate: String?
        /// The Cluster whose join token allows it.
        package var cluster: String
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case change(MemberChange, MembersAccess, service: String)

        package var description: String {
            switch self {
            case .change(let change, let access, _): "\(change), asked of \(access.address)"
            }
        }
    }
}

extension Service.Membership {
    /// A member as it was seen last.
    package struct Known: Codable, Hashable, Sendable {
        var id: String
        var name: String
        var isVoter: Bool
        /// It has been running at some time.
        var hasStarted: Bool
        /// It is, or once was, that of a node of the manifest's; others are told of, and never touched.
        var isOurs: Bool
        var clientURLs: [String]
    }

    init(_ finding: MembershipCheck.Finding, wanted: [String], before: Service.Membership?) {
        self.init(
            leader: finding.leader, term: finding.term.map { Int64(clamping: $0) }, voters: finding.voters, learners: finding.learners,
            problems: finding.problems)
        let ours = Set((before?.members ?? []).filter(\.isOurs).map(\.id))
        members = finding.members.map {
            Known(
                id: $0.id, name: $0.name, isVoter: !$0.isLearner, hasStarted: $0.hasStarted,
                isOurs: !$0.id.isEmpty && (ours.contains($0.id) || wanted.contains($0.name)), clientURLs: $0.clientURLs)
        }
    }
}

extension Service {
    /// What is to be done about the members of a Service, by what is seen of them.
    static func membersStep(
        of service: Resource<Service>, _ placement: ServicePlacement, _ finding: MembershipCheck.Finding, _ membership: Membership, _ reader: Reader
    ) -> (step: MembersRound.Step, action: Action?) {
        // Whose members they are must be beyond doubt.
        guard service.name == clustered, let cluster = placement.cluster else { return (.rest, nil) }
        var lost: Set<String> = []
        for place in placement.places {
            guard let detail = Node.installation(of: place.node, reader)?.status?.detail, detail.formattedBy != nil else { continue }
            lost.formUnion(detail.formerMembers)
        }
        let round = MembersRound(
            members: finding.members, wanted: placement.places.map(\.node),
            known: Set((membership.members ?? []).filter(\.isOurs).map(\.id)), lost: lost)
        let step = round.step()
        guard case .change(let change, _) = step else { return (step, nil) }
        guard let leader = finding.members.first(where: \.isLeader), let address = leader.clientURLs.lazy.compactMap(ProbeAddress.init(url:)).first else {
            return (.wait("the leader does not tell where it can be asked for a change"), nil)
        }
        let authority = placement.authority(of: cluster, reader)
        // The leader's own: whoever demands one lets that in.
        let certificate = authority.flatMap { service.certificate(ofNode: leader.name, issuedBy: $0, reader) }
        let access = MembersAccess(
            address: address, authority: authority, certificate: certificate,
            cluster: reader.get(Cluster.self, cluster).map { Installation.tokenCluster(of: $0, reader) } ?? cluster)
        return (step, .change(change, access, service: service.name))
    }
}

extension Node {
    /// A node that has left its cluster's manifest keeps running until its member has left the Raft group: stopped before,
    /// it would be a voter less than the others reckon with. One that its cluster still names keeps running too: the cluster
    /// wants its vote.
    /// - Returns: nil when nothing keeps it.
    static func kept(_ node: Resource<Node>, _ reader: Reader) -> Condition? {
        guard let service = reader.get(Service.self, Service.clustered), !service.metadata.isLeaving else { return nil }
        let members = service.status?.detail.membership?.members
        // Before anybody saw the members, whoever has its system may be one of them.
        let isMember =
            members.map { $0.contains { $0.name == node.name && $0.isOurs } }
            ?? (reader.get(Installation.self, node.name)?.status?.detail.system != nil)
        let placement = ServicePlacement(of: service, reader)
        guard isMember else { return nil }
        if let why = placement.contention { return .waiting(on: service.reference, why) }
        guard let cluster = placement.cluster else { return nil }
        if placement.places.contains(where: { $0.node == node.name }) {
            return .waiting(
                on: Reference(Cluster.self, cluster),
                "it names this node in spec.nodes: take it out there and apply, "
                    + (members == nil
                        ? "once its members have been seen: this one may have a vote"
                        : "and its member leaves the Raft group before its machine goes"))
        }
        return members == nil ? nil : .waiting(on: service.reference, "its member leaves the Raft group first: \(reason(service))")
    }
}

extension ProbeAddress {
    /// Of "https://10.0.0.1:2379".
    init?(url text: String) {
        guard let url = URLComponents(string: text), let host = url.host, let port = url.port else { return nil }
        self.init(host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, port: port)
    }
}
