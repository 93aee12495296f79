import Foundation
import Host
import Testing

@testable import Probe

private let refused = ProbeFailure(.refused, "connection refused")
private let late = ProbeFailure(.timeout, "timeout after 2 s")

@Suite struct HealthJudgeTests {
    /// A word for each probe: + well, - refused, t timeout; between them ten seconds.
    private func judge(_ probes: String, failures: Int = 3, successes: Int = 1) -> [HealthJudge.Verdict] {
        var judge = HealthJudge(.init(failures: failures, successes: successes, period: .seconds(10)))
        return probes.enumerated().map { place, probe in
            let now = Duration.seconds(10 * place)
            judge.note(
                probe == "+" ? nil : probe == "t" ? late : refused, at: Instant(sinceStart: now),
                date: Date(timeIntervalSince1970: Double(10 * place) + 0.7))
            return judge.verdict
        }
    }

    private func letters(_ verdicts: [HealthJudge.Verdict]) -> String { String(verdicts.map { $0.standing.rawValue.first ?? "?" }) }

    @Test func `the first probe is believed, later failures only when there are enough`() {
        #expect(letters(judge("+")) == "h")
        #expect(letters(judge("-+")) == "uh")
        #expect(letters(judge("+--+---")) == "hhhhhhu")
        #expect(letters(judge("-++", successes: 2)) == "uuh")
        #expect(letters(judge("+-", failures: 1)) == "hu")
    }

    @Test func `a judgement stays equal while nothing changes`() {
        let verdicts = judge("+++++---------")
        #expect(Set(verdicts.prefix(5)).count == 1)
        #expect(Set(verdicts.suffix(5)).count == 1)
        #expect(verdicts[0].since == Date(timeIntervalSince1970: 0.7))
        #expect(verdicts.last?.since == Date(timeIntervalSince1970: 70.7))
        #expect(verdicts.last?.reason == "connection refused")
    }

    @Test func `another reason is told when it has come often enough`() {
        #expect(judge("---t-t-t").last?.reason == "connection refused")
        let verdict = judge("---ttt").last
        #expect(verdict?.reason == "timeout after 2 s" && verdict?.category == .timeout)
        #expect(verdict?.since == Date(timeIntervalSince1970: 0.7))
    }

    @Test func `what changes too often is flapping until it was quiet`() {
        let verdicts = judge("+-+-+-+-" + String(repeating: "+", count: 40), failures: 1)
        #expect(letters(Array(verdicts.prefix(5))) == "huhuf")
        #expect(verdicts[4].reason.hasPrefix("flapping: 4 changes within"))
        #expect(verdicts.last?.standing == .healthy)
        // Twice the window's half: the last change was the eighth probe's successor.
        let end = verdicts.lastIndex { $0.standing == .flapping } ?? 0
        #expect(end * 10 - 80 >= 70)
        #expect(verdicts[4...end].allSatisfy { $0.standing == .flapping })
    }

    @Test(arguments: 0..<200) func `no sequence of probes breaks what a judgement promises`(seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        let thresholds = HealthJudge.Thresholds(failures: Int(random() % 4) + 1, successes: Int(random() % 3) + 1, period: .seconds(10))
        var judge = HealthJudge(thresholds)
        var now = Duration.zero
        var previous = judge.verdict
        for _ in 0..<300 {
            now += .milliseconds(Int(random() % 20_000))
            judge.note(random() % 3 == 0 ? (random() % 2 == 0 ? refused : late) : nil, at: Instant(sinceStart: now), date: Date(timeIntervalSince1970: Double(now.components.seconds)))
            let verdict = judge.verdict
            #expect(verdict.standing != .unknown, "seed \(seed)")
            #expect((verdict.standing == .healthy) == verdict.reason.isEmpty, "seed \(seed): \(verdict)")
            #expect((verdict.standing == previous.standing) == (verdict.since == previous.since) || previous.since == nil || verdict.since == Date(timeIntervalSince1970: Double(now.components.seconds)), "seed \(seed)")
            previous = verdict
        }
    }
}

@Suite struct MembershipCheckTests {
    private typealias View = MembershipCheck.View

    private func view(_ text: String, term: UInt64 = 2) -> View {
        View(
            members: text.split(separator: " ").map { word in
                .init(
                    name: String(word.filter { !"*?!".contains($0) }), isLearner: word.hasSuffix("?"), isLeader: word.contains("*"), isHealthy: !word.hasSuffix("!"))
            }, term: term)
    }

    @Test func `members that agree and are the manifest's are well`() {
        let all = view("n1* n2 n3")
        let finding = MembershipCheck.check(wanted: ["n1", "n2", "n3"], views: [("n1", all), ("n2", all), ("n3", all)])
        #expect(finding?.problems == [] && finding?.leader == "n1" && finding?.term == 2 && finding?.voters == 3)
        #expect(MembershipCheck.check(wanted: ["n1"], views: []) == nil)
    }

    @Test func `each disagreement is told`() {
        let cases: [(wanted: [String], views: [(String, View)], problem: String)] = [
            (["n1", "n2"], [("n1", view("n1 n2"))], "no leader"),
            (["n1", "n2"], [("n1", view("n1* n2")), ("n2", view("n1 n2*"))], "nodes name different leaders: n1 says n1, n2 says n2"),
            (["n1", "n2"], [("n1", view("n1* n2")), ("n2", view("n1* n2", term: 3))], "nodes are in different terms: n1 in 2, n2 in 3"),
            (["n1", "n2", "n4"], [("n1", view("n1* n2"))], "not members: n4"),
            (["n1"], [("n1", view("n1* n9"))], "members that no manifest names: n9"),
            (["n1", "n4"], [("n1", view("n1* n4?"))], "learners that are not voters yet: n4"),
            (["n1", "n2"], [("n1", view("n1* n2")), ("n2", view("n1*", term: 1))], "n2 knows other members than n1: n1"),
            (["n1", "n2", "n3"], [("n1", view("n1* n2 n3")), ("n2", view("n1* n2 n3!")), ("n3", view("n1* n2! n3"))], "n2 has no connection to n3"),
        ]
        for (wanted, views, problem) in cases {
            let finding = MembershipCheck.check(wanted: wanted, views: views.map { (node: $0.0, view: $0.1) })
            #expect(finding?.problems.contains(problem) == true, "\(problem): \(finding?.problems ?? [])")
            // As a Service's plan looks at it.
            #expect(finding?.against(wanted).problems.contains(problem) == true, "\(problem)")
        }
    }

    @Test func `who does not answer, or follows another, is not told to be unreachable for the others`() {
        for views in [[("n1", view("n1* n2!")), ("n3", view("n1* n2! n3"))], [("n1", view("n1* n2!")), ("n2", view("n1 n2*", term: 3))], [("n1", view("n1 n2!")), ("n2", view("n1! n2"))]] {
            let finding = MembershipCheck.check(wanted: ["n1", "n2"], views: views.map { (node: $0.0, view: $0.1) })
            #expect(finding?.problems.contains { $0.contains("connection") } == false, "\(finding?.problems ?? [])")
        }
    }

    @Test func `the page of members is read, and nothing else`() throws {
        let page = #"[{"client_urls":[],"healthy":true,"id":"a1","leader":true,"learner":false,"name":"n1","peer_urls":[],"term":7,"match_index":3}]"#
        let read = try MembersPage.read(Array(page.utf8))
        #expect(read.members == [.init(name: "n1", isLeader: true, id: "a1")] && read.term == 7)
        for wrong in ["", "{}", "[1]", "<html>"] { #expect(throws: ProbeFailure.self) { try MembersPage.read(Array(wrong.utf8)) } }
    }

    @Test func `a first boot's state is read back, and told in a line`() throws {
        let state = FirstBootState(service: "chainfire", state: .running, step: "joining", message: "waiting for a leader", attempt: 3, updatedAt: Date(timeIntervalSince1970: 0))
        #expect(try FirstBootState(try state.encoded()) == state)
        let later = (1...100).reduce(state) { state, _ in state.following(state.steps) }
        #expect(try FirstBootState(try later.encoded()) == later)
        #expect(later.steps.count == 1 && later.steps[0].attempts == 100)
        var long = state
        for number in 0..<100 {
            long.message = "\(number) " + String(repeating: "x", count: 4000)
            long = long.following(long.steps)
        }
        #expect(long.steps.count == 16 && long.steps.last?.message.hasPrefix("99 ") == true)
        #expect(try FirstBootState(try long.encoded()) == long)
        #expect(state.summary == "joining: waiting for a leader (attempt 3)")
        #expect(String(decoding: try state.encoded(), as: UTF8.self) == #"{"attempt":3,"message":"waiting for a leader","service":"chainfire","state":"running","step":"joining","steps":[],"updatedAt":"1970-01-01T00:00:00Z"}"# + "\n")
        #expect(throws: (any Error).self) { try FirstBootState(Array(repeating: 32, count: 1 << 20)) }
        // One bracket deeper than Foundation's decoder goes, where it would trap.
        #expect(throws: (any Error).self) { try FirstBootState(Array(repeating: 91, count: 513)) }
        #expect(throws: (any Error).self) { try MembersPage.read(Array(repeating: 91, count: 513)) }
    }
}
