import Chainfire
import Etcd
import GRPC
import Store

/// `etcdserverpb.Cluster`. Its headers tell no revision, as etcd's.
struct ClusterService: Sendable {
    let store: Chainfire
    let errands: Errands

    func register(in endpoints: inout Endpoints) {
        endpoints.unary("/etcdserverpb.Cluster/MemberList", ["cluster/member/list"], list)
        endpoints.unary("/etcdserverpb.Cluster/MemberAdd", ["cluster/member/add"], add)
        endpoints.unary("/etcdserverpb.Cluster/MemberRemove", ["cluster/member/remove"], remove)
        endpoints.unary("/etcdserverpb.Cluster/MemberUpdate", ["cluster/member/update"], update)
        endpoints.unary("/etcdserverpb.Cluster/MemberPromote", ["cluster/member/promote"], promote)
    }

    @Sendable func list(
        _ request: Etcdserverpb_MemberListRequest, _ answer: @escaping Answer<Etcdserverpb_MemberListResponse>
    ) {
        errands.answer(answer) {
            let members = try await store.members(linearizable: request.linearizable)
            return .with {
                $0.header = header
                $0.members = members.map { Etcdserverpb_Member($0.record) }
            }
        }
    }

    @Sendable func add(
        _ request: Etcdserverpb_MemberAddRequest, _ answer: @escaping Answer<Etcdserverpb_MemberAddResponse>
    ) {
        guard let urls = MemberURLs.sorted(request.peerUrls) else { return answer(.failure(.memberBadURLs)) }
        errands.answer(answer) {
            // Nobody votes before it has come: one that is to vote becomes a voter by itself, as soon as it has caught up.
            let member = try await store.addMember(peerURLs: urls, isLearner: true, promotes: !request.isLearner)
            let members = try await messages()
            return .with {
                $0.header = header
                $0.member = Etcdserverpb_Member(member.record)
                $0.members = members
            }
        }
    }

    @Sendable func remove(
        _ request: Etcdserverpb_MemberRemoveRequest, _ answer: @escaping Answer<Etcdserverpb_MemberRemoveResponse>
    ) {
        errands.answer(answer) {
            try await store.removeMember(request.id)
            let members = try await messages()
            return .with {
                $0.header = header
                $0.members = members
            }
        }
    }

    @Sendable func update(
        _ request: Etcdserverpb_MemberUpdateRequest, _ answer: @escaping Answer<Etcdserverpb_MemberUpdateResponse>
    ) {
        guard let urls = MemberURLs.sorted(request.peerUrls) else { return answer(.failure(.memberBadURLs)) }
        errands.answer(answer) {
            try await store.updateMember(request.id, peerURLs: urls)
            let members = try await messages()
            return .with {
                $0.header = header
                $0.members = members
            }
        }
    }

    @Sendable func promote(
        _ request: Etcdserverpb_MemberPromoteRequest, _ answer: @escaping Answer<Etcdserverpb_MemberPromoteResponse>
    ) {
        errands.answer(answer) {
            try await store.promoteMember(request.id)
            let members = try await messages()
            return .with {
                $0.header = header
                $0.members = members
            }
        }
    }

    /// The list as this member knows it: the change itself is already applied here.
    private func messages() async throws -> [Etcdserverpb_Member] {
        try await store.members(linearizable: false).map { Etcdserverpb_Member($0.record) }
    }

    private var header: Etcdserverpb_ResponseHeader {
        var header = Etcdserverpb_ResponseHeader(store.header)
        header.revision = 0
        return header
    }
}

extension Etcdserverpb_Member {
    init(_ record: MemberRecord) {
        self.init()
        id = record.id
        name = record.name
        peerUrls = record.peerURLs
        clientUrls = record.clientURLs
        isLearner = record.isLearner
    }
}

/// The addresses a member may be reached at.
enum MemberURLs {
    /// nil when one is not `http` or `https`, a host and a port, and nothing else, or when there is none
    /// (etcd `pkg/types`, `NewURLs`).
    static func sorted(_ urls: [String]) -> [String]? {
        guard !urls.isEmpty, urls.allSatisfy(isGood) else { return nil }
        return urls.sorted()
    }

    private static func isGood(_ url: String) -> Bool {
        guard let scheme = ["http://", "https://"].first(where: url.hasPrefix) else { return false }
        let place = url.dropFirst(scheme.count)
        guard let colon = place.lastIndex(of: ":"), let port = UInt16(place[place.index(after: colon)...]), port > 0 else {
            return false
        }
        let host = place[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        return !host.isEmpty && (isBracketed || !host.contains(":"))
            && !host.contains { "/?#@ ".contains($0) || !$0.isASCII }
    }
}
