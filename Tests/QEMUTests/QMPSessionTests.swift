import Testing

@testable import QEMU

private let greeting = #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#

private func bytes(_ lines: String...) -> [UInt8] { lines.flatMap { Array(($0 + "\r\n").utf8) } }

private func ready() -> QMPSession {
    var session = QMPSession()
    _ = session.receive(bytes(greeting, #"{"return": {}, "id": 0}"#))
    return session
}

private func sent(_ text: String) -> QMPSession.Effect { .send(Array((text + "\n").utf8)) }

private let breaches: [(String, QMPProblem)] = [
    ("not json", QMPProblem.malformed("not json\r")),
    ("[1]", .malformed("[1]\r")),
    (#"{"return": {}, "id": 99}"#, .unexpected(#"{"return": {}, "id": 99}"# + "\r")),
    (#"{"return": {}}"#, .unexpected(#"{"return": {}}"# + "\r")),
    (#"{"event": 7}"#, .malformed(#"{"event": 7}"# + "\r")),
    (#"{"QMP": {}}"#, .unexpected(#"{"QMP": {}}"# + "\r")),
    (String(repeating: "[", count: 200_000), .malformed(String(repeating: "[", count: 120))),
]

@Suite struct `A QMP session` {
    @Test func `the greeting is answered and held commands follow`() throws {
        var session = QMPSession()
        let taken = session.execute("query-status")
        let asked = try #require(taken)
        #expect(asked.effects == [])
        let answer = session.receive(bytes(greeting))
        #expect(answer == [sent(#"{"execute":"qmp_capabilities","id":0}"#)])
        let granted = session.receive(bytes(#"{"return": {}, "id": 0}"#))
        #expect(granted == [.ready(version: "7.2.22"), sent(#"{"execute":"query-status","id":1}"#)])
        let reply = session.receive(bytes(#"{"return": {"status": "running"}, "id": 1}"#))
        #expect(reply == [.reply(id: 1, .object(["status": .string("running")]))])
    }

    @Test func `replies find their commands in any order, between events`() throws {
        var session = ready()
        let asked = [session.execute("a"), session.execute("b", .object(["x": .integer(1)]))]
        let first = try #require(asked[0]), second = try #require(asked[1])
        #expect(second.effects == [sent(#"{"arguments":{"x":1},"execute":"b","id":2}"#)])
        let effects = session.receive(bytes(
            #"{"return": 5, "id": 2}"#, #"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#,
            #"{"error": {"class": "CommandNotFound", "desc": "no such"}, "id": 1}"#))
        #expect(effects.count == 3)
        #expect(effects.first == .reply(id: second.id, .integer(5)))
        #expect(effects.last == .refused(id: first.id, class: "CommandNotFound", description: "no such"))
        guard case .event(let event) = effects[1] else { Issue.record("no event"); return }
        #expect(event.kind == .stop)
    }

    @Test func `events tell what happened to the machine`() throws {
        func kind(_ line: String) throws -> MachineEvent.Kind {
            var session = ready()
            let effects = session.receive(bytes(line))
            guard case .event(let event) = try #require(effects.first) else { throw MachineError.program("no event") }
            return event.kind
        }
        #expect(try kind(#"{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#)
            == .shutdown(byGuest: true, reason: "guest-shutdown"))
        #expect(try kind(#"{"event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}}"#) == .reset(byGuest: false))
        #expect(try kind(#"{"event": "POWERDOWN"}"#) == .powerDown)
        #expect(try kind(#"{"event": "NIC_RX_FILTER_CHANGED", "data": {}}"#) == .other("NIC_RX_FILTER_CHANGED"))
    }

    @Test(arguments: breaches) func `what is not QMP breaks it, by name`(_ line: String, _ problem: QMPProblem) {
        var session = ready()
        let effects = session.receive(bytes(line, #"{"event": "STOP"}"#))
        #expect(effects == [.broken(problem)])
        let later = session.receive(bytes(#"{"event": "STOP"}"#))
        #expect(later == [])
        let refused = session.execute("quit")
        #expect(refused == nil)
    }

    @Test func `a text that ends with the bracket that is one too deep is no message, and nobody's end`() {
        // 512 is Foundation's limit; its decoder traps on the 513th when nothing follows.
        for count in 500...530 {
            #expect(QMPValue(parsing: [UInt8](repeating: UInt8(ascii: "["), count: count)) == nil)
            var session = ready()
            let effects = session.receive([UInt8](repeating: UInt8(ascii: "["), count: count) + [UInt8(ascii: "\n")])
            #expect(effects == [.broken(.malformed(String(repeating: "[", count: 120)))])
        }
    }

    @Test func `a message without an end is given up at its limit`() {
        var session = ready()
        let half = [UInt8](repeating: 0x20, count: QMPSession.messageMax)
        let first = session.receive(half)
        #expect(first == [])
        let second = session.receive([0x20])
        #expect(second == [.broken(.oversized(bytesMax: QMPSession.messageMax))])
    }

    @Test func `a refused handshake says why`() {
        var session = QMPSession()
        let effects = session.receive(bytes(greeting, #"{"error": {"class": "GenericError", "desc": "busy"}, "id": 0}"#))
        #expect(effects.last == .broken(.handshakeRefused("busy")))
    }

    @Test func `not more commands than the limit wait at once`() {
        var session = ready()
        let taken = (0..<QMPSession.outstandingMax).map { _ in session.execute("a") }
        #expect(taken.allSatisfy { $0 != nil })
        let refused = session.execute("a")
        #expect(refused == nil)
        _ = session.receive(bytes(#"{"return": {}, "id": 5}"#))
        let again = session.execute("a")
        #expect(again != nil)
    }

    @Test func `ten thousand random conversations in random pieces, some damaged, never go wrong`() {
        for seed in UInt64(0)..<10_000 {
            var random = SeededGenerator(seed: seed)
            var session = QMPSession()
            var expected: [UInt64] = []
            var stream = bytes(greeting, #"{"return": {}, "id": 0}"#)
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    guard let asked = session.execute("x") else { continue }
                    expected.append(asked.id)
                    stream += bytes(#"{"return": {"n": \#(asked.id)}, "id": \#(asked.id)}"#)
                case 1: stream += bytes(#"{"event": "RESUME", "data": {"a": "\u00e9{}[]\n"}}"#)
                default: stream += bytes("", " ")
                }
            }
            let isDamaged = Bool.random(using: &random)
            if isDamaged {
                for _ in 0..<Int.random(in: 1..<4, using: &random) {
                    stream[Int.random(in: stream.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            var replies: [UInt64] = [], breaks = 0
            while !stream.isEmpty {
                let count = Int.random(in: 1...min(stream.count, 60), using: &random)
                for effect in session.receive(stream.prefix(count)) {
                    #expect(breaks == 0, "seed \(seed): something came after the break")
                    switch effect {
                    case .reply(let id, _): replies.append(id)
                    case .broken: breaks += 1
                    default: break
                    }
                }
                stream.removeFirst(count)
            }
            if !isDamaged {
                #expect(breaks == 0, "seed \(seed)")
                #expect(replies == expected, "seed \(seed)")
            }
            #expect(Set(replies).count == replies.count && Set(replies).isSubset(of: expected), "seed \(seed): \(replies)")
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
