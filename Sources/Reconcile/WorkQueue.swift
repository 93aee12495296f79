import DequeModule
import HeapModule
import Host

/// Decides which key to look at next. A key is never handed out twice at once; changes that arrive
/// while it runs are folded into one later run. A key that fails comes back later and later.
package struct WorkQueue: Sendable {
    package struct Options: Sendable {
        package var backoffMin: Duration = .milliseconds(200)
        package var backoffMax: Duration = .seconds(60)
        /// Each delay is shortened by a random part of up to this share, so that keys which failed
        /// together do not come back together.
        package var jitter: Double = 0.25

        package init() {}
    }

    private struct State {
        var isRunning = false
        /// Waiting in `ready`.
        var isReady = false
        /// Changed while it ran.
        var isDirty = false
        var due: Instant?
        var failures = 0
        /// How long it will wait if this run fails.
        var delay: Duration = .zero
    }

    /// A key handed out, and what its failing would mean.
    package struct Ticket: Hashable, Sendable {
        package var key: String
        /// 1 for the first try since it last went well.
        package var attempt: Int
        /// How long the key waits if this run fails.
        package var delay: Duration
    }

    private struct Timer: Comparable, Sendable {
        var due: Instant
        var key: String
        static func < (a: Timer, b: Timer) -> Bool { (a.due, a.key) < (b.due, b.key) }
    }

    private let options: Options
    private var random: SplitMix
    private var states: [String: State] = [:]
    private var ready: Deque<String> = []
    private var timers = Heap<Timer>()

    package init(options: Options = Options(), seed: UInt64) {
        self.options = options
        random = SplitMix(state: seed)
    }

    /// Keys that could be taken now.
    package var depth: Int { ready.count }
    package private(set) var running = 0
    package func failures(of key: String) -> Int { states[key]?.failures ?? 0 }

    /// The key changed: it is looked at as soon as possible, whatever it was waiting for.
    package mutating func add(_ key: String) {
        var state = states[key] ?? State()
        state.due = nil
        if state.isRunning {
            state.isDirty = true
        } else if !state.isReady {
            state.isReady = true
            ready.append(key)
        }
        states[key] = state
    }

    /// The key is looked at at `due`, or earlier if it is added before.
    package mutating func add(_ key: String, at due: Instant) {
        var state = states[key] ?? State()
        guard !state.isReady, !state.isDirty else { return }
        if let earlier = state.due, earlier <= due { return }
        state.due = due
        states[key] = state
        timers.insert(Timer(due: due, key: key))
    }

    /// The next key to look at. Whoever takes it must `finish` or `fail` or `forget` it.
    package mutating func take(now: Instant) -> Ticket? {
        while let timer = timers.min, timer.due <= now {
            timers.removeMin()
            // A timer whose key was added, or put off, in the meantime means nothing any more.
            guard states[timer.key]?.due == timer.due else { continue }
            if states[timer.key]?.isRunning == true {
                states[timer.key]?.due = nil
                states[timer.key]?.isDirty = true
            } else {
                add(timer.key)
            }
        }
        guard let key = ready.popFirst(), var state = states[key] else { return nil }
        state.isReady = false
        state.isRunning = true
        running += 1
        state.delay = backoff(state.failures + 1)
        states[key] = state
        return Ticket(key: key, attempt: state.failures + 1, delay: state.delay)
    }

    /// The run went well. `again` asks for the next look; nil is none until something changes.
    package mutating func finish(_ key: String, again: Instant?) {
        end(key)
        states[key]?.failures = 0
        if let again { add(key, at: again) }
    }

    /// The run did something and wants to see what came of it: the key is looked at again at once.
    /// Only a look that finds nothing left to do proves that earlier failures are over.
    package mutating func repeatNow(_ key: String) {
        end(key)
        add(key)
    }

    /// The run failed. Returns when the key comes back.
    @discardableResult
    package mutating func fail(_ key: String, now: Instant) -> Instant {
        let delay = states[key]?.delay ?? .zero
        end(key)
        states[key]?.failures += 1
        add(key, at: now + delay)
        return now + delay
    }

    /// The object is gone.
    package mutating func forget(_ key: String) {
        guard let state = states[key], state.isRunning else { preconditionFailure("\(key) finished but was not running") }
        states[key] = nil
        running -= 1
        if state.isDirty { add(key) }
    }

    /// When the next timer fires.
    package mutating func nextDue() -> Instant? {
        while let timer = timers.min {
            if states[timer.key]?.due == timer.due { return timer.due }
            timers.removeMin()
        }
        return nil
    }

    private mutating func end(_ key: String) {
        guard var state = states[key], state.isRunning else { preconditionFailure("\(key) finished but was not running") }
        state.isRunning = false
        running -= 1
        let again = state.isDirty
        state.isDirty = false
        states[key] = state
        if again { add(key) }
    }

    /// Doubles with every failure up to the most, less the jitter.
    private mutating func backoff(_ failures: Int) -> Duration {
        let doubled = options.backoffMin * (1 << min(failures - 1, 20))
        let whole = min(doubled, options.backoffMax)
        return whole * (1 - options.jitter * Double.random(in: 0...1, using: &random))
    }
}

/// A small seeded generator (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64
    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
