import Store

/// A client that watches, moves from member to member, and resumes where it was.
final class WatchingClient {
    let number: Int
    var validator: WatchValidator
    var member: UInt64 = 0
    var isOpen: (any SubjectWatch)?

    init(number: Int, range: KeyRange, from revision: Revision) {
        self.number = number
        validator = WatchValidator(range, from: revision)
    }
}

extension Cluster {
    /// A watcher looks for news, after a while that may be long.
    func look(_ number: Int) throws(Breach) {
        let watcher = watchers[number]
        defer {
            plan(.watch(number), in: isHealing ? .milliseconds(200) : worldDice.pick([20_000, 200_000, 1_000_000, 4_000_000]))
        }
        if watcher.isOpen != nil, worldDice.oneIn(isHealing ? 50 : 12) { close(watcher) }
        if watcher.isOpen == nil { try open(watcher) }
        guard let member = member(watcher.member), member.state == .running, let open = watcher.isOpen else { return }
        // Not always all there is: a slow reader.
        for _ in 0..<(isHealing ? 1_000 : worldDice.pick([1, 2, 50])) {
            switch open.next() {
            case .success(nil): return try checkProgress(watcher, open)
            case .success(let batch?):
                counts.batches += 1
                try take(watcher, batch)
            case .failure(.compacted(let oldest)):
                guard watcher.validator.position < model.compacted else {
                    throw Breach(
                        .watch,
                        "watch \(number) at \(watcher.validator.position) was told that \(oldest) is the oldest, but only \(model.compacted) is compacted"
                    )
                }
                close(watcher)
                return watcher.validator = WatchValidator(watcher.validator.range, from: max(oldest, model.compacted))
            case .failure: return close(watcher)
            }
        }
        if worldDice.oneIn(3) { try checkProgress(watcher, open) }
    }

    private func take(_ watcher: WatchingClient, _ batch: WatchBatch) throws(Breach) {
        if let problem = watcher.validator.take(batch, chronicle, compacted: model.compacted) {
            throw Breach(.watch, "watcher \(watcher.number) at member \(watcher.member): \(problem)")
        }
    }

    /// A progress notice is a batch without events.
    private func checkProgress(_ watcher: WatchingClient, _ open: any SubjectWatch) throws(Breach) {
        guard let revision = open.progress(), revision >= watcher.validator.position else { return }
        try take(watcher, WatchBatch(revision: revision, events: []))
    }

    private func close(_ watcher: WatchingClient) {
        watcher.isOpen?.cancel()
        watcher.isOpen = nil
    }

    private func open(_ watcher: WatchingClient) throws(Breach) {
        guard let id = seats.all.randomElement(using: &worldDice), let member = member(id), member.state == .running,
            let tap = member.tap
        else { return }
        // A new watcher may begin in the past, in the future, or at the compaction.
        if worldDice.oneIn(4) {
            let start = max(
                2,
                worldDice.pick([
                    model.compacted, model.revision + 3, model.revision + 1, watcher.validator.position, model.revision - 20,
                ]))
            watcher.validator = WatchValidator(watcher.validator.range, from: start)
        }
        let position = watcher.validator.position
        switch tap.subject.watch(watcher.validator.range, from: position) {
        case .success(let open):
            watcher.isOpen = open
            watcher.member = id
            trace(now, "watcher \(watcher.number) opens at member \(id) from \(position)")
        case .failure(.compacted(let oldest)):
            guard position < model.compacted else {
                throw Breach(
                    .watch,
                    "a watch from \(position) was refused, \(oldest) being the oldest, but only \(model.compacted) is compacted")
            }
            watcher.validator = WatchValidator(watcher.validator.range, from: max(oldest, model.compacted))
        case .failure: return
        }
    }
}
