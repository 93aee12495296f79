import Chainfire
import Etcd
import Foundation
import GRPC
import Store

/// `v3electionpb.Election`: who has the oldest key under the name leads, and its value is what it proclaims.
struct ElectionService: Sendable {
    private static let noLeader = GRPCStatus(.unknown, "election: no leader")
    private static let expired = GRPCStatus(.unknown, "election: session is expired")
    private static let notLeader = GRPCStatus(.unknown, "election: not leader")
    private static let leaderMissing = GRPCStatus(.unknown, #""leader" field must be provided"#)

    let store: Chainfire
    let errands: Errands

    func register(in endpoints: inout Endpoints) {
        endpoints.stream("/v3electionpb.Election/Campaign", ["election/campaign"], isUnary: true) { [self] sink in
            WaitingCall<V3electionpb_CampaignRequest>(errands, sink) { request in
                do {
                    sink.send(try await campaign(request))
                } catch {
                    throw GRPCStatus.ofRecipe(error)
                }
            }
        }
        endpoints.stream("/v3electionpb.Election/Observe", ["election/observe"], takesOne: true) { [self] sink in
            WaitingCall<V3electionpb_LeaderRequest>(errands, sink) { try await observe($0, sink) }
        }
        endpoints.unary("/v3electionpb.Election/Proclaim", ["election/proclaim"]) {
            [self] (request: V3electionpb_ProclaimRequest, answer: @escaping Answer<V3electionpb_ProclaimResponse>) in
            answerRecipe(answer) { try await proclaim(request) }
        }
        endpoints.unary("/v3electionpb.Election/Leader", ["election/leader"]) {
            [self] (request: V3electionpb_LeaderRequest, answer: @escaping Answer<V3electionpb_LeaderResponse>) in
            answerRecipe(answer) { try await leader(request) }
        }
        endpoints.unary("/v3electionpb.Election/Resign", ["election/resign"]) {
            [self] (request: V3electionpb_ResignRequest, answer: @escaping Answer<V3electionpb_ResignResponse>) in
            answerRecipe(answer) { try await resign(request) }
        }
    }

    private func answerRecipe<Message: Sendable>(_ answer: @escaping Answer<Message>, _ body: @escaping @Sendable () async throws -> Message) {
        errands.answer(answer) {
            do { return try await body() } catch { throw GRPCStatus.ofRecipe(error) }
        }
    }

    private func campaign(_ request: V3electionpb_CampaignRequest) async throws -> V3electionpb_CampaignResponse {
        let contest = Contest(store, name: request.name)
        let place = try await contest.enter(value: [UInt8](request.value), lease: request.lease)
        let key = V3electionpb_LeaderKey.with {
            $0.name = request.name
            $0.key = Data(place.key.bytes)
            $0.rev = place.created
            $0.lease = place.lease
        }
        if let held = place.heldBefore, held.value != [UInt8](request.value) {
            _ = try await replaceValue(of: key, [UInt8](request.value))
        }
        _ = try await contest.waitForTurn(place)
        try await contest.confirm(place, orThrow: Self.expired)
        return .with {
            // As etcd's: of when it took its place, whatever it waited for.
            $0.header = .init(store.header, revision: place.revision)
            $0.leader = key
        }
    }

    private func proclaim(_ request: V3electionpb_ProclaimRequest) async throws -> V3electionpb_ProclaimResponse {
        guard request.hasLeader else { throw Self.leaderMissing }
        let revision = try await replaceValue(of: request.leader, [UInt8](request.value))
        return .with { $0.header = .init(store.header, revision: revision) }
    }

    private func replaceValue(of leader: V3electionpb_LeaderKey, _ value: [UInt8]) async throws -> Revision {
        let key = Key([UInt8](leader.key))
        let done = try await store.commit(Transaction(
            if: [Compare(key, .equal, .createRevision(leader.rev))], then: [.put(key, value, lease: leader.lease)]))
        guard done.succeeded else { throw Self.notLeader }
        return done.revision
    }

    private func resign(_ request: V3electionpb_ResignRequest) async throws -> V3electionpb_ResignResponse {
        guard request.hasLeader else { throw Self.leaderMissing }
        let key = Key([UInt8](request.leader.key))
        let done = try await store.commit(Transaction(
            if: [Compare(key, .equal, .createRevision(request.leader.rev))], then: [.delete(key)]))
        return .with { $0.header = .init(store.header, revision: done.revision) }
    }

    private func leader(_ request: V3electionpb_LeaderRequest) async throws -> V3electionpb_LeaderResponse {
        let (entry, revision) = try await Contest(store, name: request.name).first()
        guard let entry else { throw Self.noLeader }
        return .with {
            $0.header = .init(store.header, revision: revision)
            $0.kv = Mvccpb_KeyValue(entry)
        }
    }

    /// Tells who leads now and every later leader and value; of a leader that was followed by another before it was
    /// looked at, nothing is told.
    private func observe(_ request: V3electionpb_LeaderRequest, _ sink: any Sink) async throws {
        let contest = Contest(store, name: request.name)
        while true {
            let (found, revision) = try await contest.first()
            guard let found else {
                try await waitForPut(under: contest.prefix, after: revision)
                continue
            }
            try await tell(found, revision, sink)
            try await follow(found, from: revision + 1, sink)
        }
    }

    private func waitForPut(under prefix: Key, after revision: Revision) async throws {
        for try await batch in try await store.watch(.prefix(prefix), from: revision + 1) {
            if batch.events.contains(where: { !$0.isDelete }) { return }
        }
        throw CancellationError()
    }

    /// Returns when this leader's key is gone.
    private func follow(_ leader: Entry, from revision: Revision, _ sink: any Sink) async throws {
        for try await batch in try await store.watch(.single(leader.key), from: revision) {
            for event in batch.events {
                guard case .put(let entry, _) = event else { return }
                try await tell(entry, batch.revision, sink)
            }
        }
        throw CancellationError()
    }

    private func tell(_ entry: Entry, _ revision: Revision, _ sink: any Sink) async throws {
        try await sink.waitUntilWritable()
        sink.send(V3electionpb_LeaderResponse.with {
            $0.header = .init(store.header, revision: revision)
            $0.kv = Mvccpb_KeyValue(entry)
        })
    }
}
