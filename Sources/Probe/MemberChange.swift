import Foundation
import Host
import NIOHTTP1

/// One change of the members of a Chainfire cluster. Each is safe to ask for twice.
package enum MemberChange: Hashable, Sendable, CustomStringConvertible {
    /// Ids are hexadecimal, as the page of members has them.
    case remove(id: String, name: String)
    /// Puts a new member, which has yet to come, in the place of one whose disk is gone.
    case replace(id: String, name: String, peerURLs: [String])
    /// Hands leadership over to it.
    case transfer(id: String, name: String)

    package var description: String {
        switch self {
        case .remove(let id, let name): "remove member \(id) (\(name))"
        case .replace(let id, let name, _): "replace member \(id) (\(name)) by a new one of that name"
        case .transfer(let id, let name): "hand leadership over to member \(id) (\(name))"
        }
    }

    private struct Replacement: Encodable {
        var id: String
        var name: String
        var peerURLs: [String]

        enum CodingKeys: String, CodingKey { case id, name, peerURLs = "peer_urls" }
    }

    fileprivate var request: (method: HTTPMethod, path: String, body: [UInt8]) {
        get throws {
            switch self {
            case .remove(let id, _): (.DELETE, "\(MembersPage.path)/\(id)", [])
            case .replace(let id, let name, let urls):
                (.POST, "/admin/cluster/replace", Array(try JSONEncoder().encode(Replacement(id: id, name: name, peerURLs: urls))))
            case .transfer(let id, _): (.POST, "/admin/cluster/transfer", Array(try JSONEncoder().encode(["id": id])))
            }
        }
    }
}

extension MembersPage {
    private struct Refusal: Decodable { var error: String }

    /// Asks a member, best the leader, for a change.
    /// - Parameter token: the cluster's join token, which allows it.
    /// - Throws: `.status` with the cluster's own words, the arithmetic of its voters among them, when it refuses.
    package static func change(
        _ change: MemberChange, at address: ProbeAddress, trust: ProbeTrust?, token: String, within limit: Duration, now: Date
    ) async throws(ProbeFailure) {
        let request: (method: HTTPMethod, path: String, body: [UInt8])
        do { request = try change.request } catch { throw ProbeFailure(.impossible, "\(error)") }
        let answer = try await HTTPProbe.send(
            request.method, request.path, at: address, body: request.body,
            headers: [("authorization", "Bearer \(token)"), ("content-type", "application/json")], trust: trust, within: limit, now: now)
        guard !(200..<300).contains(answer.status) else { return }
        let words = try? JSONDecoder().decode(Refusal.self, fromOutside: answer.body).error
        throw ProbeFailure(.status, words ?? "HTTP \(answer.status)")
    }
}
