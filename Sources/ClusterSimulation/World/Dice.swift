import Simulation

typealias Dice = SimulatedDisk.Dice

extension Dice {
    /// From 0 up to but not including `count`, which must be at least 1. (Lemire, 2019: biased by less than 2⁻³².)
    mutating func below(_ count: Int64) -> Int64 { Int64(next().multipliedFullWidth(by: UInt64(count)).high) }
    mutating func below(_ count: Int) -> Int { Int(below(Int64(count))) }
    mutating func within(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }
    mutating func perMille(_ share: Int) -> Bool { share > 0 && below(1_000) < share }
    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    /// The array must not be empty.
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

    /// One of the choices, each as likely as its weight.
    mutating func pick<T>(weighted choices: [(T, Int)]) -> T {
        var left = below(choices.reduce(0) { $0 + $1.1 })
        for (choice, weight) in choices {
            if left < weight { return choice }
            left -= weight
        }
        preconditionFailure("no choice has a weight")
    }

    /// Another source of chance, whose rolls do not depend on how often this one is rolled later.
    mutating func fork() -> Dice { Dice(seed: next()) }
}
