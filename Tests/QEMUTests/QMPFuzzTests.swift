import Simulation
import Testing

@testable import QEMU

/// What a monitor's socket can bring, many times over: a QEMU that is broken, or somebody else who took its place.
@Suite struct QMPFuzzTests {
    private static let greeting = #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#

    @Test func `no bytes upset a QMP session, and no reply comes for what was not asked`() {
        var dice = FuzzDice(1)
        let count = FuzzDice.count(50_000)
        var messages = 0, replies = 0, events = 0, breaks = 0
        while messages < count {
            let conversation = messages
            var session = QMPSession()
            var outstanding: Set<UInt64> = [], isBroken = false, bytesIn = 0
            for round in 0..<dice.number(1...20) {
                if dice.oneIn(2), let asked = session.execute(dice.pick(["query-status", "", "é\"\\"]), dice.oneIn(2) ? .object(["x": .integer(1)]) : nil) {
                    #expect(!isBroken && outstanding.insert(asked.id).inserted, "input \(conversation): id \(asked.id) twice")
                    #expect(outstanding.count <= QMPSession.outstandingMax, "input \(conversation)")
                }
                messages += 1
                let line = round == 0 && !dice.oneIn(8) ? Array(Self.greeting.utf8) : round == 1 && !dice.oneIn(8) ? Array(#"{"return": {}, "id": 0}"#.utf8) : Self.line(&dice, outstanding)
                bytesIn += line.count + 1
                for piece in dice.pieces(line + [10], max: dice.pick([7, 100, 100_000])) {
                    for effect in session.receive(piece) {
                        #expect(!isBroken, "input \(conversation): something came after the break")
                        switch effect {
                        case .reply(let id, let value):
                            #expect(outstanding.remove(id) != nil, "input \(conversation): a reply to \(id), which was not asked")
                            #expect(value.weight <= bytesIn, "input \(conversation): a value larger than what it was read from")
                            replies += 1
                        case .refused(let id, let name, let description):
                            #expect(outstanding.remove(id) != nil, "input \(conversation): a refusal of \(id), which was not asked")
                            #expect(name.utf8.count + description.utf8.count <= 3 * bytesIn + 64, "input \(conversation)")
                            replies += 1
                        case .event(let event):
                            _ = event.kind
                            #expect(event.data.weight <= bytesIn, "input \(conversation)")
                            events += 1
                        case .broken(let problem):
                            #expect(problem.description.utf8.count <= 2000, "input \(conversation): \(problem)")
                            isBroken = true
                            breaks += 1
                        case .send(let bytes): #expect(bytes.last == 10 && !bytes.dropLast().contains(10), "input \(conversation): half a message is sent")
                        case .ready(let version): #expect(version.utf8.count <= 80, "input \(conversation)")
                        }
                    }
                }
                if isBroken { break }
            }
            #expect(!isBroken || session.execute("quit") == nil, "input \(conversation): it takes commands after the break")
        }
        #expect(replies > count / 20 && events > count / 20 && breaks > count / 50, "too little came far: \(replies) replies, \(events) events, \(breaks) breaks of \(count)")
    }

    private static func line(_ dice: inout FuzzDice, _ outstanding: Set<UInt64>) -> [UInt8] {
        let known = outstanding.sorted()
        let id = known.isEmpty || dice.oneIn(6) ? dice.pick(["0", "-1", "1.0", "1.5", "1e0", "18446744073709551615", "9223372036854775807", "\"1\"", "null", "[1]"]) : String(dice.pick(known))
        let value = json(&dice, depth: 3)
        let text =
            switch dice.number(0...11) {
            case 0...3: #"{"return": \#(value), "id": \#(id)}"#
            case 4: #"{"error": {"class": \#(json(&dice, depth: 1)), "desc": \#(json(&dice, depth: 1))}, "id": \#(id)}"#
            case 5...7: #"{"event": \#(dice.pick(["\"SHUTDOWN\"", "\"RESET\"", "\"STOP\"", "\"\"", value])), "data": \#(value), "timestamp": {"seconds": 1, "microseconds": 2}}"#
            case 8: #"{"return": \#(value), "error": \#(value), "event": "STOP", "QMP": \#(value), "id": \#(id)}"#
            case 9: dice.pick([greeting, value, " \t\r", "{", "\u{FEFF}{}", #"{"id": \#(id)}"#, #"{"return": {}, "return": {}, "id": \#(id), "id": 1}"#])
            case 10: String(repeating: dice.pick(["[", "{\"a\":", "[{\"a\":["]), count: dice.pick([10, 300, 511, 513, 2000]))
            default: #"{"return": [\#((0..<dice.number(0...40)).map { _ in json(&dice, depth: 1) }.joined(separator: ","))], "id": \#(id)}"#
            }
        let bytes = Array(text.utf8)
        return dice.oneIn(6) ? dice.spoiled(bytes).filter { $0 != 10 } : bytes
    }

    private static func json(_ dice: inout FuzzDice, depth: Int) -> String {
        switch dice.number(0...(depth > 0 ? 8 : 5)) {
        case 0: dice.pick(["true", "false", "null"])
        case 1: dice.numberText().isEmpty ? "0" : dice.pick(["-0", "1e308", "1e999", "-1E-400", "9223372036854775808", "0.1", "12"])
        case 2, 3: "\"" + dice.pick(["running", "", "\\u0000", "\\ud83d\\ude00", "\\ud83d", "\\n\\\"", "é", "\u{1F600}", String(repeating: "x", count: 300)]) + "\""
        case 4, 5: dice.pick(["{}", "[]", "7"])
        case 6: "[" + (0..<dice.number(0...4)).map { _ in json(&dice, depth: depth - 1) }.joined(separator: ", ") + "]"
        default: "{" + (0..<dice.number(0...4)).map { _ in "\"\(dice.pick(["status", "a", "guest", "reason", "", "id"]))\": " + json(&dice, depth: depth - 1) }.joined(separator: ", ") + "}"
        }
    }
}

extension QMPValue {
    /// How much there is in it: values, and bytes of text, of which JSON needs at least one each.
    fileprivate var weight: Int {
        switch self {
        case .null, .bool, .integer, .number: 1
        // A lone surrogate's six bytes become three; nothing grows.
        case .string(let text): text.utf8.count
        case .array(let values): 1 + values.reduce(0) { $0 + $1.weight }
        case .object(let members): 1 + members.reduce(0) { $0 + $1.key.utf8.count + $1.value.weight }
        }
    }
}
