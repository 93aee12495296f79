import Foundation
import Testing

@testable import Manifest

func randomText(_ random: inout SeededRandom, mayBeLong: Bool = true) -> String {
    let odd = ["", " ", "no", "on", "~", "null", "true", "1", "1.5", "0o7", "1_0", "12:30", "<<", "- a", "a: b", "a #b", "#", "'", "\"", "\\", "\t", "\r", "\n", "a\n", "a\nb", "a\n\nb\n", "a\n\n", " a\nb", "a \n b", "---", "...", "*a", "&a", "!a", "%a", "@a", "`", "|", ">", "?", ":", "-", "{}", "[]", ",", "é", "😀", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{7F}", "\u{0}", "\u{1B}", "=", "2026-01-01", "52:54:00:00:01:01", "192.168.1.1", "a:", "a: ", ": a", "key with spaces", "\u{FFFE}", "\u{A0}", "x\n\ty", "---\nx", "x\n---\ny", "...\n"]
    var text = ""
    for _ in 0..<Int.random(in: 1...3, using: &random) {
        text += Bool.random(using: &random) ? odd.randomElement(using: &random)! : String(Int.random(in: 0...999, using: &random), radix: 36)
    }
    if mayBeLong, Int.random(in: 0..<40, using: &random) == 0 { text = String(repeating: text + "k", count: 300) }
    return text
}

func randomTree(_ random: inout SeededRandom, depth: Int = 0, mayBeLong: Bool = true) -> JSON {
    switch Int.random(in: 0..<(depth > 4 ? 6 : 10), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .integer(Int64(bitPattern: random.next() >> UInt64.random(in: 0..<64, using: &random)))
    case 3:
        let number = Double(bitPattern: random.next())
        return .number(number.isFinite ? number : 0.5)
    case 4, 5: return .string(randomText(&random, mayBeLong: mayBeLong))
    case 6, 7: return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in randomTree(&random, depth: depth + 1, mayBeLong: mayBeLong) })
    default:
        let members = (0..<Int.random(in: 0...5, using: &random)).map { _ in (randomText(&random, mayBeLong: mayBeLong), randomTree(&random, depth: depth + 1, mayBeLong: mayBeLong)) }
        return .object(Dictionary(members, uniquingKeysWith: { first, _ in first }))
    }
}

@Test func `a tree written as JSON or YAML reads back the same`() throws {
    for seed in 0..<3000 as Range<UInt64> {
        var random = SeededRandom(seed: seed)
        let tree = randomTree(&random)
        #expect(try JSON(parsing: tree.encoded()) == tree, "seed \(seed)")
        #expect(try JSON(parsing: tree.encoded(pretty: true)) == tree, "seed \(seed)")
        let yaml = tree.yaml()
        let reading = YAML.read(Array(yaml.utf8), file: "f")
        #expect(reading.problems == [], "seed \(seed)\n\(yaml)")
        #expect((reading.documents.first?.json ?? .null) == tree, "seed \(seed)\n\(yaml)")
    }
}

@Test func `a JSON file is read as YAML`() {
    for seed in 0..<500 as Range<UInt64> {
        var random = SeededRandom(seed: seed)
        // libyaml reads keys of up to 1024 characters.
        let tree = JSON.object(["a": randomTree(&random, mayBeLong: false)])
        let reading = YAML.read(tree.encoded(pretty: true), file: "f")
        #expect(reading.problems == [], "seed \(seed)")
        #expect(reading.documents.first?.json == tree, "seed \(seed)")
    }
}

@Test func `Foundation reads and writes the same JSON`() throws {
    for seed in 0..<300 as Range<UInt64> {
        var random = SeededRandom(seed: seed)
        let tree = JSON.array([.string(randomText(&random)), .integer(Int64.random(in: .min ... .max, using: &random)), .object(["k": .bool(true), "n": .null])])
        #expect(try JSONDecoder().decode(JSON.self, from: Data(tree.encoded())) == tree, "seed \(seed)")
        #expect(try JSON(parsing: JSONEncoder().encode(tree)) == tree, "seed \(seed)")
    }
}

@Test(arguments: [
    ("", "1:1: the text ends where a value is expected"),
    ("{\"a\":1", "1:7: the text ends where \",\" or \"}\" is expected"),
    ("{\"a\":1,}", "1:8: \"}\" stands where a name in quotes is expected"),
    ("[1 2]", "1:4: \"2\" stands where \",\" or \"]\" is expected"),
    ("{\n \"a\":1,\n \"a\":2}", "3:2: \"a\" is given twice"),
    ("01", "1:1: a number may not begin with 0"),
    ("1e999", "1:1: the number \"1e999\" is too large"),
    ("-", "1:2: the text ends where a digit is expected"),
    (".5", "1:1: \".\" stands where a value is expected"),
    ("nul", "1:1: \"n\" stands where a value is expected"),
    ("\"a", "1:1: the string that begins here has no closing quote"),
    ("\"a\nb\"", "1:3: byte 0x0A must be written as an escape in a string"),
    ("\"\\x\"", "1:2: unknown escape in a string"),
    ("\"\\ud800\"", "1:2: half of a surrogate pair stands alone"),
    ("\"\\udc00\\ud800\"", "1:2: half of a surrogate pair stands alone"),
    ("\"\\u12g4\"", "1:6: \"g\" stands where a hexadecimal digit is expected"),
    ("1 1", "1:3: \"1\" stands where the end is expected"),
    ("'a'", "1:1: \"'\" stands where a value is expected"),
    ("NaN", "1:1: \"N\" stands where a value is expected"),
])
func `JSON is strict and names the place`(text: String, message: String) {
    let problem = #expect(throws: JSONProblem.self) { try JSON(parsing: Array(text.utf8)) }
    #expect(problem?.description == message)
}

@Test func `JSON nests only so deep`() {
    let problem = #expect(throws: JSONProblem.self) { try JSON(parsing: [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)) }
    #expect(problem?.message == "nests deeper than 128 levels")
}

@Test func `JSON is written with sorted keys and plain slashes`() {
    let tree: JSON = ["b": [1, true], "a": "x/y\u{2028}", "empty": [], "none": [:]]
    #expect(tree.text == "{\"a\":\"x/y\\u2028\",\"b\":[1,true],\"empty\":[],\"none\":{}}")
    #expect(JSON.number(1).text == "1.0")
    #expect(JSON.number(.nan).text == "null")
    #expect(String(decoding: (["a": [1]] as JSON).encoded(pretty: true), as: UTF8.self) == "{\n  \"a\": [\n    1\n  ]\n}\n")
}

@Test func `YAML is written as a person would`() {
    let tree: JSON = [
        "kind": "Node", "name": "node01", "mac": "52:54:00:00:01:01", "ip": "192.168.100.11", "size": "80GiB", "yes": "yes",
        "disks": [["device": "/dev/vda", "tags": ["a", "b"]], ["device": "/dev/vdb"]], "text": "one\n  two\n", "empty": [], "count": 3,
    ]
    #expect(
        tree.yaml() == """
            count: 3
            disks:
            - device: /dev/vda
              tags:
              - a
              - b
            - device: /dev/vdb
            empty: []
            ip: 192.168.100.11
            kind: Node
            mac: "52:54:00:00:01:01"
            name: node01
            size: 80GiB
            text: |
              one
                two
            "yes": "yes"

            """)
}

@Test func `a path finds its value`() {
    var tree: JSON = ["spec": ["disks": [["size": 1], ["size": 2]], "labels": ["a.b": "c", "q\"]": 1]]]
    #expect(tree.at("spec.disks[1].size") == 2)
    #expect(tree.at("spec.labels[\"a.b\"]") == "c")
    #expect(tree.at(path("spec.labels", "q\"]")) == 1)
    #expect(tree.at("") == tree)
    for missing in ["spec.x", "spec.disks[2]", "spec.disks.size", "spec[0]", "spec.", ".spec", "spec..disks", "spec.disks[-1]", "spec.disks[", "spec[\"a"] {
        #expect(tree.at(missing) == nil, "\(missing)")
    }
    tree["spec"]?["disks"] = nil
    tree["kind"] = "Node"
    #expect(tree == ["kind": "Node", "spec": ["labels": ["a.b": "c", "q\"]": 1]]])
    #expect(path("", "a") == "a" && path("a", "b") == "a.b" && path("a", "b.c") == "a[\"b.c\"]")
}

/// YAML 1.1's readers, as PyYAML, take these for numbers and times.
@Test(arguments: [
    ("0b101", false), ("0x1F", false), ("2026-01-01", false), ("2026-1-1T00:00:00Z", false), ("2026-01-01 12:30:00", false), ("2026-01-01-lab", true), ("2026-01", false),
    ("0bject", false), ("a2026-01-01", true), ("10.0.0.1", true), ("node-0x1", true),
]) func `text that other readers would not take for text is quoted`(_ text: String, _ isPlain: Bool) {
    #expect(JSON.isPlain(text) == isPlain)
    #expect(JSON.object(["a": .string(text)]).yaml() == (isPlain ? "a: \(text)\n" : "a: \"\(text)\"\n"))
}
