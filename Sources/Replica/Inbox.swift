import Dispatch
import Glibc
import Raft
import Synchronization

/// Where many threads leave what is to be done, and one takes it all at once.
final class Inbox<Output: Sendable>: Sendable {
    typealias Answer = @Sendable (Result<Output, ReplicaError>) -> Void
    typealias Done = @Sendable (Result<Void, ReplicaError>) -> Void

    enum Item: Sendable {
        case propose([UInt8], Answer)
        case change(ConfigurationChange, Answer)
        case read(Done)
        case transfer(to: UInt64, Done)
        case received([PeerMessage])
        case met(UInt64)
        case lost(UInt64)
        case snapshotMade(Result<SnapshotFile, ReplicaError>)
        case checkpointMade(Result<UInt64, ReplicaError>)
        case partKept(SnapshotPart, SnapshotPart.Outcome)
        /// Nothing that comes with it or after it is taken.
        case mustEnd(ReplicaError)

        func refuse(_ error: ReplicaError) {
            switch self {
            case .propose(_, let answer), .change(_, let answer): answer(.failure(error))
            case .read(let done), .transfer(_, let done): done(.failure(error))
            case .received, .met, .lost, .snapshotMade, .checkpointMade, .partKept, .mustEnd: break
            }
        }
    }

    private struct State {
        var waiting: [Item] = []
        /// Of all proposals without an answer.
        var bytes = 0
        /// Messages of others that wait.
        var messages = 0
        var dropped = 0
        var readerSleeps = false
        var isStopping = false
        /// What later items are told once nobody reads any more.
        var ended: ReplicaError?
    }

    private let state = Mutex(State())
    private let bell = DispatchSemaphore(value: 0)
    private let bytesMax: Int
    private let messagesMax: Int

    init(bytesMax: Int, messagesMax: Int = 8192) {
        self.bytesMax = bytesMax
        self.messagesMax = messagesMax
    }

    func put(_ item: Item) {
        let (refusal, mustRing) = state.withLock { state -> (ReplicaError?, Bool) in
            if let ended = state.ended { return (ended, false) }
            switch item {
            case .propose(let bytes, _):
                if state.isStopping { return (.stopped, false) }
                guard state.bytes + bytes.count <= bytesMax || state.bytes == 0 else {
                    return (.overloaded(bytesWaiting: state.bytes), false)
                }
                state.bytes += bytes.count
            case .change, .read, .transfer:
                if state.isStopping { return (.stopped, false) }
            case .received(let messages):
                // Who sends more than this member can take sends it again.
                guard state.messages + messages.count <= messagesMax || state.messages == 0 else {
                    state.dropped += messages.count
                    return (nil, false)
                }
                state.messages += messages.count
            case .met, .lost, .snapshotMade, .checkpointMade, .partKept, .mustEnd: break
            }
            state.waiting.append(item)
            defer { state.readerSleeps = false }
            return (nil, state.readerSleeps)
        }
        if let refusal { item.refuse(refusal) }
        if mustRing { bell.signal() }
    }

    /// Asks the reader to end. What waits is refused by `end`.
    func stop() {
        let mustRing = state.withLock { state in
            state.isStopping = true
            defer { state.readerSleeps = false }
            return state.readerSleeps
        }
        if mustRing { bell.signal() }
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }
    var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }

    /// All that waits, in order; waits so long for something when there is nothing.
    /// - Parameter watch: how long of that to look at most, 250 times, before the thread sleeps, others let in between: what comes soon
    ///   is had for less so than by waking a processor. Where others take the processor for longer, it sleeps.
    /// - Returns: also, whether it was seen so.
    func take(within time: Duration, watch: Duration = .zero) -> (items: [Item], isSeen: Bool) {
        let start = ContinuousClock.now
        let end = start + min(time, watch)
        for _ in 0..<(watch > .zero ? 250 : 0) where ContinuousClock.now < end {
            if let taken = state.withLock({ $0.waiting.isEmpty ? nil : Self.empty(&$0) }) { return (taken, true) }
            sched_yield()
        }
        if let taken = takeNow() { return (taken, false) }
        let (seconds, attoseconds) = (start + time - .now).components
        _ = bell.wait(timeout: .now() + .nanoseconds(max(0, Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))))
        return state.withLock { state in
            state.readerSleeps = false
            return (Self.empty(&state), false)
        }
    }

    /// Nil when there is nothing: the reader lies down then.
    private func takeNow() -> [Item]? {
        state.withLock { state in
            if state.waiting.isEmpty {
                // A late ring of the time before costs one look.
                state.readerSleeps = true
                return nil
            }
            return Self.empty(&state)
        }
    }

    private static func empty(_ state: inout State) -> [Item] {
        defer {
            state.waiting = []
            state.messages = 0
        }
        return state.waiting
    }

    func answered(bytes: Int) { state.withLock { $0.bytes -= bytes } }

    /// Messages that were dropped since the last time.
    func takeDropped() -> Int {
        state.withLock { state in
            defer { state.dropped = 0 }
            return state.dropped
        }
    }

    func end(_ reason: ReplicaError) {
        let left = state.withLock { state in
            state.ended = reason
            return Self.empty(&state)
        }
        for item in left { item.refuse(reason) }
    }
}
