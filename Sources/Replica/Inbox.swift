import Dispatch
import Synchronization

/// Where many tasks leave commands and one thread takes them all at once.
final class Inbox<Output: Sendable>: Sendable {
    struct Proposal {
        var bytes: [UInt8]
        var answer: CheckedContinuation<Result<Output, ReplicaError>, Never>
    }

    private struct State {
        var waiting: [Proposal] = []
        /// Of all proposals without an answer.
        var bytes = 0
        var readerSleeps = false
        var isStopping = false
        /// What later proposals are told once nobody reads any more.
        var ended: ReplicaError?
    }

    private let state = Mutex(State())
    private let bell = DispatchSemaphore(value: 0)
    private let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    func put(_ proposal: Proposal) {
        let (refusal, mustRing) = state.withLock { state -> (ReplicaError?, Bool) in
            if let ended = state.ended { return (ended, false) }
            if state.isStopping { return (.stopped, false) }
            guard state.bytes + proposal.bytes.count <= bytesMax || state.bytes == 0 else {
                return (.overloaded(bytesWaiting: state.bytes), false)
            }
            state.bytes += proposal.bytes.count
            state.waiting.append(proposal)
            defer { state.readerSleeps = false }
            return (nil, state.readerSleeps)
        }
        if let refusal { proposal.answer.resume(returning: .failure(refusal)) }
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

    /// All that waits, in order; waits for something when there is nothing. Nil when asked to stop.
    func take() -> [Proposal]? {
        while true {
            let (taken, isStopping) = state.withLock { state -> ([Proposal], Bool) in
                if state.isStopping { return ([], true) }
                if state.waiting.isEmpty { state.readerSleeps = true }
                defer { state.waiting = [] }
                return (state.waiting, false)
            }
            if isStopping { return nil }
            if !taken.isEmpty { return taken }
            bell.wait()
        }
    }

    func answered(bytes: Int) { state.withLock { $0.bytes -= bytes } }

    func end(_ reason: ReplicaError) {
        let left = state.withLock { state in
            state.ended = reason
            defer { state.waiting = [] }
            return state.waiting
        }
        for proposal in left { proposal.answer.resume(returning: .failure(reason)) }
    }
}
