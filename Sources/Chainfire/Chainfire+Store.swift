import Dispatch
import Replica
import Store
import Synchronization

/// Reads, writes and watches. Callbacks are the hot path: they are called on the caller's thread when the answer is
/// known at once, else on a thread of ours, and must not block.
extension Chainfire {
    /// For an answer's header. The numbers never go backwards.
    package var header: Header {
        Header(
            clusterID: machine.identity.clusterID, memberID: machine.identity.memberID,
            revision: machine.revision.load(ordering: .acquiring), term: replica.term)
    }

    /// Evaluates the compares and carries out one of the two branches. A success is durable on a majority.
    /// - Parameter serializable: one that only reads does so from this member as it is, which may lag behind.
    package func commit(
        _ transaction: Transaction, serializable: Bool = false, _ answer: @escaping @Sendable (Result<TransactionResult, StoreError>) -> Void
    ) {
        do throws(StoreError) {
            try transaction.validate()
            if transaction.mayGrow { try checkRoom(transaction) }
        } catch {
            return answer(.failure(error))
        }
        if transaction.isReadOnly { return readTransaction(transaction, serializable: serializable, answer) }
        propose(.transaction(transaction)) { result in
            answer(result.flatMap { outcome in
                guard case .committed(let result) = outcome else {
                    preconditionFailure("a transaction was answered as something else")
                }
                return .success(result)
            })
        }
    }

    /// Reads keys as they were at one revision.
    /// - Parameter serializable: from this member as it is, which may lag behind; otherwise linearizable.
    package func range(
        _ request: RangeRequest, serializable: Bool, _ answer: @escaping @Sendable (Result<RangeResult, StoreError>) -> Void
    ) {
        // What many keys are made into takes long, and this may be the thread that the members hear from.
        let answer: @Sendable (Result<RangeResult, StoreError>) -> Void = { result in
            guard case .success(let found) = result, found.entries.count > Self.entriesAtOnce else { return answer(result) }
            DispatchQueue.global(qos: .userInitiated).async { answer(result) }
        }
        if serializable || mayReadAtOnce { return machine.range(request, answer) }
        barrier { [machine] result in
            switch result {
            case .success: machine.range(request, answer)
            case .failure(let error): answer(.failure(error))
            }
        }
    }

    private static let entriesAtOnce = 500

    private func readTransaction(
        _ transaction: Transaction, serializable: Bool, _ answer: @escaping @Sendable (Result<TransactionResult, StoreError>) -> Void
    ) {
        let read: @Sendable () -> Void = { [machine] in
            machine.inBackground { answer(Result { () throws(StoreError) in try machine.read(transaction) }) }
        }
        if serializable { return read() }
        barrier { result in
            switch result {
            case .success: read()
            case .failure(let error): answer(.failure(error))
            }
        }
    }

    /// What this member has applied is all that anybody was told.
    private var mayReadAtOnce: Bool { machine.isAlone.load(ordering: .acquiring) && machine.hasRead.load(ordering: .acquiring) }

    /// Something was just applied, or its turn to be read: if this member leads by itself, nobody was told of anything that came later. Who
    /// is alone and does not lead yet may be told of more by the leader that made it so.
    private func noteRead() {
        guard !machine.hasRead.load(ordering: .relaxed), machine.isAlone.load(ordering: .acquiring), replica.status.leadership != nil else { return }
        machine.hasRead.store(true, ordering: .releasing)
    }

    /// Answers when this member has applied everything that was acknowledged before it was called.
    func barrier(_ answer: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
        if mayReadAtOnce { return answer(.success(())) }
        replica.read { [self] result in
            switch result {
            case .success:
                noteRead()
                answer(.success(()))
            case .failure(let error): answer(.failure(error == .stopped ? .unavailable(Machine.stopped) : StoreError(error)))
            }
        }
    }

    func barrier() async throws(StoreError) {
        let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
            barrier { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    /// Refuses at once what would be refused anyway, so that it does not fill the log.
    private func checkRoom(_ transaction: Transaction) throws(StoreError) {
        guard !machine.hasSpaceAlarm.load(ordering: .relaxed) else { throw .noSpace }
        let live = machine.liveBytes.load(ordering: .relaxed)
        guard options.quotaBytes > 0, live + transaction.payloadBytes > options.quotaBytes else { return }
        if !alarmIsAsked.exchange(true, ordering: .relaxed) {
            let alarm = Alarm(memberID: machine.identity.memberID, kind: .noSpace)
            propose(.alarm(isRaised: true, alarm)) { [alarmIsAsked = self] _ in
                alarmIsAsked.alarmIsAsked.store(false, ordering: .relaxed)
            }
        }
        throw .noSpace
    }

    func propose(_ command: StoreCommand, _ answer: @escaping @Sendable (Result<Machine.Outcome, StoreError>) -> Void) {
        // What waits for room must not grow; leases go on, and what makes room is welcome.
        guard !command.grows || !machine.isFull.load(ordering: .relaxed) else { return answer(.failure(.noSpace)) }
        guard gate.enter() else { return answer(.failure(Gate.closed)) }
        replica.propose(command.encoded) { [self] result in
            gate.leave()
            if case .success = result { noteRead() }
            switch result {
            case .success(.refused(let error)): answer(.failure(error))
            case .success(let outcome): answer(.success(outcome))
            case .failure(let error): answer(.failure(StoreError(error)))
            }
        }
    }

    @discardableResult
    func propose(_ command: StoreCommand) async throws(StoreError) -> Machine.Outcome {
        let result: Result<Machine.Outcome, StoreError> = await withCheckedContinuation { continuation in
            propose(command) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}

extension Chainfire {
    package func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        let result: Result<RangeResult, StoreError> = await withCheckedContinuation { continuation in
            range(request, serializable: false) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        let result: Result<TransactionResult, StoreError> = await withCheckedContinuation { continuation in
            commit(transaction) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    package func compact(through revision: Revision) async throws(StoreError) {
        try await compact(through: revision, physical: false)
    }

    /// - Parameter physical: returns only when what was forgotten is deleted from this member's disk, too.
    package func compact(through revision: Revision, physical: Bool) async throws(StoreError) {
        try await propose(.compaction(revision))
        guard physical else { return }
        do { try await offThread { [machine] in try machine.deleteGarbage() } } catch { throw .unavailable("\(error)") }
    }

    package func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        // "Now" is after everything that was acknowledged.
        if revision == nil { try await barrier() }
        let bell = WatchBell()
        let watcher = try openWatcher(range, from: revision, listener: WatchSignal { bell.ring() })
        return Watch(AsyncThrowingStream {
            while !Task.isCancelled {
                if let page = try watcher.next()?.page { return WatchBatch(revision: page.revision, events: page.events) }
                await bell.wait()
            }
            return nil
        })
    }

    /// Opens a watcher that is asked for its pages; see `Machine.openWatcher`.
    package func openWatcher(
        _ range: KeyRange, from revision: Revision?, options: WatcherOptions = WatcherOptions(), listener: any WatchListener,
        tag: UInt64 = 0
    ) throws(StoreError) -> Watcher {
        try machine.openWatcher(range, from: revision, options: options, listener: listener, tag: tag)
    }

    /// For a request of progress on a whole stream: the store's revision, when every watcher of the stream was given
    /// everything up to it; nil: take what is left with `next`, and ask again.
    package func progress(of watchers: [Watcher]) -> Revision? { machine.progress(of: watchers) }
}

/// What comes with every answer.
package struct Header: Hashable, Sendable {
    package var clusterID: UInt64
    package var memberID: UInt64
    package var revision: Revision
    package var term: UInt64
}

extension StoreError {
    /// etcd's words (`api/v3rpc/rpctypes/error.go`).
    init(_ error: ReplicaError) {
        switch error {
        case .noSpace: self = .noSpace
        case .tooLarge: self = .invalid("etcdserver: request is too large")
        case .overloaded: self = .exhausted("etcdserver: too many requests")
        case .timedOut: self = .unavailable("etcdserver: request timed out")
        case .noLeader: self = .unavailable("etcdserver: no leader")
        case .notLeader: self = .precondition("etcdserver: not leader", detail: error.description)
        case .changeRefused(let why): self = .precondition(why)
        case .stopped: self = Gate.closed
        case .locked, .corrupt, .mismatch, .storage: self = .unavailable(error.description)
        }
    }
}
