import Chainfire
import Foundation

/// What `/admin/cluster` speaks: JSON with names in snake_case; ids are hexadecimal text, as etcdctl prints them.
enum AdminMessages {
    struct Member: Encodable {
        var id: String
        var name: String
        var peerURLs: [String]
        var clientURLs: [String]
        var isLearner: Bool
        var isHealthy: Bool
        var isLeader: Bool
        var term: UInt64
        /// How far its log agrees with the leader's; only the leader knows that of the others.
        var matchIndex: UInt64?
        var appliedIndex: UInt64?
        var commitIndex: UInt64?

        enum CodingKeys: String, CodingKey {
            case id, name, peerURLs = "peer_urls", clientURLs = "client_urls", isLearner = "learner", isHealthy = "healthy"
            case isLeader = "leader", term, matchIndex = "match_index", appliedIndex = "applied_index"
            case commitIndex = "commit_index"
        }
    }

    /// What a new member needs to begin.
    struct Ticket: Encodable {
        struct Record: Encodable {
            var id: String
            var name: String
            var peerURLs: [String]
            var clientURLs: [String]
            var isLearner: Bool
            /// Not there: it has not told yet with which disk it votes.
            var incarnation: String?

            enum CodingKeys: String, CodingKey {
                case id, name, peerURLs = "peer_urls", clientURLs = "client_urls", isLearner = "is_learner", incarnation
            }
        }

        var clusterID: String
        var memberID: String
        var members: [Record]

        enum CodingKeys: String, CodingKey { case clusterID = "cluster_id", memberID = "member_id", members }

        init(_ ticket: JoinTicket) {
            clusterID = AdminMessages.text(ticket.clusterID)
            memberID = AdminMessages.text(ticket.memberID)
            members = ticket.members.map {
                Record(
                    id: AdminMessages.text($0.id), name: $0.name, peerURLs: $0.peerURLs, clientURLs: $0.clientURLs,
                    isLearner: $0.isLearner, incarnation: $0.incarnation == 0 ? nil : AdminMessages.text($0.incarnation))
            }
        }
    }

    struct Join: Decodable {
        var name: String
        var peerURLs: [String]
        var clientURLs: [String]?
        var token: String?

        enum CodingKeys: String, CodingKey { case name, peerURLs = "peer_urls", clientURLs = "client_urls", token }
    }

    struct Add: Decodable {
        var name: String?
        var peerURLs: [String]
        /// Without it a member enters as a learner and promotes itself when it has caught up.
        var isLearner: Bool?
        var promotes: Bool?

        enum CodingKeys: String, CodingKey { case name, peerURLs = "peer_urls", isLearner = "learner", promotes }
    }

    struct Replace: Decodable {
        var id: String?
        var peerURLs: [String]
        var name: String?

        enum CodingKeys: String, CodingKey { case id, peerURLs = "peer_urls", name }
    }

    struct Transfer: Decodable {
        var id: String
    }

    struct Problem: Encodable {
        var error: String
    }

    static func text(_ id: UInt64) -> String { String(id, radix: 16) }

    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
        } catch {
            preconditionFailure("\(type(of: value)) has no JSON: \(error)")
        }
    }
}
