import Replica
import Store

extension Cluster {
    func act(_ number: Int) {
        guard clients[number].waitsFor == nil, !isHealing || clients[number].hasLastWord == false else { return }
        guard isHealing else { return call(number, clients[number].next(scenario.load)) }
        let reads = clients[number].hasWritten
        // Each at a member of its own, and where all is well at no other: nobody is answered there who is not answered here.
        if reads, !isLame, !seats.voters.isEmpty { clients[number].target = seats.voters[number % seats.voters.count] }
        call(number, clients[number].lastWord())
        guard reads else { return }
        if mayRest { clients[number].hasLastWord = true } else { clients[number].beginLastWords() }
    }

    private func call(_ number: Int, _ request: Request) {
        let call = history.calls.count
        let target = clients[number].target
        history.calls.append(Call(client: number, request: request, invoked: now, returned: nil, answer: .unknown))
        floors.append(answeredRevision)
        clients[number].waitsFor = call
        trace(now, "client \(number) calls \(call) at member \(target): \(request)")
        plan(.ask(member: target, call: call), in: 200 + worldDice.below(Micros(400)))
        plan(.losePatience(client: number, call: call), in: scenario.load.patience)
    }

    /// A call reaches a member.
    func ask(_ id: UInt64, _ call: Int) throws(Breach) {
        guard let member = member(id), member.isUp else { return reply(call, .refused(.unavailable("nobody listens")), id) }
        switch history.calls[call].request {
        case .range(let request, serializable: true):
            guard member.state == .running, let tap = member.tap else { return }
            readNow(member, tap, request, call)
        case .range: try arrive(id, .read(id: UInt64(call)))
        case let request:
            let bytes = S.encode(request, UInt64(call))
            proposed[bytes, default: []].append(call)
            try arrive(id, .propose(id: UInt64(call), bytes))
        }
    }

    private func readNow(_ member: Member<S>, _ tap: Tap<S>, _ request: RangeRequest, _ call: Int) {
        switch tap.subject.range(request) {
        case .success(let result): reply(call, .range(result), member.id)
        case .failure(let error): reply(call, .refused(error), member.id)
        }
    }

    /// A member answers a proposal.
    func answer(_ member: Member<S>, _ id: UInt64, _ result: Result<Answer, ReplicaError>) throws(Breach) {
        guard id < 1 << 40 else { return trace(now, "member \(member.id) answers the operator: \(result)") }
        switch result {
        case .success(let answer): reply(Int(id), answer, member.id)
        case .failure(let error): reply(Int(id), error.isSurelyNotDone ? .refused(.unavailable("\(error)")) : .unknown, member.id)
        }
    }

    func answerRead(_ member: Member<S>, _ id: UInt64, _ result: Result<Void, ReplicaError>) throws(Breach) {
        guard case .success = result, let tap = member.tap, case .range(let request, _) = history.calls[Int(id)].request else {
            return reply(Int(id), .refused(.unavailable("no leader")), member.id)
        }
        readNow(member, tap, request, Int(id))
    }

    private func reply(_ call: Int, _ answer: Answer, _ member: UInt64) {
        plan(.hear(call: call, letter: letters.put(.answer(answer)), member: member), in: 200 + worldDice.below(Micros(400)))
    }

    /// An answer reaches the client, who may have lost patience.
    func hear(_ call: Int, _ answer: Answer, _ id: UInt64) throws(Breach) {
        let number = history.calls[call].client
        guard clients[number].waitsFor == call else { return }
        clients[number].waitsFor = nil
        history.calls[call].member = id
        trace(now, "client \(number) hears of \(call): \(answer)")
        switch answer {
        case .unknown:
            counts.unknown += 1
            miss(number)
        case .refused(let error):
            counts.refused += 1
            history.calls[call].answer = answer
            history.calls[call].returned = now
            if case .unavailable = error {
                if appliedCalls.contains(call) {
                    throw Breach(.appliedOnce, "call \(call) was refused (\(error)), but is applied")
                }
                miss(number)
            }
        case .transaction, .range, .done:
            counts.answered += 1
            clients[number].misses = 0
            history.calls[call].answer = answer
            history.calls[call].returned = now
            try checkAnswer(call, answer, id)
        }
        clients[number].learn(answer, to: history.calls[call].request)
        pause(number)
    }

    private func checkAnswer(_ call: Int, _ answer: Answer, _ id: UInt64) throws(Breach) {
        let revision: Revision
        var isSerializable = false
        switch answer {
        case .transaction(let result): revision = result.revision
        case .range(let result):
            revision = result.revision
            if case .range(_, serializable: true) = history.calls[call].request { isSerializable = true }
        default: return
        }
        if revision > model.revision {
            throw Breach(.neverBack, "call \(call) was answered with revision \(revision), the newest is \(model.revision)")
        }
        if isSerializable { return }
        if revision < floors[call] {
            throw Breach(
                .linearizable,
                "call \(call) was answered by member \(id) with revision \(revision), after \(floors[call]) was answered before it was made"
            )
        }
        answeredRevision = max(answeredRevision, revision)
    }

    func losePatience(_ number: Int, _ call: Int) {
        guard clients[number].waitsFor == call else { return }
        trace(now, "client \(number) gives \(call) up")
        counts.unknown += 1
        clients[number].waitsFor = nil
        miss(number)
        pause(number)
    }

    /// Next time it tries another member.
    private func miss(_ number: Int) {
        clients[number].misses += 1
        if isHealing { clients[number].hasLastWord = false }
        let others = seats.all.isEmpty ? members.map(\.id) : seats.all
        let goesHome = scenario.load.keepsHome && !isHealing && worldDice.oneIn(2)
        clients[number].target = others[goesHome ? number % others.count : worldDice.below(others.count)]
    }

    private func pause(_ number: Int) {
        let mean = isHealing ? Micros.milliseconds(now < insistsUntil ? 40 : 300) : scenario.load.pause
        plan(.act(client: number), in: 1_000 + worldDice.below(2 * mean))
    }
}

extension ReplicaError {
    /// Whether an answer with this error says that nothing was written and nothing will be.
    var isSurelyNotDone: Bool {
        switch self {
        case .noSpace, .tooLarge, .overloaded, .noLeader, .notLeader, .changeRefused: true
        default: false
        }
    }
}
