import Store
import Synchronization

/// One watcher, of one owner, who does one thing at a time with it: what it wants, and how far it was told. Whoever owns it asks when there is room for more, so that a
/// slow one holds nothing but its position.
package final class Watcher: Sendable {
    /// What it is given at once.
    package struct Portion: Sendable {
        package var page: WatchPage
        /// That was all for now. Otherwise there may be more at once.
        package var isLast: Bool
    }

    /// What became of asking one of many.
    package enum Given: Sendable {
        case portion(Portion)
        case nothing
        /// Old history is read for it; its listener is told when that is there.
        case reading
        /// It lags so far that old history must be read, and it may not: it is to be asked again when it may.
        case behind
    }

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

    deinit { if !state.withLock({ $0.isCancelled }) { machine.leave(number) } }

    /// What comes next; nil when there is nothing now. After all there is, or nothing, its listener is told once when there may
    /// be more.
    /// - Throws: `.compacted` when it lags behind a compaction, `.unavailable` when the store stops; the watcher is of
    ///   no use afterwards.
    package func next() throws(StoreError) -> Portion? {
        if case .portion(let portion) = try ask(mayRead: true) { portion } else { nil }
    }

    private func ask(mayRead: Bool) throws(StoreError) -> Given {
        while true {
            if let settled = takeHeld() { return try settled.get() }
            let glance = machine.look([(number, position)], bytesMax: 0)[0]
            if let settled = take(glance, mayRead: mayRead) { return try settled.get() }
        }
    }

    /// What `next` of some watchers of one store gives, one after the other, with few locks, until that is more than so many
    /// bytes.
    /// - Parameter watchers: and for whom old history may begin to be read. Each of them then holds up to a megabyte of it until it is
    ///   asked again.
    /// - Returns: of the first of them, at least one. The others were not asked.
    package static func next(of watchers: [(watcher: Watcher, mayRead: Bool)], bytesMax: Int) -> [Result<Given, StoreError>] {
        var looking: [(number: UInt64, from: Revision)] = []
        looking.reserveCapacity(watchers.count)
        for asked in watchers {
            guard let position = asked.watcher.positionToLookFrom else { break }
            looking.append((asked.watcher.number, position))
        }
        guard let first = watchers.first else { return [] }
        guard !looking.isEmpty else { return [Result { () throws(StoreError) in try first.watcher.ask(mayRead: first.mayRead) }] }
        let glances = first.watcher.machine.look(looking, bytesMax: bytesMax)
        return zip(watchers, glances).map { asked, glance in
            asked.watcher.take(glance, mayRead: asked.mayRead)
                ?? Result { () throws(StoreError) in try asked.watcher.ask(mayRead: asked.mayRead) }
        }
    }

    private var position: Revision { state.withLock { $0.position } }
    /// Nil: the machine need not be asked, or not yet.
    private var positionToLookFrom: Revision? {
        state.withLock { $0.isCancelled || $0.problem != nil || $0.page != nil || $0.isReading ? nil : $0.position }
    }

    /// Nil: the machine is to be asked.
    private func takeHeld() -> Result<Given, StoreError>? {
        state.withLock { state in
            if state.isCancelled { return .success(.nothing) }
            if let problem = state.problem { return .failure(problem) }
            if let page = state.page {
                state.page = nil
                state.position = page.revision + 1
                // The history may tell that nothing concerned this watcher.
                if !page.events.isEmpty { return .success(.portion(Portion(page: page, isLast: false))) }
            }
            return state.isReading ? .success(.reading) : nil
        }
    }

    /// Nil: `ask` begins anew.
    private func take(_ glance: Result<WatchHub.Glance, StoreError>, mayRead: Bool) -> Result<Given, StoreError>? {
        state.withLock { state in
            switch glance {
            case .failure(let error): return .failure(error)
            case .success(.page(let page, let isLast)):
                state.position = page.revision + 1
                return .success(.portion(Portion(page: page, isLast: isLast)))
            case .success(.nothing(let through)):
                state.position = max(state.position, through + 1)
                return .success(.nothing)
            case .success(.older(let from, let ringStart)):
                state.position = from
                guard machine.hasBackground else {
                    do throws(StoreError) {
                        state.page = try machine.history(interest, from: from, to: ringStart)
                        return nil
                    } catch { return .failure(error) }
                }
                guard mayRead else { return .success(.behind) }
                state.isReading = true
                read(from: from, to: ringStart)
                return .success(.reading)
            }
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
