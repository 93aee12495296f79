import CoreMetrics
import Testing

@testable import API

struct ExpositionTests {
    @Test func `counters, gauges and histograms are rendered as Prometheus reads them`() {
        let exposition = Exposition()
        exposition.describe("plasma_reconciles_total", "How often,\nby \\ kind.")
        exposition.makeCounter(label: "plasma_reconciles_total", dimensions: [("result", "ok"), ("kind", "a\"b\\c\nd")]).increment(by: 2)
        exposition.makeCounter(label: "plasma_reconciles_total", dimensions: [("kind", "a\"b\\c\nd"), ("result", "ok")]).increment(by: 1)
        exposition.makeMeter(label: "queue.depth", dimensions: []).set(2.5)
        let timer = exposition.makeTimer(label: "wait", dimensions: [("k", "v")])
        timer.recordNanoseconds(3_000_000)
        timer.recordNanoseconds(4_000_000_000_000)
        let text = exposition.text()
        #expect(text.hasPrefix(#"""
            # HELP plasma_reconciles_total How often,\nby \\ kind.
            # TYPE plasma_reconciles_total counter
            plasma_reconciles_total{kind="a\"b\\c\nd",result="ok"} 3
            # TYPE queue_depth gauge
            queue_depth 2.5
            # TYPE wait_seconds histogram
            wait_seconds_bucket{k="v",le="0.0005"} 0

            """#), "\(text)")
        #expect(text.contains("wait_seconds_bucket{k=\"v\",le=\"0.005\"} 1\n"))
        #expect(text.hasSuffix("""
            wait_seconds_bucket{k="v",le="+Inf"} 2
            wait_seconds_sum{k="v"} 4000.003
            wait_seconds_count{k="v"} 2

            """), "\(text)")
    }

    @Test func `one name never has two types`() {
        let exposition = Exposition()
        exposition.makeCounter(label: "x", dimensions: []).increment(by: 1)
        exposition.makeMeter(label: "x", dimensions: [("a", "b")]).set(7.0)
        #expect(exposition.text() == "# TYPE x counter\nx 1\n")
    }

    @Test func `a recorder that does not aggregate shows its last value`() {
        let exposition = Exposition()
        let recorder = exposition.makeRecorder(label: "last", dimensions: [], aggregate: false)
        recorder.record(Int64(4))
        recorder.record(1.5)
        #expect(exposition.text() == "# TYPE last gauge\nlast 1.5\n")
    }
}

struct LabelSelectorTests {
    @Test(arguments: [
        ("a=b", true), ("a==b", true), ("a!=b", false), ("a in (x, b)", true), ("a notin (b)", false), ("a", true), ("!a", false), ("c", false),
        ("!c", true), ("c!=x", true), ("a=b,!c", true), ("a=b,c", false), ("", true), ("x/y.z=1", false),
    ]) func `a selector picks by labels`(_ text: String, _ picks: Bool) throws {
        let selector = try LabelSelector(text)
        #expect(selector.matches(["a": "b"]) == picks)
        #expect(try LabelSelector(selector.description) == selector, "its text reads back")
    }

    @Test(arguments: ["=b", "a in b", "a in (b", "a,,b", "a b", "a=b=c"]) func `what is no selector is refused`(_ text: String) {
        #expect(throws: LabelSelectorProblem.self) { try LabelSelector(text) }
    }
}
