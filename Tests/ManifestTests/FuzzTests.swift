import Testing

@testable import Manifest

private func nodes(_ value: Value) -> Int {
    switch value.shape {
    case .scalar: 1
    case .sequence(let items): items.reduce(1) { $0 + nodes($1) }
    case .mapping(let members): members.reduce(1) { $0 + 1 + nodes($1.value) }
    }
}

private let seeds: [[UInt8]] = [
    "kind: Node\nmetadata: {name: node01}\nspec:\n  cpus: 4\n  disks:\n  - size: 100GB\n    content: {type: gpt}\n---\na: &a [1, 2]\nb: *a\n",
    "{\"kind\":\"Node\",\"spec\":{\"cpus\":4,\"text\":\"\\u00e9\\ud83d\\ude00\",\"list\":[1,2.5e3,true,null]}}",
    "a: |\n  text\n  more\nb: >-\n  folded\nc: !!str 1\nd: 'quoted ''text'''\n? complex\n: key\n...\n%YAML 1.2\n---\nx: \"\\x41\\u263a\"\n",
    "x0: &x0 [a,a,a,a]\nx1: &x1 [*x0,*x0,*x0,*x0]\nx2: &x2 [*x1,*x1,*x1,*x1]\nx3: &x3 [*x2,*x2,*x2,*x2]\nx4: [*x3,*x3,*x3,*x3]\n",
].map { Array($0.utf8) }

private func mutated(_ seed: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    var bytes = seeds.randomElement(using: &random)!
    let tokens = ["[", "]", "{", "}", ":", "- ", "&a ", "*a", "!!str ", "\n", "\n---\n", "\"", "'", "\t", "|", ">", "? ", "#", "\\", "<<: ", "\0", "é", "%", "\\ud83d"]
    for _ in 0..<Int.random(in: 1...8, using: &random) {
        let at = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.insert(contentsOf: tokens.randomElement(using: &random)!.utf8, at: at)
        case 3: bytes.removeSubrange(at..<min(at + Int.random(in: 0..<12, using: &random), bytes.count))
        default:
            let from = Int.random(in: 0...bytes.count, using: &random)
            let piece = bytes[from..<min(from + Int.random(in: 0..<40, using: &random), bytes.count)]
            bytes.insert(contentsOf: Array(piece), at: at)
        }
    }
    return bytes
}

@Test func `no bytes crash the readers or grow without bound`() {
    let limits = YAML.Limits(bytesMax: 1 << 16, depthMax: 20, nodesMax: 200, textMax: 1 << 16, problemsMax: 20)
    for seed in 0..<10_000 as Range<UInt64> {
        let bytes = mutated(seed)
        let reading = YAML.read(bytes, file: "f", limits: limits)
        #expect(reading.documents.reduce(0) { $0 + nodes($1) } <= limits.nodesMax, "seed \(seed)")
        #expect(reading.problems.count <= limits.problemsMax + 1, "seed \(seed)")
        for document in reading.documents {
            let tree = document.json
            let again = YAML.read(Array(tree.yaml().utf8), file: "f")
            #expect(again.problems == [] && again.documents.first?.json ?? .null == tree, "seed \(seed)")
            var fields = Fields(reading: document, file: "f", object: "", path: "")
            _ = fields.optional("kind", ObjectName.self, "")
            _ = fields.list("spec", "") { $0.integer("cpus", 1...4, "") }
            fields.finish()
        }
        _ = try? JSON(parsing: bytes, depthMax: 20)
        let text = String(decoding: bytes.prefix(40), as: UTF8.self)
        _ = (try? ByteCount(scalar: text), try? TimeSpan(scalar: text), try? HTTPURL(scalar: text), try? MACAddress(scalar: text))
    }
}
