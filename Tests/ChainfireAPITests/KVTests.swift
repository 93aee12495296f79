import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

struct KVTests {
    @Test func `what is put is read, with the revision and the ids in the header`() async throws {
        try await withMember { member in
            let put = try await member.put("foo", "bar")
            #expect(put.header.revision == 2 && put.header.memberID != 0 && put.header.raftTerm > 0)
            let got: Etcdserverpb_RangeResponse = try await member.call("etcdserverpb.KV/Range", Etcdserverpb_RangeRequest.with {
                $0.key = Data("foo".utf8)
            })
            #expect(got.kvs.map(\.value.text) == ["bar"] && got.count == 1 && !got.more)
            #expect(got.header.clusterID == put.header.clusterID && got.header.revision == 2)
        }
    }

    @Test func `requests that may not be are refused with etcd's code and text`() async throws {
        try await withMember { member in
            let empty = await member.refusal("etcdserverpb.KV/Range", Etcdserverpb_RangeRequest(), as: Etcdserverpb_RangeResponse.self)
            #expect(empty == .emptyKey)
            let sort = await member.refusal(
                "etcdserverpb.KV/Range", Etcdserverpb_RangeRequest.with {
                    $0.key = Data("a".utf8)
                    $0.sortOrder = .UNRECOGNIZED(9)
                }, as: Etcdserverpb_RangeResponse.self)
            #expect(sort == .invalidSortOption)
            let many = await member.refusal(
                "etcdserverpb.KV/Txn", Etcdserverpb_TxnRequest.with { txn in
                    txn.success = (0..<129).map { number in .with { $0.requestPut.key = Data("k\(number)".utf8) } }
                }, as: Etcdserverpb_TxnResponse.self)
            #expect(many == .tooManyOperations)
            let future = await member.refusal(
                "etcdserverpb.KV/Range", Etcdserverpb_RangeRequest.with {
                    $0.key = Data("a".utf8)
                    $0.revision = 100
                }, as: Etcdserverpb_RangeResponse.self)
            #expect(future == GRPCStatus(.outOfRange, "etcdserver: mvcc: required revision is a future revision"))
            let unknown = await member.refusal("etcdserverpb.KV/Nope", Etcdserverpb_RangeRequest(), as: Etcdserverpb_RangeResponse.self)
            #expect(unknown?.code == .unimplemented)
        }
    }

    @Test func `a request over one and a half MiB is too large, one over the port's limit is not read`() async throws {
        try await withMember { member in
            func put(_ bytes: Int) async -> GRPCStatus? {
                await member.refusal(
                    "etcdserverpb.KV/Put", Etcdserverpb_PutRequest.with {
                        $0.key = Data("big".utf8)
                        $0.value = Data(count: bytes)
                    }, as: Etcdserverpb_PutResponse.self)
            }
            let fits = await put(1 << 20)
            #expect(fits == nil)
            let large = await put(1_600_000)
            #expect(large == GRPCStatus(.invalidArgument, "etcdserver: request is too large"))
            let huge = await put(3 << 20)
            #expect(huge?.code == .resourceExhausted, "\(String(describing: huge))")
            try await member.put("small", "after")
            let http = try await member.http.post("/v3/kv/put", #"{"key":"YQ==","value":""# + String(repeating: "A", count: 5 << 20) + #""}"#)
            #expect(http.status == 413)
        }
    }

    @Test func `the revisions inside a transaction's answer are those that its operations saw`() async throws {
        try await withMember { member in
            try await member.put("a", "1")
            let answer: Etcdserverpb_TxnResponse = try await member.call("etcdserverpb.KV/Txn", Etcdserverpb_TxnRequest.with { txn in
                txn.success = [
                    .with { $0.requestRange.key = Data("a".utf8) },
                    .with { $0.requestPut.key = Data("b".utf8) },
                    .with { $0.requestRange.key = Data("b".utf8) },
                ]
            })
            #expect(answer.header.revision == 3 && answer.succeeded)
            #expect(answer.responses[0].responseRange.header.revision == 2)
            #expect(answer.responses[1].responsePut.header.revision == 3)
            #expect(answer.responses[2].responseRange.header.revision == 3)
        }
    }
}
