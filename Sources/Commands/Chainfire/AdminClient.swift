import Foundation
import GRPC
import Manifest

/// Speaks with `/admin/cluster` of a member: where members are added, replaced and joined. Refusals come with the
/// arithmetic of the voters.
struct AdminClient: Sendable {
    var cluster: ClusterClient

    /// - Parameters:
    ///   - body: nil sends GET.
    /// - Throws: `Failure` with what the member said, or with each that could not be reached.
    func send(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        let cluster = method == "GET" || self.cluster.endpoints.count == 1 ? self.cluster : await self.cluster.leaderFirst()
        var told: [String] = []
        for endpoint in cluster.endpoints {
            let answer: HTTPCall.Answer
            do throws(GRPCStatus) {
                answer = try await HTTPCall.send(
                    .init(rawValue: method), url: endpoint.scalarText + path, body: body.map { $0.encoded() } ?? [],
                    headers: [("content-type", "application/json")],
                    tls: endpoint.isSecure == true ? cluster.tls ?? ClientTLS() : nil, timeout: cluster.timeout ?? .seconds(3600))
            } catch {
                told.append("\(endpoint): \(error.message)")
                guard error.isUnsent else {
                    if method != "GET" { told.append(ClusterClient.notKnown) }
                    break
                }
                continue
            }
            return try read(answer.status, answer.body, of: endpoint)
        }
        throw Failure(told.joined(separator: "\nplasma: "))
    }

    private func read(_ status: Int, _ body: [UInt8], of endpoint: MemberURL) throws -> JSON {
        guard let document = try? JSON(parsing: body) else {
            throw Failure("\(endpoint) is no Chainfire: it answers \(status) and no JSON; the verbs that change members need one")
        }
        guard (200..<300).contains(status) else {
            throw Failure("refused by \(endpoint): \(document["error"]?.string ?? "status \(status)")")
        }
        return document
    }
}
