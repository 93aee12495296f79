import Foundation
import Host
import Logging
import Metrics
import Resource
import ServiceLifecycle
import Store

/// What every controller of a daemon shares.
package struct Workshop: Sendable {
    package var mirror: Mirror
    package var store: any Store
    package var time: any Time
    package var logger: Logger
    package var kinds: KindTable
    package var footing: Footing
    /// Rounds that one controller runs at once.
    package var workers: Int
    /// Seeds the jitter of every queue.
    package var seed: UInt64
    package var backoff: WorkQueue.Options
    package var makeUID: @Sendable () -> String
    /// The controllers are told to end, each only when the one before it has.
    let isEnding = Latch()

    package init(
        mirror: Mirror, store: any Store, time: any Time, kinds: KindTable, footing: Footing, workers: Int = 8, seed: UInt64 = .random(in: 0 ... .max),
        backoff: WorkQueue.Options = WorkQueue.Options(), makeUID: @escaping @Sendable () -> String = { UUID().uuidString.lowercased() },
        logger: Logger
    ) {
        self.mirror = mirror
        self.store = store
        self.time = time
        self.kinds = kinds
        self.footing = footing
        self.workers = workers
        self.seed = seed
        self.backoff = backoff
        self.makeUID = makeUID
        self.logger = logger
    }
}

/// The reconcile loop of one kind: observe, plan, write the status, perform, again.
package final class Controller<P: Planner>: Service {
    typealias K = P.K

    private enum Event: Sendable {
        case changed(LedgerChange)
        case wake(String)
        case finished(String, RoundResult<P>)
        case timer(Instant)
        case stop
    }

    private let loop: Loop<P>
    private let workshop: Workshop
    private let rounds: RoundRunner<P>

    package init(_ loop: Loop<P>, in workshop: Workshop) {
        self.loop = loop
        self.workshop = workshop
        rounds = RoundRunner(loop, workshop)
    }

    package func run() async throws {
        let (events, mailbox) = AsyncStream.makeStream(of: Event.self)
        let gauges = Gauges(kind: K.name)
        // Discarding: a group that keeps the results of finished rounds would grow for as long as the daemon runs.
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { [workshop] in
                for await change in workshop.mirror.changes() { mailbox.yield(.changed(change)) }
            }
            if let wakes = loop.wakes {
                tasks.addTask { for await name in wakes() { mailbox.yield(.wake(name)) } }
            }
            await withGracefulShutdownHandler {
                await self.work(events, mailbox, gauges, &tasks)
            } onGracefulShutdown: { [workshop] in
                workshop.isEnding.set()
                mailbox.yield(.stop)
            }
            tasks.cancelAll()
        }
    }

    private func work(
        _ events: AsyncStream<Event>, _ mailbox: AsyncStream<Event>.Continuation, _ gauges: Gauges, _ tasks: inout DiscardingTaskGroup
    ) async {
        let time = workshop.time
        var queue = WorkQueue(options: workshop.backoff, seed: workshop.seed)
        var subscriptions = Subscriptions()
        var recent = RecentChanges()
        var memories: [String: RoundMemory<P>] = [:]
        var armed: Instant?
        var isStopping = false
        for await event in events {
            switch event {
            case .changed(let change) where change.isRequest:
                // A request does not end the patience with one that fails.
                if change.reference.kind == K.name, queue.failures(of: change.reference.name) == 0 { queue.add(change.reference.name) }
            case .changed(let change):
                recent.note(change)
                if change.reference.kind == K.name, !change.isStatusOnly { queue.add(change.reference.name) }
                for owner in [change.before?.metadata.owner, change.after?.metadata.owner] {
                    if let owner, owner.kind == K.name { queue.add(owner.name) }
                }
                for key in subscriptions.interested(in: change) { queue.add(key) }
            case .wake(let name):
                if queue.failures(of: name) == 0 { queue.add(name) }
            case .finished(let key, let result):
                gauges.count(result)
                subscriptions.replace(key, with: result.subscriptions)
                memories[key] = result.memory
                switch result.next {
                case .gone: queue.forget(key)
                case .settled(let again): queue.finish(key, again: time.now() + again)
                case .immediately: queue.repeatNow(key)
                case .failed: queue.fail(key, now: time.now())
                case .void: queue.finish(key, again: time.now() + .milliseconds(50))
                }
                if recent.end(key, isOfInterest: { subscriptions.isInterested(key, in: $0) }) { queue.add(key) }
            case .timer(let due):
                // One that was overtaken by an earlier one means nothing: it must not arm another.
                if armed == due { armed = nil }
            case .stop:
                isStopping = true
            }
            if isStopping || Task.isCancelled {
                if queue.running == 0 { break }
                continue
            }
            // Others are told before this one: it begins nothing that it would be waited for.
            if workshop.isEnding.isSet { continue }
            while queue.running < workshop.workers, let ticket = queue.take(now: time.now()) {
                let memory = memories[ticket.key]
                recent.begin(ticket.key)
                tasks.addTask { [rounds] in
                    mailbox.yield(.finished(ticket.key, await rounds.run(ticket, memory)))
                }
            }
            gauges.show(depth: queue.depth, running: queue.running)
            // With every worker busy, the next one to finish looks at the timers.
            if queue.running < workshop.workers, let due = queue.nextDue(), armed.map({ due < $0 }) ?? true {
                armed = due
                tasks.addTask {
                    try? await time.sleep(until: due)
                    mailbox.yield(.timer(due))
                }
            }
        }
    }
}

private struct Gauges: Sendable {
    private let succeeded: Counter
    private let failed: Counter
    private let seconds: Metrics.Timer
    private let depth: Gauge
    private let running: Gauge

    init(kind: String) {
        succeeded = Counter(label: "plasma_reconcile_total", dimensions: [("kind", kind), ("result", "success")])
        failed = Counter(label: "plasma_reconcile_total", dimensions: [("kind", kind), ("result", "error")])
        seconds = Metrics.Timer(label: "plasma_reconcile_seconds", dimensions: [("kind", kind)])
        depth = Gauge(label: "plasma_queue_depth", dimensions: [("kind", kind)])
        running = Gauge(label: "plasma_active_workers", dimensions: [("kind", kind)])
    }

    func count<P>(_ result: RoundResult<P>) {
        if case .failed = result.next { failed.increment() } else { succeeded.increment() }
        seconds.record(duration: result.took)
    }

    func show(depth: Int, running: Int) {
        self.depth.record(depth)
        self.running.record(running)
    }
}
