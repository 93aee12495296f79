import Etcd
import Foundation
import GRPC
import SwiftProtobuf
import Testing
@testable import ChainfireAPI

/// The same requests to Debian's etcd and to Chainfire: the same answers, up to ids and terms.
@Suite(.serialized, .enabled(if: RealEtcd.program != nil, "there is no etcd on the PATH"))
struct DifferentialTests {
    /// What must differ: who answered, and the versions and sizes of the two stores.
    private static let apart: Set<String> = ["cluster_id", "member_id", "raft_term", "dbSize", "dbSizeInUse", "raftIndex",
        "raftAppliedIndex", "raftTerm", "leader", "hash", "memberID", "peerURLs", "clientURLs", "name"]

    private static func normal(_ value: Any?) -> String {
        switch value {
        case let object as [String: Any]:
            "{" + object.filter { !apart.contains($0.key) }.sorted { $0.key < $1.key }.map { "\($0.key):\(normal($0.value))" }
                .joined(separator: ",") + "}"
        case let list as [Any]: "[" + list.map(normal).joined(separator: ",") + "]"
        case nil: "-"
        case .some(let other): "\(other)"
        }
    }

    @Test func `the JSON gateway answers as etcd's does`() async throws {
        let etcd = try await RealEtcd()
        let real = HTTPProbe(port: etcd.port)
        try await withMember { member in
            for line in gatewayCases {
                let (path, body) = (String(line.prefix { $0 != " " }), String(line.drop { $0 != " " }.dropFirst()))
                let wanted = try await real.post(path, body)
                let given = try await member.http.post(path, body)
                #expect(given.status == wanted.status, "\(line): \(given.body) against \(wanted.body)")
                // Alarms have a header since etcd 3.5, whose answers these are.
                let texts = [given, wanted].map { answer in
                    var object = answer.json as? [String: Any]
                    if path == "/v3/maintenance/alarm" { object?["header"] = nil }
                    return Self.normal(object ?? answer.json)
                }
                #expect(texts[0] == texts[1], "\(line)")
            }
            // Of malformed JSON only the code is the same: its text is the JSON library's.
            for line in malformedCases {
                let (path, body) = (String(line.prefix { $0 != " " }), String(line.drop { $0 != " " }.dropFirst()))
                let wanted = try await real.post(path, body)
                let given = try await member.http.post(path, body)
                #expect(given.status == wanted.status, "\(line): \(given.body) against \(wanted.body)")
                let codes = [given, wanted].map { ($0.json as? [String: Any])?["code"] as? Int }
                #expect(codes[0] == codes[1] && codes[0] != nil, "\(line)")
            }
            for (path, body, lines) in streamCases {
                let wanted = try await real.send(.POST, path, body, lines: lines)
                let given = try await member.http.send(.POST, path, body, lines: lines)
                #expect(given.status == wanted.status, "\(path) \(body)")
                let texts = [given, wanted].map { answer in
                    answer.lines.map { Self.normal(try? JSONSerialization.jsonObject(with: Data($0.utf8))) }
                }
                #expect(texts[0] == texts[1], "\(path) \(body)")
            }
            for path in ["/v3/kv/put/", "/v3/nope", "/v3alpha/kv/range", "/nope"] {
                let (wanted, given) = (try await real.post(path, "{}"), try await member.http.post(path, "{}"))
                #expect(given.status == wanted.status && given.body == wanted.body, "\(path)")
            }
            for path in ["/v3/kv/put", "/v3/watch"] {
                let (wanted, given) = (try await real.get(path), try await member.http.get(path))
                #expect(given.status == wanted.status && given.body == wanted.body, "\(path)")
            }
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2, 3])
    func `random requests over gRPC are answered as etcd answers them`(seed: UInt64) async throws {
        let etcd = try await RealEtcd()
        let real = try await GRPCClient.connect(host: "127.0.0.1", port: etcd.port)
        try await withMember { member in
            var script = RandomRequests(seed: seed)
            for step in 0..<400 {
                let request = script.next()
                let wanted = await request.answer(real)
                let given = await request.answer(member.grpc)
                // A transaction with several faults may be refused for another of them.
                if request.isTransaction, given.isRefusal, wanted.isRefusal { continue }
                #expect(given == wanted, "seed \(seed), step \(step): \(request)")
                if given != wanted { return }
            }
        }
        await real.close()
    }
}
