import Foundation

/// What came of one seed.
package struct Verdict: Sendable {
    package var seed: UInt64
    /// nil: every promise was kept.
    package var breach: Breach?
    /// Simulated time that passed.
    package var simulated: Micros
    package var counts: Counts
    /// The newest lines of the trace, when they were asked for.
    package var tail: [String]
}

/// Runs one seed: a cluster under load and faults for `minutes` of simulated time, then healed and asked to go on.
/// - Parameter keepsLines: how many of the newest lines of the trace to keep for a failure's report.
package func simulate(seed: UInt64, minutes: Int, trace isOn: Bool = false, keepsLines: Int = 0) -> Verdict {
    let scenario = Scenario(seed: seed, length: .seconds(60 * minutes))
    let trace = Trace(isOn: isOn, keeps: keepsLines)
    trace.isOn ? print("seed \(seed): \(scenario)") : ()
    var verdict = Verdict(seed: seed, breach: nil, simulated: 0, counts: Counts(), tail: [])
    do throws(Breach) {
        let cluster = try Cluster<ChainfireSubject>(scenario, trace: trace) { try ChainfireSubject(on: $0) }
        do throws(Breach) { try cluster.run() } catch { verdict.breach = error }
        verdict.simulated = cluster.now
        verdict.counts = cluster.counts
        verdict.tail = cluster.trace.tail
    } catch {
        verdict.breach = error
    }
    return verdict
}

/// The simulator as a command, for long runs:
///
///     --seed N       the first seed (default: drawn, and printed)
///     --seeds N      how many (default 100, or with --hours as many as it takes)
///     --hours N      stop after so many simulated hours
///     --minutes N    simulated minutes of faults in each seed (default 5)
///     --trace        print everything that happens
///     --keep-going   do not stop at the first failure
///
/// - Returns: the exit code: 0 all is well, 1 a promise was broken, 64 the arguments cannot be understood.
package func simulate(_ arguments: [String]) -> Int32 {
    var first = UInt64.random(in: 1...1_000_000_000)
    var count: Int?
    var hours: Double?
    var minutes = 5
    var isTraced = false
    var keepsGoing = false
    var rest = arguments[...]
    while let argument = rest.popFirst() {
        switch argument {
        case "--trace": isTraced = true
        case "--keep-going": keepsGoing = true
        case "--seed", "--seeds", "--hours", "--minutes":
            guard let text = rest.popFirst(), let number = Double(text), number > 0 else {
                print("\(argument) takes a number above 0")
                return 64
            }
            switch argument {
            case "--seed": first = UInt64(number)
            case "--seeds": count = Int(number)
            case "--hours": hours = number
            default: minutes = max(1, Int(number))
            }
        default:
            print("\"\(argument)\" is not known; it takes --seed, --seeds, --hours, --minutes, --trace and --keep-going")
            return 64
        }
    }
    return simulate(
        from: first, count: count ?? (hours == nil ? 100 : .max), hours: hours ?? .infinity, minutes: minutes, isTraced: isTraced, keepsGoing: keepsGoing)
}

private func simulate(from first: UInt64, count: Int, hours: Double, minutes: Int, isTraced: Bool, keepsGoing: Bool) -> Int32 {
    var simulated: Micros = 0
    var failures = 0
    var sum = Counts()
    let start = processorSeconds()
    var seed = first
    while seed - first < count, Double(simulated) < hours * 3.6e9 {
        // First of all: a seed that ends the process must be known.
        print("seed \(seed)", terminator: "\n")
        fflush(nil)
        let verdict = simulate(seed: seed, minutes: minutes, trace: isTraced)
        simulated += verdict.simulated
        sum.add(verdict.counts)
        if let breach = verdict.breach {
            failures += 1
            print("FAILED seed \(seed) after \(verdict.simulated / 1_000_000) simulated seconds: \(breach)")
            if !keepsGoing { break }
        }
        seed += 1
    }
    let spent = processorSeconds() - start
    let passed = Double(simulated) / 3.6e9
    print(
        "\(seed - first) seeds, \(failures) failed; \(String(format: "%.2f", passed)) simulated cluster-hours in \(String(format: "%.1f", spent)) s "
            + "of one core, \(Int(passed / (spent / 3_600))) an hour; \(sum)")
    return failures == 0 ? 0 : 1
}

/// The processor time that this process has used.
private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
