import Simulation
import Testing

@testable import Replica

/// What can stand in a frame whose checksum is right.
@Suite struct WireFuzzTests {
    @Test func `bytes changed, cut or added are no message, or another message in its one form`() {
        var dice = FuzzDice(41)
        let count = FuzzDice.count(200_000)
        var messages = WireDice(seed: dice.next())
        let whole = (0..<500).map { _ in messages.message().encoded }
        var taken = 0
        for number in 0..<count {
            let bytes = switch dice.number(0...19) {
            case 0: dice.bytes(dice.number(0...120))
            case 1: dice.crossed(dice.pick(whole), dice.pick(whole))
            default: dice.spoiled(dice.pick(whole))
            }
            guard let message = PeerMessage(decoding: bytes) else { continue }
            taken += 1
            if message.encoded != bytes { Issue.record("input \(number): \(bytes) has another form") }
        }
        #expect(taken > count / 200, "too few were messages: \(taken)")
    }
}
