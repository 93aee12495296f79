import NIOCore
import Synchronization

private enum OutboxNext { case lost, nothing, wake }

/// What any thread wants written to one connection. The first who puts something in wakes the event loop; all that
/// comes until the loop has taken it goes out with one flush.
final class Outbox<Item: Sendable>: Sendable {
    /// What a client that takes nothing is watched for: too much waits of its connection, and far too much.
    private enum Watch {
        case congested, overfull

        /// So many bytes must have been taken: a trickle is no reading where far too much waits.
        var least: Int {
            switch self {
            case .congested: 1
            case .overfull: 4 << 20
            }
        }
    }

    private struct State {
        var items: [Item] = []
        /// Of the items.
        var itemBytes = 0
        var isWoken = false
        var isClosed = false
        var waitingBytes = 0
        /// Ever.
        var releasedBytes = 0
        var watches: Set<Watch> = []
        /// `releasedBytes` and `waitingBytes` in the last round of pressure, when and which that was, and how many before it were slow.
        var releasedThen = 0, waitingThen = 0
        var pressedAt = NIODeadline.distantPast, slowRounds = 0
        var pressureRound = -1
        /// The largest message since nothing waited.
        var largest = 0
        var onLow: [@Sendable () -> Void] = []
    }
    private let state = Mutex(State())
    private let loop: any EventLoop
    private let drain: NIOLoopBoundBox<(() -> Void)?>
    /// Nothing more should be put in above `highMark`, until it is below `lowMark` again.
    private let highMark: Int
    private var lowMark: Int { highMark / 2 }
    /// Above this, the largest message not counted, a client that takes nothing is soon given up.
    private let bytesMax: Int
    /// Of all connections of the port.
    private let load: PortLoad?

    /// Called on the event loop. `drain` is called there too; `close` breaks the circle of references.
    init(loop: any EventLoop, highMark: Int, bytesMax: Int, load: PortLoad? = nil, drain: @escaping () -> Void) {
        self.loop = loop
        self.highMark = highMark
        self.bytesMax = bytesMax
        self.load = load
        self.drain = NIOLoopBoundBox(drain, eventLoop: loop)
    }

    /// False when the connection is closed, and the item lost.
    @discardableResult
    func append(_ item: Item, bytes: Int) -> Bool {
        let next: OutboxNext = state.withLock { state in
            if state.isClosed { return .lost }
            state.items.append(item)
            state.itemBytes += bytes
            state.waitingBytes += bytes
            if bytes > 0 { load?.add(bytes) }
            state.largest = max(state.largest, bytes)
            if state.isWoken { return .nothing }
            state.isWoken = true
            return .wake
        }
        if next == .wake { loop.execute { self.drain.value?() } }
        return next != .lost
    }

    /// On the event loop: what waits to be taken is written now, if it is at least so much.
    func drainNow(_ enough: Int) {
        if state.withLock({ $0.itemBytes >= enough }) { drain.value?() }
    }

    /// So many bytes more are on their way, and will be released.
    func hold(bytes: Int) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.waitingBytes += bytes
            load?.add(bytes)
        }
    }

    /// From now until `take`, nobody wakes the loop: the caller drains soon.
    func hold() { state.withLock { $0.isWoken = true } }

    /// Something waits to be taken.
    var isFilled: Bool { state.withLock { !$0.items.isEmpty } }

    /// The caller of `hold` drains no more, and whoever puts something in wakes the loop again.
    /// - Returns: whether something came meanwhile, which nobody was woken for.
    func letGo() -> Bool {
        state.withLock { state in
            if state.items.isEmpty { state.isWoken = false }
            return !state.items.isEmpty
        }
    }

    /// Everything put in since the last time, in order. The array gives its room back.
    func take(into items: inout [Item]) {
        items.removeAll(keepingCapacity: items.capacity < 4096)
        state.withLock { state in
            swap(&items, &state.items)
            state.itemBytes = 0
            state.isWoken = false
        }
    }

    /// So many bytes have been written to the socket, or dropped.
    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        let ready: [@Sendable () -> Void] = state.withLock { state in
            state.waitingBytes -= bytes
            state.releasedBytes += bytes
            if !state.isClosed { load?.add(-bytes) }
            if state.waitingBytes == 0 { state.largest = 0 }
            guard !state.onLow.isEmpty, state.waitingBytes < (isHigh ? 1 : lowMark) else { return [] }
            defer { state.onLow = [] }
            return state.onLow
        }
        for body in ready { body() }
    }

    var isWritable: Bool { state.withLock { isWritable($0) } }
    private func isWritable(_ state: borrowing State) -> Bool { state.waitingBytes < (isHigh ? 1 : highMark) || state.isClosed }
    /// Why so many bytes more cannot wait; nil: they can.
    func refusal(of bytes: Int) -> GRPCStatus? {
        guard let load, load.isOver, bytes > PortLoad.largeBytes || waitingBytes > PortLoad.heldBytes else { return nil }
        return load.refusal
    }
    private var isHigh: Bool { load?.isHigh ?? false }
    var waitingBytes: Int { state.withLock { $0.waitingBytes } }
    /// Ever.
    var releasedBytes: Int { state.withLock { $0.releasedBytes } }

    /// Calls `body` when it is writable again or closed; at once when it is so now.
    func whenWritable(_ body: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if isWritable(state) { return true }
            state.onLow.append(body)
            return false
        }
        if now { body() }
    }

    /// Calls `giveUp` when the other side took nothing for long while too much waited. On the event loop, as often as
    /// something was written. That much was asked for at once is no reason: who reads is given all of it.
    func watch(_ limits: Limits, giveUp: @escaping () -> Void) {
        watch(.congested, within: limits.stalledMax, giveUp)
        watch(.overfull, within: limits.overfullMax, giveUp)
    }

    private func watch(_ what: Watch, within: Duration, _ giveUp: @escaping () -> Void) {
        let before: Int? = state.withLock { state in
            guard !state.watches.contains(what), isTooMuch(what, state) else { return nil }
            state.watches.insert(what)
            return state.releasedBytes
        }
        guard let before else { return }
        loop.assumeIsolated().scheduleTask(in: TimeAmount(within)) { [weak self] in
            guard let self else { return }
            let isStalled = state.withLock { state in
                state.watches.remove(what)
                return state.releasedBytes - before < what.least && isTooMuch(what, state)
            }
            if isStalled { giveUp() } else { watch(what, within: within, giveUp) }
        }
    }

    private func isTooMuch(_ what: Watch, _ state: borrowing State) -> Bool {
        guard !state.isClosed else { return false }
        return switch what {
        case .congested: state.waitingBytes >= highMark
        case .overfull: state.waitingBytes - state.largest > bytesMax
        }
    }

    /// Whether the other side took next to nothing for two rounds of pressure, of what waited at their beginning: neither all of it nor as much
    /// as one who reads takes in a second. A loop that stood still sees two rounds at once, which says nothing of its clients.
    func tookNothing(_ pressure: PortPressure, now: NIODeadline) -> Bool {
        state.withLock { state in
            guard now - state.pressedAt > .milliseconds(500) else { return false }
            let isNext = state.pressureRound == pressure.round - 1
            let isSlow = isNext && state.releasedBytes - state.releasedThen < min(Self.readsAtLeast, state.waitingThen)
            state.slowRounds = isSlow ? state.slowRounds + 1 : 0
            (state.releasedThen, state.waitingThen, state.pressureRound, state.pressedAt) = (state.releasedBytes, state.waitingBytes, pressure.round, now)
            return state.slowRounds >= 2
        }
    }

    private static var readsAtLeast: Int { 256 << 10 }

    /// On the event loop. What was put in and not taken comes back.
    @discardableResult
    func close() -> [Item] {
        drain.value = nil
        var left: [Item] = []
        let ready: [@Sendable () -> Void] = state.withLock { state in
            if !state.isClosed { load?.add(-state.waitingBytes) }
            state.isClosed = true
            swap(&left, &state.items)
            defer { state.onLow = [] }
            return state.onLow
        }
        for body in ready { body() }
        return left
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }
}
