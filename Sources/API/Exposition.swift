import CoreMetrics
import Foundation
import Synchronization

/// Keeps what the process measures and renders it as Prometheus' text format 0.0.4. The caller bootstraps
/// swift-metrics with it. Timers become histograms of seconds, aggregating recorders histograms, other recorders gauges.
package final class Exposition: MetricsFactory {
    /// Upper bounds in seconds; for recorders that count things, powers of two serve better.
    private static let secondsBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
    private static let countBounds: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536]

    private let state = Mutex(State())

    private struct State {
        var series: [Series: Measure] = [:]
        var help: [String: String] = [:]
    }

    package init() {}

    /// Says in one sentence what a metric means.
    package func describe(_ name: String, _ help: String) { state.withLock { $0.help[metricName(name)] = help } }

    /// The text for `/metrics`, families in name order.
    package func text() -> String {
        let (series, help) = state.withLock { ($0.series, $0.help) }
        var text = ""
        var family = ""
        for (key, measure) in series.sorted(by: { $0.key < $1.key }) {
            if key.name != family {
                family = key.name
                if let sentence = help[family] { text += "# HELP \(family) \(escapedHelp(sentence))\n" }
                text += "# TYPE \(family) \(measure.type)\n"
            }
            measure.render(key, into: &text)
        }
        return text
    }

    /// The measure of a series; made when missing. A name that is already of another type gets a measure that
    /// is kept but not rendered: two types under one name are not a valid exposition.
    private func measure(_ label: String, _ dimensions: [(String, String)], suffix: String = "", _ make: () -> Measure) -> Measure {
        let name = metricName(label) + (suffix.isEmpty || label.hasSuffix(suffix) ? "" : suffix)
        let key = Series(name: name, labels: dimensions)
        return state.withLock { state in
            if let known = state.series[key] { return known }
            let new = make()
            if let other = state.series.first(where: { $0.key.name == name })?.value, other.type != new.type { return new }
            state.series[key] = new
            return new
        }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        measure(label, dimensions) { Measure(.counter) }
    }
    package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        measure(label, dimensions) { Measure(.counter) }
    }
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        measure(label, dimensions) { Measure(.gauge) }
    }
    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        measure(label, dimensions) { aggregate ? Measure(.histogram, bounds: Self.countBounds) : Measure(.gauge) }
    }
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        measure(label, dimensions, suffix: "_seconds") { Measure(.histogram, bounds: Self.secondsBounds) }
    }

    // Series stay for the life of the process: Prometheus takes a counter that vanishes for a restart.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}
}

/// A metric's name and labels.
struct Series: Hashable, Comparable {
    var name: String
    /// Rendered: `kind="Node",result="ok"`.
    var labels: String

    init(name: String, labels: [(String, String)]) {
        self.name = name
        self.labels = labels.sorted { $0.0 < $1.0 }.map { "\(labelName($0))=\"\(escapedLabel($1))\"" }.joined(separator: ",")
    }

    static func < (a: Series, b: Series) -> Bool { (a.name, a.labels) < (b.name, b.labels) }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
func metricName(_ text: String) -> String { sanitized(text, colon: true) }

/// `[a-zA-Z_][a-zA-Z0-9_]*`
private func labelName(_ text: String) -> String { sanitized(text, colon: false) }

private func sanitized(_ text: String, colon: Bool) -> String {
    var name = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "a"..."z", "A"..."Z", "_": name.unicodeScalars.append(scalar)
        case "0"..."9":
            if name.isEmpty { name = "_" }
            name.unicodeScalars.append(scalar)
        case ":" where colon: name.unicodeScalars.append(scalar)
        default: name += "_"
        }
    }
    return name.isEmpty ? "_" : name
}

/// Backslash, line feed and, in labels, the double quote are escaped; nothing else.
private func escapedLabel(_ text: String) -> String { escapedHelp(text).replacing("\"", with: "\\\"") }
private func escapedHelp(_ text: String) -> String { text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n") }
