import Foundation
import Host
import Manifest
import Resource
import Testing

@testable import Commands

struct ProgressTests {
    /// A script: `for Node/a=ready Disk/b=gone`, then `2s Node/a STATE`, `3s Node/b gone`, `4s draw 60x10`, `9s end`.
    @Test func `progress tells each change once, draws live lines and says why it is stuck`() throws {
        try CaseFile("progress").check { input in
            var lines = input.components(separatedBy: "\n")
            var progress = Progress(try goals(lines.removeFirst()), reconciled: toysReconciled, start: Instant(sinceStart: .zero))
            var output: [String] = []
            for line in lines {
                let words = line.split(separator: " ", maxSplits: 2).map(String.init)
                let now = Instant(sinceStart: .seconds(Int(words[0].dropLast())!))
                switch words[1] {
                case "draw":
                    let size = words[2].split(separator: "x").compactMap { Int($0) }
                    output += progress.lines(now: now, width: size[0], height: size[1], timeout: .seconds(600), isColored: false)
                        .map { "| " + $0 }
                case "end":
                    output.append("done: \(progress.isDone), hopeless: \(progress.isHopeless)")
                    if !progress.isDone { output.append(progress.failure(after: now.sinceStart).description) }
                default:
                    let reference = self.reference(words[1])
                    let object = words[2] == "gone" ? nil : try object(reference, words[2])
                    if let line = progress.observe(reference, object, now: now) { output.append(line) }
                }
            }
            return output.joined(separator: "\n")
        }
    }

    @Test func `a status of an earlier spec meets no goal`() throws {
        let stale = try Scene.object([
            "kind": "Node", "metadata": ["name": "a", "generation": 2], "state": "ready", "observed": 1,
        ])
        for goal in [Progress.Goal.ready, .condition(type: "Ready", status: "True")] {
            var progress = Progress([(stale.reference, goal)], reconciled: toysReconciled, start: Instant(sinceStart: .zero))
            _ = progress.observe(stale.reference, stale, now: Instant(sinceStart: .zero))
            #expect(!progress.isDone)
        }
    }

    @Test func `what is stalled on an earlier spec is not hopeless`() throws {
        let stale = try Scene.object([
            "kind": "Node", "metadata": ["name": "a", "generation": 2], "state": "stalled: no consent", "observed": 1,
        ])
        var progress = Progress([(stale.reference, .ready)], reconciled: toysReconciled, start: Instant(sinceStart: .zero))
        _ = progress.observe(stale.reference, stale, now: Instant(sinceStart: .zero))
        #expect(!progress.isHopeless)
    }

    @Test func `what --for may be`() throws {
        #expect(try WaitGoal.parse("delete") == .absent)
        #expect(try WaitGoal.parse("condition=Ready") == .condition(type: "Ready", status: "True"))
        #expect(try WaitGoal.parse("condition=Stalled=false") == .condition(type: "Stalled", status: "false"))
        #expect(try WaitGoal.parse("jsonpath={.status.phase}=Ready") == .jsonPath(JSONPath("{.status.phase}"), "Ready"))
        #expect(try WaitGoal.parse("jsonpath=.a.b=c=d") == .jsonPath(JSONPath(".a.b"), "c=d"))
        #expect(try WaitGoal.parse("jsonpath={.a}") == .jsonPath(JSONPath("{.a}"), nil))
        for wrong in [
            "", "Ready", "condition=", "condition=Ready=maybe", "jsonpath={.a}b", "jsonpath={range .a}{end}",
            "jsonpath={.a[?(@.b)]}",
        ] {
            #expect(throws: (any Error).self) { try WaitGoal.parse(wrong) }
        }
    }

    @Test func `the live view draws over its own lines and no others`() {
        var view = LiveView()
        #expect(view.draw(["a", "b"]) == "\ra\u{1B}[K\n\rb\u{1B}[K\n\u{1B}[J")
        #expect(view.draw(["c"]) == "\u{1B}[2A\rc\u{1B}[K\n\u{1B}[J")
        #expect(view.draw([]) == "\u{1B}[1A\u{1B}[J")
    }

    private func goals(_ line: String) throws -> [(reference: Reference, goal: Progress.Goal)] {
        try line.split(separator: " ").dropFirst().map { word in
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let goal: Progress.Goal =
                switch parts[1] {
                case "ready": .ready
                case "gone": .absent
                case let text: try WaitGoal.parse(text)
                }
            return (reference(parts[0]), goal)
        }
    }

    private func reference(_ text: String) -> Reference {
        let parts = text.split(separator: "/").map(String.init)
        return Reference(kind: parts[0], name: parts[1])
    }

    private func object(_ reference: Reference, _ state: String) throws -> any AnyResource {
        var document: JSON = ["kind": .string(reference.kind), "metadata": ["name": .string(reference.name)]]
        if state.hasPrefix("leaving ") {
            document["metadata"]?["deletionTimestamp"] = .string(timestamp(sceneNow))
            document["state"] = .string(String(state.dropFirst("leaving ".count)))
        } else if state != "new" {
            document["state"] = .string(state)
        }
        return try Scene.object(document)
    }
}
