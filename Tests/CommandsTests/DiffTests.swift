import Foundation
import Manifest
import Resource
import Testing

@testable import Commands

struct DiffTests {
    @Test func `every format is drawn from the report`() throws {
        try CaseFile("diff").check { input in
            let (command, rest) = Scene.split(input)
            let report = try read(rest)
            guard let format = DiffFormat(rawValue: command[0]) else { throw CaseProblem("no format \(command[0])") }
            let outcome = DiffOutcome(
                report, format: format, isDetailed: command.contains("detailed"), isColored: command.contains("coloured"),
                version: "0.1.0")
            return outcome.text + "exit \(outcome.exitCode)"
        }
    }

    @Test func `text and exit code agree for every kind of report`() throws {
        let change = Change(path: "spec.cpus", from: 2, to: 4, class: .config, impact: .restart)
        for isUnknown in [false, true] {
            for operation in ObjectDiff.Operation.allCases {
                for format in DiffFormat.allCases {
                    let object = ObjectDiff(
                        reference: Reference(kind: "Node", name: "n"), operation: operation, changes: [change],
                        isUnknown: isUnknown)
                    let outcome = DiffOutcome(
                        DiffReport(objects: [object], examined: 2), format: format, isDetailed: false, isColored: false,
                        version: "0")
                    #expect(outcome.exitCode == (isUnknown ? 3 : 1))
                    #expect(!outcome.text.contains("No differences"), "\(format) \(operation)")
                }
            }
        }
        for format in DiffFormat.allCases {
            let outcome = DiffOutcome(
                DiffReport(objects: [], examined: 5), format: format, isDetailed: true, isColored: false, version: "0")
            #expect(outcome.exitCode == 0)
            #expect(outcome.text.contains("No differences: 5 objects examined."), "\(format)")
        }
    }

    @Test func `an object that could not be observed is never a difference in Terraform's codes either`() {
        let unknown = ObjectDiff(
            reference: Reference(kind: "Node", name: "n"), operation: .keep, note: "no route to host", isUnknown: true)
        let changed = ObjectDiff(reference: Reference(kind: "Node", name: "m"), operation: .create)
        func code(_ objects: [ObjectDiff], _ isDetailed: Bool) -> Int32 {
            DiffOutcome(
                DiffReport(objects: objects, examined: 2), format: .text, isDetailed: isDetailed, isColored: false, version: "0"
            ).exitCode
        }
        #expect(code([unknown, changed], false) == 3)
        #expect(code([unknown, changed], true) == 3)
        #expect(code([changed], true) == 2)
        #expect(code([changed], false) == 1)
    }

    @Test func `secrets are not shown in any format`() {
        let change = Change(path: "spec.bmc.password", from: "hunter2", to: "hunter3", class: .config, impact: .none)
        let noted = Change(path: "metadata.annotations[\"example.org/bmc-password\"]", from: "hunter2", to: "hunter3", class: .config, impact: .none)
        let object = ObjectDiff(reference: Reference(kind: "Node", name: "n"), operation: .update, changes: [change, noted])
        for format in DiffFormat.allCases {
            let text = DiffOutcome(
                DiffReport(objects: [object], examined: 1), format: format, isDetailed: false, isColored: true, version: "0"
            ).text
            #expect(!text.contains("hunter"), "\(format)")
            #expect(text.contains("hidden"), "\(format)")
        }
    }

    @Test func `markdown stays below its limit and counts what it leaves out`() {
        let objects = (0..<5000).map { index in
            ObjectDiff(
                reference: Reference(kind: "Disk", name: "disk-\(index)"), operation: .update,
                changes: [Change(path: "spec.size", from: "1GB", to: "2GB", class: .drift, impact: .none)])
        }
        let text = DiffMarkdown.render(DiffReport(objects: objects, examined: 9000))
        #expect(text.utf8.count <= 60_000)
        #expect(text.contains("5000 of 9000 objects differ"))
        #expect(text.contains("more objects are not shown here"))
    }

    @Test func `sarif and json are JSON`() throws {
        let object = ObjectDiff(
            reference: Reference(kind: "Node", name: "n"), file: "a b/lab.yaml", mark: Mark(line: 3, column: 5),
            operation: .update,
            changes: [Change(path: "x", from: nil, to: ["a": [1, 2]], class: .both, impact: .wipe)])
        let report = DiffReport(objects: [object], examined: 1)
        let sarif = try JSON(parsing: Array(DiffSARIF.render(report, version: "0").utf8))
        #expect(sarif.at("runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri") == "a%20b/lab.yaml")
        #expect(sarif.at("runs[0].results[0].locations[0].physicalLocation.region.startLine") == 3)
        // A change that the manifest speaks of is where it does.
        var marked = report
        marked.objects[0].changes[0].mark = Mark(line: 7, column: 9)
        let placed = try JSON(parsing: Array(DiffSARIF.render(marked, version: "0").utf8))
        #expect(placed.at("runs[0].results[0].locations[0].physicalLocation.region.startLine") == 7)
        #expect(DiffGitHub.render(marked).hasPrefix("::error file=a b/lab.yaml,line=7,col=9,title=Node/n x::"))
        for line in DiffJSON.render(report, exitCode: 1).split(separator: "\n") {
            let json = try JSON(parsing: Array(line.utf8))
            #expect(json["version"] == "plasma.cloud/diff/v1")
        }
    }

    private func read(_ yaml: String) throws -> DiffReport {
        let document = try Scene.documents(yaml)[0]
        let objects = try (document["objects"]?.array ?? []).map { item in
            var item = item
            for (name, fallback) in [("changes", JSON.array([])), ("actions", .array([])), ("isUnknown", false)]
            where item[name] == nil { item[name] = fallback }
            return try Wire.decode(ObjectDiff.self, from: item.encoded())
        }
        return DiffReport(objects: objects, examined: Int(document["examined"]?.integer ?? 0))
    }
}
