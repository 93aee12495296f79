import API
import Host
import Resource

/// Watches objects until they are as somebody wants them, and shows how they come along: one line
/// for each, redrawn in place, on a terminal; a line for each change elsewhere.
struct Waiter {
    var client: Client
    var kinds: KindTable
    var terminal: Terminal
    var time: any Time = SystemTime()
    /// Writes nothing but the reasons of a failure.
    var isQuiet = false

    private enum Event: Sendable {
        case change(Reference, (any AnyResource)?)
        /// The kind's initial list is complete: what was not named is not there.
        case listed(String)
        case tick
        case failed(any Error)
    }

    /// - Parameter timeout: nil waits for ever.
    /// - Throws: `Failure` naming every object that is not as wanted, and why.
    func wait(for goals: [(reference: Reference, goal: Progress.Goal)], timeout: Duration?) async throws {
        guard !goals.isEmpty else { return }
        let (events, mailbox) = AsyncStream.makeStream(of: Event.self)
        try await withThrowingTaskGroup { tasks in
            for (kind, members) in Dictionary(grouping: goals, by: \.reference.kind).sorted(by: { $0.key < $1.key }) {
                guard let kind = kinds[kind] else { throw Failure("\(members[0].reference): there is no kind \"\(kind)\"") }
                let name = members.count == 1 ? members[0].reference.name : nil
                tasks.addTask { await follow(kind, name, mailbox) }
            }
            tasks.addTask { await tick(mailbox) }
            defer { tasks.cancelAll() }
            try await watch(events, goals, timeout)
        }
    }

    private func watch(_ events: AsyncStream<Event>, _ goals: [(reference: Reference, goal: Progress.Goal)], _ timeout: Duration?)
        async throws
    {
        let start = time.now()
        var progress = Progress(goals, reconciled: reconciledKinds, start: start)
        var view = LiveView()
        var seen: Set<Reference> = []
        var hopelessSince: Instant?
        // Until the first lists are here nothing is known, and nothing could be said of what is stuck.
        var unlisted = Set(goals.map(\.reference.kind))

        func show(_ line: String?) {
            if terminal.isInteractive, !isQuiet {
                let size = terminal.size
                Output.write(
                    view.draw(
                        progress.lines(
                            now: time.now(), width: size.width, height: size.height, timeout: timeout,
                            isColored: terminal.isColored)))
            } else if let line, !isQuiet {
                Output.write(line + "\n")
            }
        }

        for await event in events {
            let now = time.now()
            switch event {
            case .failed(let error): throw error
            case .change(let reference, let object):
                seen.insert(reference)
                if let line = progress.observe(reference, object, now: now) { show(line) }
            case .listed(let kind):
                unlisted.remove(kind)
                for goal in goals where goal.reference.kind == kind && !seen.contains(goal.reference) {
                    if let line = progress.observe(goal.reference, nil, now: now) { show(line) }
                }
            case .tick: show(nil)
            }
            if progress.isDone { return }
            hopelessSince = progress.isHopeless ? hopelessSince ?? now : nil
            // What was just asked for may not have been looked at yet.
            let isHopeless = hopelessSince.map { now - $0 >= .seconds(2) } ?? false
            let spent = now - start
            let isOver = timeout.map { spent >= $0 && (unlisted.isEmpty || spent >= $0 + .seconds(5)) } ?? false
            if isHopeless || isOver { throw progress.failure(after: spent) }
        }
        try Task.checkCancellation()
    }

    private func follow(_ kind: AnyKind, _ name: String?, _ mailbox: AsyncStream<Event>.Continuation) async {
        do {
            var isListed = false
            for try await change in client.watch(kind, name: name) {
                switch change {
                case .added(let object), .modified(let object): mailbox.yield(.change(object.reference, object))
                case .deleted(let object): mailbox.yield(.change(object.reference, nil))
                case .bookmark:
                    if !isListed { mailbox.yield(.listed(kind.name)) }
                    isListed = true
                }
            }
        } catch {
            mailbox.yield(.failed(error))
        }
    }

    /// Twice a second: often enough for the elapsed seconds, and for the deadline.
    private func tick(_ mailbox: AsyncStream<Event>.Continuation) async {
        while !Task.isCancelled {
            do { try await time.sleep(for: .milliseconds(500)) } catch { return }
            mailbox.yield(.tick)
        }
    }
}
