import Chainfire
import Crypto
import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

struct MaintenanceTests {
    @Test func `a snapshot comes whole and with its digest`() async throws {
        try await withMember { member in
            for number in 0..<50 { try await member.put("k\(number)", String(repeating: "v", count: 5000)) }
            let stream: ClientStream<Etcdserverpb_SnapshotRequest, Etcdserverpb_SnapshotResponse> =
                member.grpc.stream("/etcdserverpb.Maintenance/Snapshot", within: .seconds(30))
            try await stream.send(.init())
            stream.halfClose()
            var pieces: [Etcdserverpb_SnapshotResponse] = []
            while let piece = try await stream.next() { pieces.append(piece) }
            let last = pieces.popLast()
            let digest = try #require(last).blob
            var expected = SHA256()
            var left = pieces.reduce(0) { $0 + $1.blob.count }
            #expect(left > 250_000 && left % 512 == 0)
            for piece in pieces {
                left -= piece.blob.count
                #expect(piece.remainingBytes == UInt64(left))
                expected.update(data: piece.blob)
            }
            let wanted = Array(expected.finalize())
            #expect(Array(digest) == wanted)
        }
    }

    @Test func `the status, hashes and defragmentation answer`() async throws {
        try await withMember { member in
            try await member.put("a", "1")
            let status: Etcdserverpb_StatusResponse = try await member.call("etcdserverpb.Maintenance/Status", Etcdserverpb_StatusRequest())
            #expect(status.leader == status.header.memberID && status.raftTerm > 0 && status.raftAppliedIndex > 0)
            #expect(status.version == MaintenanceService.version && status.errors.isEmpty && status.dbSize > 0)
            let hash: Etcdserverpb_HashResponse = try await member.call("etcdserverpb.Maintenance/Hash", Etcdserverpb_HashRequest())
            #expect(hash.header.revision == 2)
            let first: Etcdserverpb_HashKVResponse = try await member.call("etcdserverpb.Maintenance/HashKV", Etcdserverpb_HashKVRequest())
            let _: Etcdserverpb_DefragmentResponse = try await member.call(
                "etcdserverpb.Maintenance/Defragment", Etcdserverpb_DefragmentRequest())
            let second: Etcdserverpb_HashKVResponse = try await member.call("etcdserverpb.Maintenance/HashKV", Etcdserverpb_HashKVRequest())
            #expect(first.hash == second.hash && first.compactRevision == -1)
        }
    }

    @Test func `a full store raises its alarm, says so to everybody, and is well again when there is room`() async throws {
        var small = ChainfireOptions()
        small.quotaBytes = 400_000
        try await withMember(store: small) { member in
            func alarms() async throws -> [Etcdserverpb_AlarmType] {
                let answer: Etcdserverpb_AlarmResponse = try await member.call(
                    "etcdserverpb.Maintenance/Alarm", Etcdserverpb_AlarmRequest())
                return answer.alarms.map(\.alarm)
            }
            func put(_ number: Int) async -> GRPCStatus? {
                await member.refusal(
                    "etcdserverpb.KV/Put", Etcdserverpb_PutRequest.with {
                        $0.key = Data("full/\(number)".utf8)
                        $0.value = Data(count: 20_000)
                    }, as: Etcdserverpb_PutResponse.self)
            }
            var refusal: GRPCStatus?
            for number in 0..<40 where refusal == nil { refusal = await put(number) }
            #expect(refusal == GRPCStatus(.resourceExhausted, "etcdserver: mvcc: database space exceeded"))
            // The leader raises it through the log, a tick later.
            while try await alarms() != [.nospace] { await Task.yield() }
            let lease = await member.refusal("etcdserverpb.Lease/LeaseGrant", Etcdserverpb_LeaseGrantRequest.with { $0.ttl = 60 }, as: Etcdserverpb_LeaseGrantResponse.self)
            #expect(lease == refusal)
            let sick = try await member.http.get("/health")
            #expect(sick.status == 503 && sick.body == #"{"health":"false","reason":"ALARM NOSPACE"}"#)
            let excluded = try await member.http.get("/health?exclude=NOSPACE")
            #expect(excluded.status == 200 && excluded.body == #"{"health":"true"}"#)
            let read = try await member.keys(under: "full/")
            #expect(!read.isEmpty)
            _ = try await member.http.send(.DELETE, "/api/v1/kv/full/?prefix=true", "")
            while try await !alarms().isEmpty { await Task.yield() }
            let well = try await member.http.get("/health")
            #expect(well.status == 200)
            let again = await put(0)
            #expect(again == nil)
        }
    }

    @Test func `health is served over gRPC`() async throws {
        try await withMember { member in
            let health: Grpc_Health_V1_HealthCheckResponse = try await member.call(
                "grpc.health.v1.Health/Check", Grpc_Health_V1_HealthCheckRequest())
            #expect(health.status == .serving)
            let unknown = await member.refusal(
                "grpc.health.v1.Health/Check", Grpc_Health_V1_HealthCheckRequest.with { $0.service = "nope" },
                as: Grpc_Health_V1_HealthCheckResponse.self)
            #expect(unknown == GRPCStatus(.notFound, "unknown service"))
        }
    }

    @Test func `leadership is handed only to a voter, and asked only of the leader`() async throws {
        try await withMember { member in
            let bad = await member.refusal(
                "etcdserverpb.Maintenance/MoveLeader", Etcdserverpb_MoveLeaderRequest.with { $0.targetID = 5 },
                as: Etcdserverpb_MoveLeaderResponse.self)
            #expect(bad == .badTransferee)
        }
    }
}
