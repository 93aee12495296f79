import Foundation
import Manifest
import Resource
import Testing

@testable import Commands

/// What `get`, `describe`, `tree` and `explain` print.
struct FormatTests {
    @Test func `get prints rows, and whole objects`() throws {
        try CaseFile("get").check { input in
            let (command, rest) = Scene.split(input)
            let objects = try Scene.objects(rest)
            let format = try OutputFormat.read(command.first ?? "table")
            let isWatch = command.contains("watch")
            guard format == .table || format == .wide else {
                if isWatch { return try objects.map { try ObjectPrinter.printChange($0, as: format) }.joined() }
                return try ObjectPrinter.print(objects, as: format, asList: !command.contains("single"))
            }
            var rows = RowPrinter(
                isWide: format == .wide, isPrefixed: command.contains("prefixed"), showsHeader: !command.contains("headless"),
                reconciled: toysReconciled, isColored: command.contains("coloured"))
            if isWatch {
                return try objects.map {
                    try rows.row($0, toys[$0.reference.kind]!, now: sceneNow, isGone: $0.name.hasPrefix("gone"))
                }.joined()
            }
            let parts = toys.all.map { kind in (kind: kind, objects: objects.filter { $0.reference.kind == kind.name }) }
            return try rows.blocks(parts, now: sceneNow)
        }
    }

    @Test func `describe tells the cause down to its root`() throws {
        try CaseFile("describe").check { input in
            let (command, rest) = Scene.split(input)
            let documents = try Scene.documents(rest)
            let objects = try documents.filter { $0["kind"] != "Event" }.map { try Scene.object($0) }
            let events = documents.filter { $0["kind"] == "Event" }.map { event in
                let reference = event["about"]!.string!.split(separator: "/").map(String.init)
                let last = sceneNow.addingTimeInterval(-Double(event["age"]?.integer ?? 10))
                return EventRecord(
                    name: event["reason"]!.string!.lowercased(), about: Reference(kind: reference[0], name: reference[1]),
                    type: event["type"] == "Warning" ? .warning : .normal, reason: event["reason"]!.string!,
                    message: event["message"]!.string!, count: Int(event["count"]?.integer ?? 1),
                    first: last.addingTimeInterval(-90), last: last)
            }
            guard let object = objects.first(where: { $0.reference.description == command[0] }) else {
                throw CaseProblem("no \(command[0])")
            }
            let about = events.filter { $0.involvedObject == object.reference }
            return try Description(
                object: object, world: Scene.world(objects), events: about, reconciled: toysReconciled, now: sceneNow
            ).text(isColored: false)
        }
    }

    @Test func `tree draws owners above children and clusters above what they name`() throws {
        try CaseFile("tree").check { input in
            let (command, rest) = Scene.split(input)
            let tree = Tree(try Scene.objects(rest), reconciled: toysReconciled, now: sceneNow)
            let root = command.first { $0.contains("/") }?.split(separator: "/").map(String.init)
            return tree.lines(from: root.map { Reference(kind: $0[0], name: $0[1]) }, isColored: false).joined(separator: "\n")
        }
    }

    @Test func `explain tells type, range, default and what is below`() throws {
        try CaseFile("explain").check { input in
            let (command, rest) = Scene.split(input)
            let schema = try Scene.documents(rest)[0]
            let path = command[0].split(separator: ".").map(String.init)
            return try Explanation(kind: path[0], summary: "A machine.", schema: schema)
                .text(of: Array(path.dropFirst()), isRecursive: command.contains("recursive"))
        }
    }

    @Test func `an age has two units while the first is small`() {
        let expected: [(Int, String)] = [
            (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (599, "9m59s"), (600, "10m"), (10_799, "179m"),
            (10_800, "3h"),
            (11_000, "3h3m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"),
            (63_072_000, "2y"),
            (94_608_000 + 86_400, "3y1d"), (252_288_000, "8y"),
        ]
        for (seconds, text) in expected { #expect(humanDuration(seconds: seconds) == text, "\(seconds)") }
        #expect(age(since: Date(timeIntervalSince1970: 0), now: sceneNow) == "<unknown>")
    }

    @Test func `text is cut and padded by the columns it takes, not by its characters`() {
        #expect(displayWidth("日本") == 4)
        #expect(displayWidth("e\u{301}") == 1)
        #expect(truncated("日本語", to: 5) == "日本…")
        #expect(truncated("short", to: 5) == "short")
        var table = Table(header: ["A", "B"])
        table.add(["日本", "x"])
        table.add(["a\u{1B}[31mb\nc", "y"])
        let lines = table.take()
        #expect(lines == ["A           B", "日本        x", "a\u{FFFD}[31mb c   y"])
    }

    @Test func `objects are sorted by numbers as numbers`() throws {
        let objects = try Scene.objects(
            "{kind: Disk, metadata: {name: a}, spec: {size: 10}}\n---\n{kind: Disk, metadata: {name: b}, spec: {size: 9}}\n---\n{kind: Disk, metadata: {name: c}, spec: {size: 9}, age: 5}"
        )
        #expect(try SortKey(".spec.size").sorted(objects).map(\.name) == ["b", "c", "a"])
        #expect(try SortKey("name").sorted(objects.reversed()).map(\.name) == ["a", "b", "c"])
        #expect(try SortKey("age").sorted(objects).map(\.name) == ["a", "b", "c"])
    }
}
