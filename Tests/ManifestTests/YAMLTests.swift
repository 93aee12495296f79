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

/// What libyaml refuses far ahead of where it reads, and what it takes for the end of a line though no editor does.
@Test(arguments: [
    ("\u{92}", "the control character U+0092 may not stand in a manifest; is this text of another code page than UTF-8?"),
    ("\u{85}", "the line separator U+0085 may not stand in a manifest; in quotes it is written \\N"),
    ("\u{2028}", "the line separator U+2028 may not stand in a manifest; in quotes it is written \\u2028"),
    ("\u{2029}", "the paragraph separator U+2029 may not stand in a manifest; in quotes it is written \\u2029"),
    ("\u{FFFE}", "U+FFFE is no character, and may not stand in a manifest"), ("\u{FFFF}", "U+FFFF is no character, and may not stand in a manifest"),
])
func `a character that would be somewhere else, or hide something, is named where it stands`(_ character: String, _ message: String) {
    let text = String(repeating: "---\na: é\n", count: 100) + "b: 1 # was:\(character)  c: 2\n" + String(repeating: "---\na: 1\n", count: 5000)
    #expect(YAML.read(Array(text.utf8), file: "f").problems.map(\.description) == ["f:201:12: \(message)"])
}

@Test func `a byte order mark before a later file is named, and one within a line is text`() {
    let message = "a byte order mark (U+FEFF) stands at the beginning of this line; take it out: it may stand at the beginning of a file only"
    #expect(YAML.read(Array("a: 1\n\u{FEFF}---\nb: 2\n".utf8), file: "f").problems.map(\.description) == ["f:2:1: \(message)"])
    #expect(shown(YAML.read(Array("\u{FEFF}a: x\u{FEFF}y\n".utf8), file: "f")) == "{\"a\":\"x\\ufeffy\"}\n")
    #expect(shown(YAML.read(Array("a: \"\\N\\u2028\"\n".utf8), file: "f")) == "{\"a\":\"\\u0085\\u2028\"}\n")
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
