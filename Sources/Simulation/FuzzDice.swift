import Glibc

/// What the fuzz tests of all rooms throw: numbers (a seed replays a run), and inputs spoiled as
/// an enemy, a broken peer or a bad cable would.
package struct FuzzDice: RandomNumberGenerator, Sendable {
    private var dice: SimulatedDisk.Dice

    /// - Parameter seed: PLASMA_SEED, when it is set, makes another run of each.
    package init(_ seed: UInt64) {
        dice = SimulatedDisk.Dice(seed: seed ^ (Self.number("PLASMA_SEED").map { UInt64(truncatingIfNeeded: $0) &* 0xD6E8_FEB8_6659_FD93 } ?? 0))
    }

    /// PLASMA_FUZZ=2000000 asks for so many inputs of each decoder instead of the everyday number.
    package static func count(_ usual: Int) -> Int { number("PLASMA_FUZZ") ?? usual }

    private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

    package mutating func next() -> UInt64 { dice.next() }

    package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True once in so many times.
    package mutating func oneIn(_ times: Int) -> Bool { number(1...times) == 1 }

    /// - Precondition: it has elements.
    package mutating func pick<T>(_ elements: [T]) -> T { elements[number(0...elements.count - 1)] }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(count))
    }

    /// Some bytes changed, taken out, doubled or cut off.
    package mutating func spoiled(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<number(1...6) where !bytes.isEmpty {
            let at = number(0...bytes.count - 1)
            switch number(0...5) {
            case 0: bytes[at] = UInt8(number(0...255))
            case 1: bytes[at] = pick([0, 1, 127, 128, 255])
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(bytes[at], at: at)
            case 4: bytes.removeLast(bytes.count - at)
            default: bytes += Array(bytes[at...].prefix(300))
            }
        }
        return bytes
    }

    /// The head of one and the tail of another.
    package mutating func crossed(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        Array(a.prefix(number(0...a.count)) + b.suffix(number(0...b.count)))
    }

    /// As a stream brings it: in pieces of at most so many bytes.
    package mutating func pieces(_ bytes: [UInt8], max: Int) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + number(1...max))
            pieces.append(bytes[at..<end])
            at = end
        }
        return pieces
    }

    /// Numbers as texts at which readers of numbers fail: limits, signs, spaces, too many digits.
    package mutating func numberText() -> String {
        switch number(0...3) {
        case 0: pick(["", "0", "-1", "+1", " 1", "1 ", "00", "0x10", "1e3", "1.5", "٣", "65535", "65536", "4294967296", "-9223372036854775808"])
        case 1: pick(["9223372036854775807", "9223372036854775808", "18446744073709551615", String(repeating: "9", count: 40)])
        default: String(number(0...70_000))
        }
    }
}
