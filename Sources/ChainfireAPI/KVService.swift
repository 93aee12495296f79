import Chainfire
import Etcd
import GRPC
import Store

/// `etcdserverpb.KV`. The hot path: a message in, a request to the store, its callback answers. No task.
struct KVService: Sendable {
    let store: Chainfire
    let errands: Errands

    func register(in endpoints: inout Endpoints) {
        endpoints.unary("/etcdserverpb.KV/Range", ["kv/range"], range)
        endpoints.unary("/etcdserverpb.KV/Put", ["kv/put"], put)
        endpoints.unary("/etcdserverpb.KV/DeleteRange", ["kv/deleterange"], deleteRange)
        endpoints.unary("/etcdserverpb.KV/Txn", ["kv/txn"], txn)
        endpoints.unary("/etcdserverpb.KV/Compact", ["kv/compaction"], compact)
    }

    @Sendable func range(_ request: Etcdserverpb_RangeRequest, _ answer: @escaping Answer<Etcdserverpb_RangeResponse>) {
        do throws(GRPCStatus) { try request.check() } catch { return answer(.failure(error)) }
        store.range(RangeRequest(request), serializable: request.serializable) { [store] result in
            answer(result.answering { found in
                Etcdserverpb_RangeResponse(found, .init(store.header, revision: found.revision))
            })
        }
    }

    @Sendable func put(_ request: Etcdserverpb_PutRequest, _ answer: @escaping Answer<Etcdserverpb_PutResponse>) {
        do throws(GRPCStatus) { try request.check() } catch { return answer(.failure(error)) }
        let wantsPrevious = request.prevKv
        store.commit(Transaction(then: [Operation(request)])) { [store] result in
            answer(result.answering { done in
                var message = Etcdserverpb_PutResponse()
                message.header = .init(store.header, revision: done.revision)
                if wantsPrevious, case .put(let previous?)? = done.results.first { message.prevKv = Mvccpb_KeyValue(previous) }
                return message
            })
        }
    }

    @Sendable func deleteRange(
        _ request: Etcdserverpb_DeleteRangeRequest, _ answer: @escaping Answer<Etcdserverpb_DeleteRangeResponse>
    ) {
        do throws(GRPCStatus) { try request.check() } catch { return answer(.failure(error)) }
        store.commit(Transaction(then: [.delete(KeyRange(key: request.key, end: request.rangeEnd))])) { [store] result in
            answer(result.answering { done in
                guard case .delete(let previous)? = done.results.first else {
                    preconditionFailure("a delete was answered as something else")
                }
                return .init(previous: previous, to: request, .init(store.header, revision: done.revision))
            })
        }
    }

    @Sendable func txn(_ request: Etcdserverpb_TxnRequest, _ answer: @escaping Answer<Etcdserverpb_TxnResponse>) {
        do throws(GRPCStatus) { try request.check() } catch { return answer(.failure(error)) }
        store.commit(Transaction(request), serializable: request.isSerializable) { [store] result in
            answer(result.answering { done in
                TransactionAnswer.message(done, to: request, .init(store.header, revision: done.revision))
            })
        }
    }

    @Sendable func compact(
        _ request: Etcdserverpb_CompactionRequest, _ answer: @escaping Answer<Etcdserverpb_CompactionResponse>
    ) {
        errands.answer(answer) { [store] in
            try await store.compact(through: request.revision, physical: request.physical)
            var message = Etcdserverpb_CompactionResponse()
            message.header = .init(store.header)
            return message
        }
    }
}
