import GRPC
import Logging
import Store

/// A cluster that speaks etcd's v3 API, as a `Store`: a real etcd 3.4 or later, or Chainfire.
///
/// etcd's limits are those of its defaults; a cluster with smaller ones refuses with `.invalid` and its own text.
package final class EtcdStore: Store {
    let client: EtcdClient

    package init(_ client: EtcdClient) { self.client = client }

    /// - Parameter endpoints: such as `https://10.0.0.1:2379`.
    /// - Throws: `EtcdError`.
    package convenience init(endpoints: [String], tls: ClientTLS? = nil, logger: Logger) throws(EtcdError) {
        self.init(try EtcdClient(endpoints: endpoints, tls: tls, logger: logger))
    }

    /// Closes the connection; watches go on elsewhere until they are cancelled.
    package func close() async { await client.close() }

    package func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        do throws(GRPCStatus) {
            let answer: Etcdserverpb_RangeResponse = try await client.call(
                "/etcdserverpb.KV/Range", Etcdserverpb_RangeRequest(request), isRead: true)
            guard isRevision(answer.header.revision) else {
                throw GRPCStatus(.unavailable, "the server's answer to a read cannot be understood: it tells of revision \(answer.header.revision)")
            }
            return RangeResult(answer)
        } catch {
            throw await explained(error, asked: request.revision ?? 0)
        }
    }

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        try transaction.validate()
        let answer: Etcdserverpb_TxnResponse
        do throws(GRPCStatus) {
            answer = try await client.call(
                "/etcdserverpb.KV/Txn", Etcdserverpb_TxnRequest(transaction), isRead: !transaction.mayChange)
        } catch {
            var asked: Revision = 0
            if case .futureRevision = StoreError(error) { asked = try await futureRevision(of: transaction) ?? 0 }
            throw await explained(error, asked: asked)
        }
        return try TransactionResult(answer)
    }

    package func compact(through revision: Revision) async throws(StoreError) {
        do throws(GRPCStatus) {
            let _: Etcdserverpb_CompactionResponse = try await client.call(
                "/etcdserverpb.KV/Compact", Etcdserverpb_CompactionRequest.with { $0.revision = revision })
        } catch {
            throw await explained(error, asked: revision)
        }
    }

    package func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        if let revision {
            // etcd tells only later, in the stream, that history is gone; a read at that revision tells now.
            do throws(StoreError) {
                _ = try await self.range(RangeRequest(.single("\0"), at: max(1, revision), countOnly: true))
            } catch {
                if case .futureRevision = error {} else { throw error }
            }
        }
        let reader = EtcdWatch(client, range, from: revision)
        try await reader.begin()
        return Watch(AsyncThrowingStream(unfolding: { try await reader.next() }))
    }

    // MARK: what etcd does not say

    /// Adds the numbers that etcd's errors lack.
    private func explained(_ status: GRPCStatus, asked: Revision) async -> StoreError {
        let told = StoreError(status)
        do throws(GRPCStatus) {
            switch told {
            case .compacted: return .compacted(oldest: try await EtcdWatch.oldestRevision(client))
            case .futureRevision: return .futureRevision(asked: asked, current: try await current())
            default: return told
            }
        } catch {
            // That it is gone is certain.
            if case .compacted = told { return .compacted(oldest: 0) }
            return StoreError(error)
        }
    }

    private func current() async throws(GRPCStatus) -> Revision {
        let request = Etcdserverpb_RangeRequest(RangeRequest(.single("\0"), countOnly: true))
        let answer: Etcdserverpb_RangeResponse = try await client.call("/etcdserverpb.KV/Range", request, isRead: true)
        return answer.header.revision
    }

    /// The first range of the branches that are taken which reads the future.
    private func futureRevision(of transaction: Transaction) async throws(StoreError) -> Revision? {
        let now: Revision
        do throws(GRPCStatus) { now = try await current() } catch { throw StoreError(error) }
        let succeeded = try await commit(Transaction(if: transaction.compares, then: [])).succeeded
        for operation in succeeded ? transaction.then : transaction.otherwise {
            switch operation {
            case .range(let request):
                if let asked = request.revision, asked > now { return asked }
            case .transaction(let inner):
                if let asked = try await futureRevision(of: inner) { return asked }
            case .put, .amend, .delete: break
            }
        }
        return nil
    }
}

extension Transaction {
    /// Whether any branch has anything but reads.
    fileprivate var mayChange: Bool {
        (then + otherwise).contains { operation in
            switch operation {
            case .range: false
            case .transaction(let inner): inner.mayChange
            case .put, .amend, .delete: true
            }
        }
    }
}
