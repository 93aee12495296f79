import Foundation
import Host
import Probe
import Simulation
import Synchronization
import Testing

@testable import Commands

@Suite struct FirstBootTests {
    private static func view(_ text: String, term: UInt64 = 2) -> Result<MembershipCheck.View, ProbeFailure> {
        .success(MembershipCheck.View(
            members: text.split(separator: " ").map { word in
                .init(name: String(word.filter { $0 != "*" && $0 != "?" }), isLearner: word.hasSuffix("?"), isLeader: word.hasSuffix("*"))
            }, term: term))
    }

    private static let founding = FirstBoot(name: "n1", way: .bootstrap(founders: ["n1", "n2", "n3"]))
    private static let joining = FirstBoot(name: "n4", way: .join(through: "https://n1:2379"))

    @Test func `what is seen says how far the first boot has come`() {
        let cases: [(boot: FirstBoot, seen: FirstBoot.Sight, verdict: FirstBoot.Verdict)] = [
            (Self.founding, .init(health: .unreachable("refused")), .waiting("chainfire does not serve yet (refused)")),
            (Self.founding, .init(health: .unwell("RAFT NO LEADER"), members: Self.view("n1 n2 n3")), .waiting("waiting for a leader: RAFT NO LEADER")),
            (Self.founding, .init(health: .unwell("ALARM NOSPACE"), members: Self.view("n1* n2 n3")), .waiting("waiting for health: ALARM NOSPACE")),
            (Self.founding, .init(health: .well, members: Self.view("n1* n2")), .waiting("waiting for n3 to be a member beside n1, n2")),
            (Self.founding, .init(health: .well, members: Self.view("n2* n3")), .waiting("n1 is no member of the cluster that it reached: n2, n3")),
            (
                Self.founding, .init(health: .well, members: .failure(.init(.certificate, "certificate expired 3 d ago"))),
                .waiting("waiting for the list of members: certificate expired 3 d ago")
            ),
            (Self.founding, .init(health: .well, members: Self.view("n1 n2* n3")), .done("n1 is one of 3 members, n2 leads in term 2")),
            (
                Self.joining, .init(health: .unreachable("refused")),
                .waiting("chainfire does not serve yet; until it does, it asks https://n1:2379 to be let in (refused)")
            ),
            (
                Self.joining, .init(health: .unwell("READ ERROR"), members: Self.view("n1* n2 n3 n4?")),
                .waiting("waiting to be promoted: it catches up with n1 as a learner")
            ),
            (Self.joining, .init(health: .well, members: Self.view("n1* n2 n3 n4")), .done("n4 is one of 4 members, n1 leads in term 2")),
        ]
        for (boot, seen, verdict) in cases { #expect(boot.judge(seen) == verdict) }
    }

    @Test func `pauses grow to five seconds`() {
        #expect(FirstBoot.pause(after: 1) == .milliseconds(250))
        #expect(FirstBoot.pause(after: 3) == .seconds(1))
        #expect(FirstBoot.pause(after: 1000) == .seconds(5))
    }

    /// Time that jumps to whenever somebody wants to sleep until.
    private final class JumpingTime: Time {
        private let state = Mutex(Instant(sinceStart: .zero))
        func now() -> Instant { state.withLock { $0 } }
        func date() -> Date { Date(timeIntervalSince1970: 1_767_225_600 + Double(now().sinceStart.components.seconds)) }
        func sleep(until deadline: Instant) async throws { state.withLock { $0 = max($0, deadline) } }
    }

    /// Runs with sights given one after the other, the last for ever.
    private func run(
        _ boot: FirstBoot, _ sights: [FirstBoot.Sight], in folder: FirstBootFolder, timeout: Duration = .seconds(60)
    ) async -> (lines: [String], failure: String?) {
        let (left, lines) = (Sights(sights), Lines())
        let run = FirstBootRun(
            boot: boot, folder: folder, timeout: timeout, time: JumpingTime(),
            look: { left.all.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] } }, tell: { line in lines.all.withLock { $0.append(line) } })
        do {
            try await run.run()
            return (lines.all.withLock { $0 }, nil)
        } catch {
            return (lines.all.withLock { $0 }, "\(error)")
        }
    }

    private final class Sights: Sendable {
        let all: Mutex<[FirstBoot.Sight]>
        init(_ all: [FirstBoot.Sight]) { self.all = Mutex(all) }
    }

    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    private func state(_ folder: FirstBootFolder) throws -> FirstBootState {
        try FirstBootState(Array(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/chainfire.json"))))
    }

    @Test func `each step is told and noted, the marker is left, and another run only looks`() async throws {
        let scratch = try Folder()
        let folder = FirstBootFolder(path: scratch.path + "/boot")
        let steps: [FirstBoot.Sight] = [
            .init(health: .unreachable("refused")), .init(health: .unwell("RAFT NO LEADER"), members: Self.view("n1 n2 n3")),
            .init(health: .well, members: Self.view("n1* n2 n3")),
        ]
        let first = await run(Self.founding, steps, in: folder)
        #expect(first.failure == nil)
        #expect(first.lines.count == 3)
        #expect(first.lines.first == "time=2026-01-01T00:00:00Z level=info service=chainfire node=n1 step=bootstrapping state=running attempt=1 reason=\"chainfire does not serve yet (refused)\" next=250ms")
        #expect(try state(folder).state == .done && state(folder).step == "initialized" && state(folder).attempt == 3)
        #expect(folder.has(".chainfire-initialized") && !folder.has(".chainfire-joined"))
        let told = ["chainfire does not serve yet (refused)", "waiting for a leader: RAFT NO LEADER", "n1 is one of 3 members, n1 leads in term 2"]
        #expect(try state(folder).steps.map(\.message) == told)
        let second = await run(Self.founding, [.init(health: .well)], in: folder)
        #expect(second.failure == nil && second.lines.count == 1)
        #expect(try state(folder).message == "was over before, and the member is well")
        let third = await run(Self.founding, [.init(health: .unreachable("refused"))], in: folder)
        #expect(third.failure == nil)
        #expect(try state(folder).message == "was over before; the member is not well now: refused")
        #expect(try state(folder).steps.map(\.message) == told)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [".chainfire-initialized", "chainfire.json"])
    }

    @Test func `it gives up when its time is over, and says why`() async throws {
        let scratch = try Folder()
        let folder = FirstBootFolder(path: scratch.path)
        let found = await run(Self.joining, [.init(health: .well, members: Self.view("n1* n4?"))], in: folder, timeout: .seconds(20))
        #expect(found.failure?.hasPrefix("the first boot of chainfire gave up after ") == true)
        #expect(try state(folder).state == .failed)
        #expect(try state(folder).message.hasSuffix("waiting to be promoted: it catches up with n1 as a learner"))
        #expect(!folder.has(".chainfire-joined"))
        // The unit starts it again: what failed before is told as well.
        _ = await run(Self.joining, [.init(health: .well, members: Self.view("n1* n4"))], in: folder)
        let steps = try state(folder).steps
        #expect(steps.map(\.message) == [
            "waiting to be promoted: it catches up with n1 as a learner", "gave up after \(steps[0].attempts + 1) attempts: \(steps[0].message)",
            "n4 is one of 2 members, n1 leads in term 2",
        ])
        #expect(steps[0].attempts > 3)
    }

    @Test func `lines of the log are words, quoted where they must be`() {
        #expect(LogLine.text([("a", "b"), ("c", "d e"), ("f", "say \"x\"\n"), ("g", "")]) == #"a=b c="d e" f="say \"x\"\n""#)
    }

    @Test func `the verb takes its flags, and says what is not there yet`() async throws {
        let parsed = try Plasma.parseAsRoot(["first-boot", "chainfire", "--config", "c.json", "--state-dir", "s", "--timeout", "1m"])
        let command = try #require(parsed as? FirstBootCommand)
        #expect(command.config == "c.json" && command.stateDirectory == "s" && command.timeout.duration == .seconds(60))
        for (name, words) in [("iam", "not there yet in this version"), ("web", "there is no service \"web\"")] {
            let other = try #require(try Plasma.parseAsRoot(["first-boot", name]) as? FirstBootCommand)
            let failure = await #expect(throws: Failure.self) { try await other.run() }
            #expect(failure?.description.contains(words) == true)
        }
    }
}
