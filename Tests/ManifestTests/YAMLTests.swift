import Foundation
import Testing

@testable import Manifest

func shown(_ reading: (documents: [Value], problems: [Problem])) -> String {
    (reading.documents.map(\.json.text) + reading.problems.map(\.description)).map { $0 + "\n" }.joined()
}

@Test func `YAML is read by the core schema and problems are placed`() throws {
    try CaseFile("yaml").check { shown(YAML.read(Array($0.utf8), file: "f")) }
}

@Test func `every value and key knows its place`() {
    let text = "kind: Node\nspec:\n  cpus: 4\n  disks:\n  - size: 1\n    \"a.b\": é x\n  - {x: 1,   y: 2}\n"
    let value = YAML.read(Array(text.utf8), file: "f").documents[0]
    #expect(value.mark == Mark(line: 1, column: 1))
    #expect(value.mark(at: "spec.cpus") == Mark(line: 3, column: 9))
    #expect(value.keyMark(at: "spec.cpus") == Mark(line: 3, column: 3))
    #expect(value.mark(at: "spec.disks[0][\"a.b\"]") == Mark(line: 6, column: 12))
    #expect(value.mark(at: "spec.disks[1].y") == Mark(line: 7, column: 17))
    #expect(value.mark(at: "spec.disks[7].y") == Mark(line: 5, column: 3))
    #expect(value.mark(at: "spec.nothing.here") == Mark(line: 3, column: 3))
}

@Test func `a billion laughs end at the limit, and the anchor is named`() {
    var text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for level in 1...40 { text += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]\n" }
    let reading = YAML.read(Array(text.utf8), file: "f")
    #expect(reading.documents.isEmpty)
    #expect(
        reading.problems.map(\.description) == [
            "f:7:10: a6[0]: with the alias of the anchor &a5 the file grows over the limit of 1000000 values; reading ends here"
        ])
}

@Test func `large text under many aliases ends at the limit`() {
    let text = "a: &big \"\(String(repeating: "x", count: 1 << 20))\"\nb: [\(Array(repeating: "*big", count: 100).joined(separator: ", "))]\n"
    let problems = YAML.read(Array(text.utf8), file: "f").problems
    #expect(problems.map(\.message) == ["with the alias of the anchor &big the file grows over the limit of 32 MiB of text; reading ends here"])
}

@Test func `deep nesting ends at the limit, with aliases too`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(YAML.read(Array(deep.utf8), file: "f").problems.map(\.message) == ["nests deeper than 100 levels; reading ends here"])
    var text = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n"
    for level in 1...12 { text += "a\(level): &a\(level) [[[[[[[[[[*a\(level - 1)]]]]]]]]]]\n" }
    let problems = YAML.read(Array(text.utf8), file: "f").problems
    #expect(problems.map(\.message) == ["with the alias of the anchor &a8 the file nests deeper than 100 levels; reading ends here"])
}

@Test func `input over the limit is refused at once`() {
    let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 100 << 20)
    let clock = ContinuousClock()
    let time = clock.measure {
        let problems = YAML.read(bytes, file: "f").problems
        #expect(problems.map(\.description) == ["f:1:1: the file has 100 MiB; at most 8 MiB are read: split it into several files"])
    }
    #expect(time < .seconds(1))
}

@Test func `bytes that are not UTF-8 are named with their place`() {
    #expect(YAML.read(Array("a: é\nb: ".utf8) + [0xFF], file: "f").problems.map(\.description) == ["f:2:4: byte 0xFF is not UTF-8; save the file as UTF-8"])
    #expect(YAML.read([0xFF, 0xFE, 0x61, 0], file: "f").problems.map(\.message) == ["is UTF-16; save the file as UTF-8"])
    #expect(shown(YAML.read([0xEF, 0xBB, 0xBF] + Array("a: 1\n".utf8), file: "f")) == "{\"a\":1}\n", "a byte order mark is skipped")
    #expect(shown(YAML.read(Array("a: \u{7}".utf8), file: "f")).hasPrefix("f:1:4: the control character 0x07"))
    #expect(!YAML.read(Array("a: \u{84}".utf8), file: "f").problems.isEmpty)
}

@Test func `problems beyond a thousand are not counted out`() {
    let text = String(repeating: "---\na: [\n", count: 5000)
    let reading = YAML.read(Array(text.utf8), file: "f")
    #expect(reading.problems.count == 1001)
    #expect(reading.problems.last?.message == "has too many problems; reading ends here")
}

@Test func `many tag directives are refused at once`() {
    let text = (0..<100_000).map { "%TAG !a\($0)! b\n" }.joined()
    let problems = YAML.read(Array(text.utf8), file: "f").problems
    #expect(problems.map(\.description) == ["f:65:1: has more than 64 %TAG directives; leave them out, plasma knows no tags of others"])
}

@Test func `a large mapping finds its duplicate key`() {
    let text = (0..<50).map { "k\($0): 1\n" }.joined() + "k40: 2\nk3: 2\n"
    #expect(YAML.read(Array(text.utf8), file: "f").problems.map(\.description) == [
        "f:51:1: k40: is given twice; first at 41:1. Remove one of the two",
        "f:52:1: k3: is given twice; first at 4:1. Remove one of the two",
    ])
}

@Test func `files are refused in clear words`() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = directory + "/a.yaml"
    #expect(YAML.readFile(path).problem?.description == "\(path):1:1: does not exist")
    #expect(YAML.readFile(directory).problem?.message == "is a directory; a file is expected")
    #expect(YAML.readFile("/dev/zero").problem?.message == "the input goes on; at most 8 MiB are read: split it into several files")
    try Data("a: 1\n".utf8).write(to: URL(fileURLWithPath: path))
    #expect(YAML.readFile(path).bytes == Array("a: 1\n".utf8))
    #expect(YAML.readFile(path + "/b").problem?.message == "does not exist: a part of the path is not a directory")
    // A sparse file of 100 MB: refused by its size, unread.
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.truncate(atOffset: 100_000_000)
    try handle.close()
    #expect(YAML.readFile(path).problem?.message == "the file has 100 MB; at most 8 MiB are read: split it into several files")
}
