import CoreMetrics
import Synchronization

/// One series' value.
final class Measure: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    enum Kind: String { case counter, gauge, histogram }

    private struct Value {
        var sum = 0.0
        var count: UInt64 = 0
        /// How many fell at or below each bound and above the one before.
        var buckets: [UInt64]
    }

    private let kind: Kind
    private let bounds: [Double]
    private let value: Mutex<Value>

    init(_ kind: Kind, bounds: [Double] = []) {
        self.kind = kind
        self.bounds = bounds
        value = Mutex(Value(buckets: Array(repeating: 0, count: bounds.count)))
    }

    var type: String { kind.rawValue }

    private func add(_ amount: Double) { value.withLock { $0.sum += amount } }

    private func observe(_ amount: Double) {
        guard kind == .histogram else { return value.withLock { $0.sum = amount } }
        let bucket = bounds.firstIndex { amount <= $0 }
        value.withLock { value in
            value.sum += amount
            value.count += 1
            if let bucket { value.buckets[bucket] += 1 }
        }
    }

    func increment(by amount: Int64) { add(Double(amount)) }
    func increment(by amount: Double) { add(amount) }
    func decrement(by amount: Double) { add(-amount) }
    func reset() { value.withLock { $0 = Value(buckets: Array(repeating: 0, count: bounds.count)) } }
    func set(_ amount: Int64) { value.withLock { $0.sum = Double(amount) } }
    func set(_ amount: Double) { value.withLock { $0.sum = amount } }
    func record(_ amount: Int64) { observe(Double(amount)) }
    func record(_ amount: Double) { observe(amount) }
    func recordNanoseconds(_ duration: Int64) { observe(Double(duration) / 1e9) }

    func render(_ series: Series, into text: inout String) {
        let value = value.withLock { $0 }
        let labels = series.labels.isEmpty ? "" : "{\(series.labels)}"
        guard kind == .histogram else {
            text += "\(series.name)\(labels) \(number(value.sum))\n"
            return
        }
        let prefix = series.labels.isEmpty ? "" : series.labels + ","
        var below: UInt64 = 0
        for (bound, count) in zip(bounds, value.buckets) {
            below += count
            text += "\(series.name)_bucket{\(prefix)le=\"\(number(bound))\"} \(below)\n"
        }
        text += "\(series.name)_bucket{\(prefix)le=\"+Inf\"} \(value.count)\n"
        text += "\(series.name)_sum\(labels) \(number(value.sum))\n"
        text += "\(series.name)_count\(labels) \(value.count)\n"
    }

    private func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
