import Store
import Synchronization

/// One watcher: what it wants, and how far it was told. Whoever owns it asks when there is room for more, so that a
/// slow one holds nothing but its position.
package final class Watcher: Sendable {
    private struct State {
        /// The first revision that it was not told of.
        var position: Revision
        /// Read from the history, not given out yet.
        var page: WatchPage?
        var problem: StoreError?
        var isReading = false
        var isCancelled = false
    }

    let number: UInt64
    private let machine: Machine
    private let interest: Interest
    private let state: Mutex<State>

    init(_ machine: Machine, number: UInt64, _ interest: Interest, from position: Revision) {
        self.machine = machine
        self.number = number
        self.interest = interest
        state = Mutex(State(position: position))
    }

    deinit { machine.leave(number) }

    /// The next page; nil when there is nothing now: then `signal` is called, once, when there may be.
    /// - Throws: `.compacted` when it lags behind a compaction, `.unavailable` when the store stops; the watcher is of
    ///   no use afterwards.
    package func next() throws(StoreError) -> WatchPage? {
        try state.withLock { state throws(StoreError) in
            while !state.isCancelled {
                if let problem = state.problem { throw problem }
                if let page = state.page {
                    state.page = nil
                    state.position = page.revision + 1
                    // The history may tell that nothing concerned this watcher.
                    if !page.events.isEmpty { return page }
                }
                if state.isReading { return nil }
                switch try machine.look(number, from: state.position) {
                case .page(let page):
                    state.position = page.revision + 1
                    return page
                case .nothing(let through):
                    state.position = max(state.position, through + 1)
                    return nil
                case .older(let from, let ringStart):
                    state.position = from
                    guard machine.hasBackground else {
                        state.page = try machine.history(interest, from: state.position, to: ringStart)
                        continue
                    }
                    state.isReading = true
                    read(from: state.position, to: ringStart)
                    return nil
                }
            }
            return nil
        }
    }

    private func read(from position: Revision, to ringStart: Revision) {
        machine.inBackground { [weak self, machine, interest, number] in
            let read = Result { () throws(StoreError) in try machine.history(interest, from: position, to: ringStart) }
            self?.state.withLock { state in
                state.isReading = false
                switch read {
                case .success(let page): state.page = page
                case .failure(let error): state.problem = error
                }
            }
            machine.signal(number)
        }
    }

    /// The revision through which it was given everything; nil while something is not given out yet.
    package func progress() -> Revision? { machine.progress(of: [self]) }

    /// `next` is nil and nothing is signalled from now on.
    package func cancel() {
        state.withLock { $0.isCancelled = true }
        machine.leave(number)
    }
}
