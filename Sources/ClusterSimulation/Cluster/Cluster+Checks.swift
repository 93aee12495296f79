import Raft
import Replica
import Store

/// What is held against every member after every event.
extension Cluster {
    /// Listens to what a member says to others.
    /// - Parameter promise: the highest index that it called durable in the newest term it spoke of; what it said to an earlier
    ///   leader the next may replace, in one and the same step.
    func overhear(_ member: Member<S>, _ message: PeerMessage, _ promise: inout Position) throws(Breach) {
        guard case .raft(let message) = message.body else { return }
        switch message.body {
        case .voteRequest:
            try truth.votes(member.id, term: message.term, for: member.id)
            releaseVote(for: member.id, term: message.term)
        case .voteAnswer(granted: true):
            try truth.votes(member.id, term: message.term, for: message.to)
            release(to: member.id)
        case .append(let previous, let entries, _):
            try truth.leads(member.id, term: message.term, at: now)
            var before = previous.term
            for entry in entries {
                try hold(member, entry.position, kind: entry.kind.rawValue, entry.bytes, before)
                before = entry.term
            }
        case .heartbeat: try truth.leads(member.id, term: message.term, at: now)
        case .appendAnswer(let index), .heartbeatAnswer(_, let index):
            if message.term > promise.term { promise = Position(index: index, term: message.term) }
            if message.term == promise.term { promise = Position(index: max(promise.index, index), term: promise.term) }
            truth.says(member.id, term: message.term, matched: index)
        default: break
        }
    }

    /// Looks at a member after a step.
    /// - Parameter promise: what it said in this step that it has durably; index 0 for nothing.
    func watchOver(_ member: Member<S>, sent promise: Position) throws(Breach) {
        guard let look = member.core?.look, let configuration = member.core?.raft.configuration else { return }
        let before = member.look
        guard look != before else { return }
        member.look = look
        let configurations = [member.configuration, configuration]
        member.configuration = configuration
        truth.reaches(look.applied)
        if look.last != before.last || look.term != before.term { try checkLog(member, after: min(before.last, look.last)) }
        if look.role == .leader {
            try truth.leads(member.id, term: look.term, at: now)
            if before.role != .leader || before.term != look.term {
                try checkComplete(member)
                let verdict = Quorum.verdict(of: configuration) {
                    $0 == member.id || truth.vote(of: $0, term: look.term) == member.id
                }
                guard verdict == .won else {
                    throw Breach(.majority, "member \(member.id) leads term \(look.term) of \(configuration) without one")
                }
            }
            if before.role != .leader || before.term != look.term {
                counts.elections += 1
                trace(now, "member \(member.id) leads term \(look.term) from \(look.last), committed \(look.commit)")
            }
        } else if before.role == .leader {
            trace(now, "member \(member.id) leads no more: \(look.role) of term \(look.term)")
        }
        if look.role == .leader, before.role == .leader, look.term == before.term, look.commit > before.commit {
            // A step may commit a change of members and apply it: what it counted by is one of the two.
            let isHeld = configurations.contains { configuration in
                Quorum.verdict(of: configuration) { voter in
                    (voter == member.id ? look.durable : truth.saidMatched(voter, term: look.term)) >= look.commit
                } == .won
            }
            guard isHeld else {
                throw Breach(
                    .committed, "member \(member.id) committed entry \(look.commit) of \(configuration), which no majority said to have")
            }
        }
        if look.role == .leader, before.role == .leader, look.term == before.term, look.commit > before.commit,
            let term = member.core?.term(at: look.commit), term != look.term
        {
            throw Breach(
                .ownTerm,
                "member \(member.id) leads term \(look.term) and committed entry \(look.commit) of term \(term) (Raft §5.4.2)")
        }
        func check(_ isTrue: Bool, _ invariant: Breach.Invariant, _ what: String) throws(Breach) {
            guard isTrue else { throw Breach(invariant, "member \(member.id): \(what): \(look) after \(before)") }
        }
        try check(look.applied <= look.commit, .indexOrder, "applied beyond what is committed")
        try check(look.applied <= look.durable, .indexOrder, "applied beyond what is durable")
        try check(look.durable <= look.last, .indexOrder, "durable beyond its end")
        guard before != Look() else { return }
        try check(look.term >= before.term, .neverBack, "its term went back")
        try check(look.commit >= before.commit, .neverBack, "its commit index went back")
        try check(look.applied >= before.applied, .neverBack, "its applied index went back")
        try check(look.last >= before.commit, .committedStays, "its log was cut below what was committed")
        try check(
            promise.term < look.term || promise.index <= look.durable || promise.index <= before.durable, .durable,
            "it said that \(promise.index) is durable")
    }

    /// The newest entries of a member's log are what all others have there, and so is what comes before each.
    private func checkLog(_ member: Member<S>, after place: UInt64) throws(Breach) {
        guard let base = member.core?.raft.base.index, base < member.look.last else { return }
        let from = max(place > 0 ? place - 1 : 0, base, member.look.last > 64 ? member.look.last - 64 : 0)
        guard let entries = member.core?.raft.entries(after: from, through: member.look.last) else { return }
        // What comes before the first is known where it is in the log, too.
        var before = from == base ? member.core?.raft.base.term : nil
        var changes = 0
        for entry in entries {
            if entry.kind == .configuration, entry.index > member.look.applied, entry.term == member.look.term { changes += 1 }
            if let before { try hold(member, entry.position, kind: entry.kind.rawValue, entry.bytes, before) }
            before = entry.term
        }
        guard member.look.role != .leader || changes <= 1 else {
            throw Breach(
                .configuration, "member \(member.id) leads and took \(changes) changes of members, none of which is applied")
        }
    }

    private func hold(_ member: Member<S>, _ place: Position, kind: UInt8, _ bytes: [UInt8], _ before: UInt64) throws(Breach) {
        try truth.holds(
            member.id, index: place.index, term: place.term, before: before, digest: digest(bytes, UInt64(kind) &+ 0xcbf2_9ce4))
    }

    /// Who begins to lead holds everything that was committed before (Raft §5.4.3).
    private func checkComplete(_ member: Member<S>) throws(Breach) {
        let (index, term) = truth.lastCommand
        // A late winner of an old term may miss what a newer leader committed meanwhile.
        guard truth.newestTerm == member.look.term, index > 0 else { return }
        guard member.look.last >= index, member.core?.term(at: index) == term || member.core?.term(at: index) == nil else {
            throw Breach(
                .leaderComplete,
                "member \(member.id) leads term \(member.look.term) with a log to \(member.look.last); entry \(index) of term \(term) was applied"
            )
        }
    }

    /// Takes in what a member applied since the last time.
    func drain(_ member: Member<S>) throws(Breach) {
        guard let notes = member.tap?.take() else { return }
        for due in notes.due { wanted[due, default: 0] += 1 }
        if !notes.installed.isEmpty {
            trace(now, "member \(member.id) installs a snapshot: \(notes.installed)")
            for pair in stride(from: 0, to: notes.installed.count - 1, by: 2)
            where notes.installed[pair] > notes.installed[pair + 1] {
                throw Breach(
                    .neverBack,
                    "member \(member.id) put a snapshot of \(notes.installed[pair + 1]) over its state of \(notes.installed[pair])"
                )
            }
            try compareWhole(member)
        }
        for applied in notes.applied { try take(member, applied) }
    }

    private func take(_ member: Member<S>, _ applied: Tap<S>.Noted) throws(Breach) {
        let command = applied.command
        var body = digest(command.bytes)
        if let configuration = command.configuration { body = digest(Array(configuration.description.utf8), body) }
        let isNew = try truth.applies(member.id, index: command.index, Truth.Seal(term: command.term, digest: body))
        if isNew {
            if let configuration = command.configuration {
                counts.changes += 1
                trace(now, "entry \(command.index): \(configuration)")
                seats.apply(configuration)
            }
            expectations[command.index] = try expect(command)
            trace(now, "member \(member.id) applies \(command.index): \(S.decode(command).map { "\($0)" } ?? "?")")
        }
        guard let expected = expectations[command.index] else { return }
        guard Self.agree(applied.answer, expected.answer) else {
            throw Breach(
                .machinesAgree,
                "member \(member.id) made \(applied.answer) of entry \(command.index) (\(S.decode(command).map { "\($0)" } ?? "?")), not \(expected.answer)"
            )
        }
    }

    private static func agree(_ seen: Answer, _ wanted: Answer) -> Bool {
        switch (seen, wanted) {
        case (.refused(let a), .refused(let b)):
            // The words are for the conformance suite.
            switch (a, b) {
            case (.compacted, .compacted), (.futureRevision, .futureRevision): true
            case (.compacted, _), (_, .compacted), (.futureRevision, _), (_, .futureRevision): false
            default: true
            }
        default: seen == wanted
        }
    }

    /// What the model makes of a command when it is applied for the first time anywhere.
    private func expect(_ command: Command) throws(Breach) -> Expectation {
        guard let act = S.decode(command) else {
            throw Breach(.committedStays, "entry \(command.index) is no command that anybody knows")
        }
        switch act {
        case .housekeeping: return Expectation(answer: .done(seconds: 0))
        case .remaining(let leases):
            try spend(command)
            for (lease, renewed, seconds) in leases where leaseClock.renewal(of: lease) == renewed {
                counts.recordings += 1
                if let problem = leaseClock.checkpoint(lease, left: seconds, at: now, haste: 12) { throw Breach(.lease, problem) }
            }
            return Expectation(answer: .done(seconds: 0))
        case .expire(let leases):
            try spend(command)
            let since = truth.leadingSince[command.term] ?? 0
            for (lease, renewed) in leases where model.leases[lease] != nil && leaseClock.renewal(of: lease) == renewed {
                counts.expiries += 1
                if let problem = leaseClock.expire(lease, at: now, ledSince: since, haste: 12) { throw Breach(.lease, problem) }
                if let events = model.revoke(lease), !events.isEmpty {
                    chronicle.add(events, at: model.revision)
                    history.deaths.append((lease, model.revision))
                }
            }
            return Expectation(answer: .done(seconds: 0))
        case .request(.compact(let revision)) where (wanted[command.bytes] ?? 0) > 0:
            try spend(command)
            return Expectation(answer: model.compact(revision).map { .refused($0) } ?? .done(seconds: 0))
        case .request(let request):
            let call = try claim(command)
            return Expectation(answer: carryOut(request, call, command.index), call: call)
        }
    }

    /// A command that a machine wanted is applied as often as it was wanted, at the most.
    private func spend(_ command: Command) throws(Breach) {
        guard let count = wanted[command.bytes], count > 0 else {
            throw Breach(.appliedOnce, "entry \(command.index) is a command that no machine asked for, or not so often")
        }
        wanted[command.bytes] = count - 1
    }

    /// The call that this command is of.
    private func claim(_ command: Command) throws(Breach) -> Int {
        guard var calls = proposed[command.bytes], let call = calls.first else {
            throw Breach(
                .appliedOnce,
                "entry \(command.index) is applied once more, or was never asked for: \(S.decode(command).map { "\($0)" } ?? "?")"
            )
        }
        calls.removeFirst()
        proposed[command.bytes] = calls.isEmpty ? nil : calls
        // Compactions of the same revision cannot be told apart.
        if case .compact = history.calls[call].request { return call }
        appliedCalls.insert(call)
        if case .refused(let error) = history.calls[call].answer {
            throw Breach(.appliedOnce, "entry \(command.index) is of call \(call), which was refused: \(error)")
        }
        return call
    }

    private func carryOut(_ request: Request, _ call: Int, _ index: UInt64) -> Answer {
        switch request {
        case .transaction(let transaction):
            let (result, events) = model.commit(transaction)
            switch result {
            case .failure(let error): return .refused(error)
            case .success(let result):
                if !events.isEmpty {
                    chronicle.add(events, at: model.revision)
                    history.calls[call].hint = model.revision
                }
                return .transaction(result)
            }
        case .grant(let lease, let seconds):
            guard let granted = model.grant(lease, seconds: seconds) else { return .refused(.precondition("there already")) }
            leaseClock.grant(lease, seconds: granted, entry: index, at: now)
            return .done(seconds: 0)
        case .renew(let lease):
            guard let seconds = model.leases[lease] else { return .refused(.missing("no lease")) }
            leaseClock.renew(lease, entry: index, at: now)
            return .done(seconds: seconds)
        case .revoke(let lease):
            guard let events = model.revoke(lease) else { return .refused(.missing("no lease")) }
            leaseClock.revoke(lease)
            if !events.isEmpty {
                chronicle.add(events, at: model.revision)
                history.calls[call].hint = model.revision
            }
            return .done(seconds: 0)
        case .compact(let revision):
            if let error = model.compact(revision) { return .refused(error) }
            return .done(seconds: 0)
        case .range: return .refused(.invalid("a read is no command"))
        }
    }

    /// A member's whole state is the model's of the same revision, where that can still be told.
    func compareWhole(_ member: Member<S>) throws(Breach) {
        guard let tap = member.tap else { return }
        let seen: RangeResult
        switch tap.subject.range(RangeRequest(.all)) {
        case .success(let result): seen = result
        case .failure(let error): throw Breach(.machinesAgree, "member \(member.id) cannot read what it holds: \(error)")
        }
        guard seen.revision >= model.compacted, seen.revision <= model.revision else { return }
        let wanted = model.range(RangeRequest(.all, at: seen.revision))
        guard case .success(let wanted) = wanted, wanted.entries != seen.entries else { return }
        throw Breach(
            .machinesAgree, "member \(member.id) holds \(seen.entries) at revision \(seen.revision), not \(wanted.entries)")
    }
}
