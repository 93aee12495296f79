import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

struct LockTests {
    private func lock(_ member: Member, _ name: String, lease: Int64 = 0) async throws -> V3lockpb_LockResponse {
        try await member.call("v3lockpb.Lock/Lock", V3lockpb_LockRequest.with {
            $0.name = Data(name.utf8)
            $0.lease = lease
        })
    }

    private func unlock(_ member: Member, _ key: Data) async throws {
        let _: V3lockpb_UnlockResponse = try await member.call("v3lockpb.Lock/Unlock", V3lockpb_UnlockRequest.with { $0.key = key })
    }

    @Test func `a lock is held by one at a time, in the order of arrival`() async throws {
        try await withMember { member in
            let held = try await withThrowingTaskGroup(of: Int64.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let lock = try await lock(member, "l")
                        let before: Etcdserverpb_PutResponse = try await member.put("inside", "1")
                        let after: Etcdserverpb_RangeResponse = try await member.call(
                            "etcdserverpb.KV/Range", Etcdserverpb_RangeRequest.with { $0.key = Data("inside".utf8) })
                        #expect(after.kvs.first?.modRevision == before.header.revision, "another was inside")
                        try await unlock(member, lock.key)
                        return before.header.revision
                    }
                }
                return try await group.reduce(into: [Int64]()) { $0.append($1) }
            }
            #expect(Set(held).count == 8)
            let left = try await member.keys(under: "l/")
            #expect(left == [])
        }
    }

    @Test func `who waits and goes away gives up its place`() async throws {
        try await withMember { member in
            let first = try await lock(member, "l")
            let waiting = Task { try await lock(member, "l") }
            while try await member.keys(under: "l/").count < 2 { await Task.yield() }
            waiting.cancel()
            _ = await waiting.result
            while try await member.keys(under: "l/").count > 1 { await Task.yield() }
            try await unlock(member, first.key)
            let next = try await lock(member, "l")
            #expect(next.key != first.key)
        }
    }

    @Test func `the same lease has the lock already`() async throws {
        try await withMember { member in
            let _: Etcdserverpb_LeaseGrantResponse = try await member.call(
                "etcdserverpb.Lease/LeaseGrant", Etcdserverpb_LeaseGrantRequest.with {
                    $0.id = 0xabc
                    $0.ttl = 60
                })
            let first = try await lock(member, "l", lease: 0xabc)
            let again = try await lock(member, "l", lease: 0xabc)
            #expect(first.key.text == "l/abc" && again.key == first.key)
        }
    }

    @Test func `an election has one leader, who is observed, proclaims and resigns`() async throws {
        try await withMember { member in
            func campaign(_ value: String) async throws -> V3electionpb_LeaderKey {
                let answer: V3electionpb_CampaignResponse = try await member.call(
                    "v3electionpb.Election/Campaign", V3electionpb_CampaignRequest.with {
                        $0.name = Data("e".utf8)
                        $0.value = Data(value.utf8)
                    })
                return answer.leader
            }
            let observer: ClientStream<V3electionpb_LeaderRequest, V3electionpb_LeaderResponse> =
                member.grpc.stream("/v3electionpb.Election/Observe", within: .seconds(30))
            try await observer.send(.with { $0.name = Data("e".utf8) })
            observer.halfClose()
            let first = try await campaign("one")
            let heardFirst = try await observer.next()
            #expect(heardFirst?.kv.value.text == "one")
            let _: V3electionpb_ProclaimResponse = try await member.call(
                "v3electionpb.Election/Proclaim", V3electionpb_ProclaimRequest.with {
                    $0.leader = first
                    $0.value = Data("uno".utf8)
                })
            let heardProclaim = try await observer.next()
            #expect(heardProclaim?.kv.value.text == "uno")
            let second = Task { try await campaign("two") }
            while try await member.keys(under: "e/").count < 2 { await Task.yield() }
            let _: V3electionpb_ResignResponse = try await member.call(
                "v3electionpb.Election/Resign", V3electionpb_ResignRequest.with { $0.leader = first })
            let key = try await second.value
            let leader: V3electionpb_LeaderResponse = try await member.call(
                "v3electionpb.Election/Leader", V3electionpb_LeaderRequest.with { $0.name = Data("e".utf8) })
            #expect(leader.kv.key == key.key && leader.kv.value.text == "two")
            let heardSecond = try await observer.next()
            #expect(heardSecond?.kv.value.text == "two")
            observer.cancel()
        }
    }
}
