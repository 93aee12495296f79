import Store
import Synchronization

/// Counts the writes under way, so that a stopping store can finish them.
final class Gate: Sendable {
    private enum Phase { case open, stopping, stopped }
    private struct State {
        var phase = Phase.open
        var pending = 0
        var whenDrained: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    static let closed = StoreError.unavailable("the store is stopping")

    /// Every true needs a `leave`.
    func enter() -> Bool {
        state.withLock { state in
            guard state.phase == .open else { return false }
            state.pending += 1
            return true
        }
    }

    func leave() {
        let drained = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.pending -= 1
            guard state.pending == 0 else { return nil }
            defer { state.whenDrained = nil }
            return state.whenDrained
        }
        drained?.resume()
    }

    /// Returns when no write is under way; none begins any more.
    func drain() async {
        await withCheckedContinuation { continuation in
            let isDrained = state.withLock { state in
                state.phase = .stopping
                if state.pending > 0 { state.whenDrained = continuation }
                return state.pending == 0
            }
            if isDrained { continuation.resume() }
        }
    }

    func stop() { state.withLock { $0.phase = .stopped } }
}
