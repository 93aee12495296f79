import Foundation
import Host

/// `GET /admin/cluster/members` of Chainfire.
package enum MembersPage {
    package static let path = "/admin/cluster/members"

    private struct Entry: Decodable {
        var id: String
        var name: String
        var learner: Bool
        var leader: Bool
        var term: UInt64
        var healthy: Bool?
        var peerURLs: [String]?
        var clientURLs: [String]?

        enum CodingKeys: String, CodingKey {
            case id, name, learner, leader, term, healthy, peerURLs = "peer_urls", clientURLs = "client_urls"
        }
    }

    package static func ask(
        _ address: ProbeAddress, trust: ProbeTrust?, within limit: Duration, now: Date
    ) async throws(ProbeFailure) -> MembershipCheck.View {
        let answer = try await HTTPProbe.get(path, at: address, trust: trust, within: limit, now: now)
        try HTTPProbe.judge(answer)
        return try read(answer.body)
    }

    /// - Throws: `.protocolError` for what is no such list.
    package static func read(_ body: [UInt8]) throws(ProbeFailure) -> MembershipCheck.View {
        let entries: [Entry]
        do {
            entries = try JSONDecoder().decode([Entry].self, fromOutside: body)
        } catch {
            throw ProbeFailure(.protocolError, "\(path) is no list of members")
        }
        return MembershipCheck.View(
            members: entries.map {
                .init(
                    name: $0.name.isEmpty ? $0.id : $0.name, isLearner: $0.learner, isLeader: $0.leader, id: $0.id, isHealthy: $0.healthy ?? true,
                    peerURLs: $0.peerURLs ?? [], clientURLs: $0.clientURLs ?? [])
            },
            term: entries.map(\.term).max() ?? 0)
    }
}
