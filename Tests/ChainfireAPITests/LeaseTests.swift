import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

struct LeaseTests {
    private func grant(_ member: Member, id: Int64 = 0, ttl: Int64) async throws -> Etcdserverpb_LeaseGrantResponse {
        try await member.call("etcdserverpb.Lease/LeaseGrant", Etcdserverpb_LeaseGrantRequest.with {
            $0.id = id
            $0.ttl = ttl
        })
    }

    @Test func `a lease is granted, told of, and takes its keys with it`() async throws {
        try await withMember { member in
            let chosen = try await grant(member, ttl: 60)
            #expect(chosen.id > 0 && chosen.ttl == 60)
            try await member.put("leased", "1", lease: chosen.id)
            let status: Etcdserverpb_LeaseTimeToLiveResponse = try await member.call(
                "etcdserverpb.Lease/LeaseTimeToLive", Etcdserverpb_LeaseTimeToLiveRequest.with {
                    $0.id = chosen.id
                    $0.keys = true
                })
            #expect(status.grantedTtl == 60 && (50...60).contains(status.ttl) && status.keys.map(\.text) == ["leased"])
            let _: Etcdserverpb_LeaseRevokeResponse = try await member.call(
                "etcdserverpb.Lease/LeaseRevoke", Etcdserverpb_LeaseRevokeRequest.with { $0.id = chosen.id })
            let left = try await member.keys(under: "leased")
            #expect(left == [])
            let gone = await member.refusal(
                "etcdserverpb.Lease/LeaseRevoke", Etcdserverpb_LeaseRevokeRequest.with { $0.id = chosen.id },
                as: Etcdserverpb_LeaseRevokeResponse.self)
            #expect(gone == .leaseNotFound)
        }
    }

    @Test func `ids and times to live have their limits`() async throws {
        try await withMember { member in
            _ = try await grant(member, id: 9, ttl: 60)
            let twice = await member.refusal(
                "etcdserverpb.Lease/LeaseGrant", Etcdserverpb_LeaseGrantRequest.with {
                    $0.id = 9
                    $0.ttl = 60
                }, as: Etcdserverpb_LeaseGrantResponse.self)
            #expect(twice == GRPCStatus(.failedPrecondition, "etcdserver: lease already exists"))
            let long = await member.refusal(
                "etcdserverpb.Lease/LeaseGrant", Etcdserverpb_LeaseGrantRequest.with { $0.ttl = 9_000_000_001 },
                as: Etcdserverpb_LeaseGrantResponse.self)
            #expect(long == .leaseTTLTooLarge)
            let short = try await grant(member, ttl: 0)
            #expect(short.ttl >= 1)
        }
    }

    @Test func `keepalives are answered in order, and the stream ends with its client`() async throws {
        try await withMember { member in
            _ = try await grant(member, id: 9, ttl: 60)
            let stream: ClientStream<Etcdserverpb_LeaseKeepAliveRequest, Etcdserverpb_LeaseKeepAliveResponse> =
                member.grpc.stream("/etcdserverpb.Lease/LeaseKeepAlive", within: .seconds(20))
            for id in [9, 5, 9] as [Int64] { try await stream.send(.with { $0.id = id }) }
            stream.halfClose()
            var answers: [[Int64]] = []
            while let answer = try await stream.next() { answers.append([answer.id, answer.ttl]) }
            #expect(answers == [[9, 60], [5, 0], [9, 60]])
        }
    }
}
