import Foundation
import Host
import Logging
import Resource
import ServiceLifecycle
import Store

import enum Store.Operation

/// What a round leaves behind for the next one of the same key.
struct RoundMemory<P: Planner>: Sendable {
    /// What was seen and done last: the same again means that doing it had no effect.
    var seen: P.Observation?
    var actions: [P.Action] = []
    /// The store's revision of our last write: the next round waits until the mirror shows it.
    var revision: Int64 = 0
    var journal = Journal()
}

struct RoundResult<P: Planner>: Sendable {
    enum Next: Sendable {
        case gone, settled(again: Duration), immediately, failed
        /// Somebody else wrote first: the change is on its way here.
        case void
    }


    var next: Next
    var memory: RoundMemory<P>?
    var subscriptions: Set<Reader.Subscription> = []
    var took: Duration = .zero
}

/// Carries out one round for one key.
struct RoundRunner<P: Planner>: Sendable {
    private let loop: Loop<P>
    private let workshop: Workshop
    private let kind: AnyKind

    init(_ loop: Loop<P>, _ workshop: Workshop) {
        self.loop = loop
        self.workshop = workshop
        kind = AnyKind(P.K.self)
    }

    func run(_ ticket: WorkQueue.Ticket, _ memory: RoundMemory<P>?) async -> RoundResult<P> {
        let start = workshop.time.now()
        var result = await round(ticket, memory ?? RoundMemory())
        result.took = workshop.time.now() - start
        return result
    }

    private func round(_ ticket: WorkQueue.Ticket, _ last: RoundMemory<P>) async -> RoundResult<P> {
        var memory = last
        do {
            try await cancelWhenGracefulShutdown { [workshop] in
                await workshop.mirror.caughtUp(to: last.revision)
                try Task.checkCancellation()
            }
        } catch {
            return RoundResult(next: .void, memory: memory)
        }
        let ledger = workshop.mirror.ledger
        guard let resource = ledger.get(P.K.self, ticket.key) else { return RoundResult(next: .gone) }
        let reader = Reader(ledger)
        if reader.holdsStill(resource) != nil {
            return RoundResult(next: .settled(again: loop.interval), memory: memory, subscriptions: reader.subscriptions)
        }
        let goal = Goal(resource)
        let seen: P.Observation
        do {
            seen = try await cancelWhenGracefulShutdown { [loop] in try await loop.observer.observe(goal, reader) }
            if isEnding { return RoundResult(next: .void, memory: memory) }
        } catch {
            if isEnding { return RoundResult(next: .void, memory: memory) }
            let failure = "could not look: \(error)"
            let isWritten = await write(failing: resource, failure, ticket, nil, ledger, &memory)
            return RoundResult(next: isWritten ? .failed : .void, memory: memory, subscriptions: reader.subscriptions)
        }
        var plan = P.plan(goal, given: seen, reader)
        let isFutile = !plan.actions.isEmpty && plan.actions == last.actions && seen == last.seen
        memory.seen = seen
        memory.actions = []
        if isFutile {
            let failure = "\(plan.actions.map(\.description).joined(separator: ", ")): done, but nothing changed"
            let isWritten = await write(failing: resource, failure, ticket, plan, ledger, &memory)
            return RoundResult(next: isWritten ? .failed : .void, memory: memory, subscriptions: reader.subscriptions)
        }
        plan = plan.heldByUnreadable(resource, reader)
        if !plan.actions.isEmpty {
            let outdated = await cancelWhenGracefulShutdown { [workshop] in await workshop.footing.outdated(under: resource, reader) }
            if isEnding { return RoundResult(next: .void, memory: memory) }
            if let outdated {
                workshop.mirror.lookAgain(at: outdated)
                plan = plan.held(by: outdated)
                plan.lookAgain = .milliseconds(100)
            }
        }
        let decided = Round<P>(resource, plan: plan, ledger: ledger, now: now, makeUID: workshop.makeUID)
        guard let current = await write(decided, resource, &memory) else {
            return RoundResult(next: .void, memory: memory, subscriptions: reader.subscriptions)
        }
        if decided.isGone { return RoundResult(next: .gone) }
        memory.actions = decided.actions
        for action in decided.actions {
            guard let performer = loop.performer else { break }
            do {
                log.info("\(action)", metadata: ["object": "\(resource.reference)"])
                try await performer.perform(action)
            } catch {
                memory.actions = []
                let isWritten = await write(failing: current, "\(action): \(error)", ticket, plan, ledger, &memory)
                return RoundResult(next: isWritten ? .failed : .void, memory: memory, subscriptions: reader.subscriptions)
            }
        }
        let next: RoundResult<P>.Next = decided.actions.isEmpty ? .settled(again: plan.lookAgain ?? loop.interval) : .immediately
        return RoundResult(next: next, memory: memory, subscriptions: reader.subscriptions)
    }

    /// The server ends, and does not wait for what is only looked at: a look that was broken off may have seen anything, and nothing follows from it.
    private var isEnding: Bool { Task.isShuttingDownGracefully || Task.isCancelled }
    private var now: Date { Date(timeIntervalSince1970: workshop.time.date().timeIntervalSince1970.rounded(.down)) }
    private var log: Logger { workshop.logger }

    /// Writes what a round decided, against the revision it read.
    /// - Returns: the record as it stands now; nil when somebody else wrote first, or the store could not answer.
    private func write(_ round: Round<P>, _ resource: Resource<P.K>, _ memory: inout RoundMemory<P>) async -> Resource<P.K>? {
        let key = Key(Registry.key(kind, resource.name))
        let read = Int64(resource.metadata.resourceVersion ?? "0") ?? 0
        var current = resource
        do {
            var compares = [Compare(key, .equal, .modRevision(read))]
            var operations: [Operation] = []
            if round.isGone {
                operations.append(.delete(key))
            } else if let status = round.status {
                current = status
                operations.append(.put(key, try status.encoded()))
            }
            for child in round.children.create {
                let key = try self.key(of: child)
                compares.append(Compare(key, .equal, .version(0)))
                operations.append(.put(key, try child.encoded()))
            }
            for child in round.children.update + round.children.retire {
                let key = try self.key(of: child)
                compares.append(Compare(key, .equal, .modRevision(Int64(child.metadata.resourceVersion ?? "0") ?? 0)))
                operations.append(.put(key, try child.encoded()))
            }
            // What was told is remembered once it is written.
            var journal = memory.journal
            operations += try journal.entries(for: round, about: resource.reference, now: now)
            if operations.isEmpty { return current }
            let result = try await workshop.store.commit(Transaction(if: compares, then: operations))
            guard result.succeeded else { return nil }
            memory.revision = result.revision
            memory.journal = journal
            if round.status != nil { current.metadata.resourceVersion = String(result.revision) }
            return current
        } catch {
            log.error("a status could not be written", metadata: ["object": "\(resource.reference)", "error": "\(error)"])
            try? await workshop.time.sleep(for: .milliseconds(500))
            return nil
        }
    }

    /// - Returns: false when somebody else wrote first: then the round is void, not failed.
    private func write(
        failing resource: Resource<P.K>, _ message: String, _ ticket: WorkQueue.Ticket, _ plan: Plan<P.K, P.Action>?, _ ledger: Ledger,
        _ memory: inout RoundMemory<P>
    ) async -> Bool {
        log.warning("\(message)", metadata: ["object": "\(resource.reference)", "attempt": "\(ticket.attempt)"])
        guard let status = plan?.status ?? resource.status?.detail ?? (NoStatus() as? P.K.Status) ?? emptyStatus() else { return true }
        let shown = Plan<P.K, P.Action>(.failing(message, attempt: ticket.attempt), status: status)
        let next = now.addingTimeInterval(ticket.delay / .seconds(1))
        let round = Round<P>(
            resource, plan: shown, ledger: ledger, now: now, failure: (message, ticket.attempt, next), makeUID: workshop.makeUID)
        return await write(round, resource, &memory) != nil
    }

    /// The status of an object that was never seen: every kind's status decodes from nothing.
    private func emptyStatus() -> P.K.Status? { try? Wire.decode(P.K.Status.self, from: Array("{}".utf8)) }

    private func key(of child: any AnyResource) throws -> Key {
        guard let kind = workshop.kinds[child.reference.kind] else {
            preconditionFailure("\(child.reference) is of a kind that the table does not hold")
        }
        return Key(Registry.key(kind, child.name))
    }
}
