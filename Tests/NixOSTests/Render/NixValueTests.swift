import Foundation
import Testing

@testable import NixOS

struct NixValueTests {
    @Test func `texts are escaped where Nix would read more into them`() {
        let cases: [(String, String)] = [
            ("plain", #""plain""#), ("", #""""#), (#"a"b\c"#, #""a\"b\\c""#), ("${x}", #""\${x}""#), ("$${x}", #""$\${x}""#),
            ("$ $$ {", #""$ $$ {""#), ("''", #""''""#), ("a\nb\r\tc", #""a\nb\r\tc""#), ("é 漢", #""é 漢""#), ("$", #""$""#),
        ]
        for (text, written) in cases { #expect(NixValue.string(text).nix() == written) }
    }

    @Test func `names are quoted when they are no identifiers`() {
        let cases: [(String, String)] = [
            ("node01", "node01"), ("_a-b'c", "_a-b'c"), ("10-plasma", #""10-plasma""#), ("a.b", #""a.b""#), ("", #""""#),
            ("rec", #""rec""#), ("or", #""or""#), ("${x}", #""\${x}""#), ("é", #""é""#), ("/rootfs", #""/rootfs""#), ("-a", #""-a""#),
        ]
        for (name, written) in cases { #expect(NixValue.written(name: name) == written) }
    }

    @Test func `paths that are no literals are made from texts`() {
        #expect(NixValue.path("./node01/disko.nix").nix() == "./node01/disko.nix")
        #expect(NixValue.path("./a b").nix() == #"(./. + "/a b")"#)
        #expect(NixValue.path("./${x}").nix() == #"(./. + "/\${x}")"#)
    }

    @Test func `sets and lists are laid out the same way every time`() {
        let value: NixValue = [
            "b": ["one": ["two": 1]], "a": ["x", "y"], "c": ["p": true, "q": .null], "e": [:], "d": [], "f": [["k": 1], ["k": 2]],
            "g": -1,
        ]
        let text = """
            {
              a = [ "x" "y" ];
              b.one.two = 1;
              c = {
                p = true;
                q = null;
              };
              d = [ ];
              e = { };
              f = [
                {
                  k = 1;
                }
                {
                  k = 2;
                }
              ];
              g = (-1);
            }
            """
        #expect(value.nix() == text)
    }

    @Test func `sets are joined down to their members`() {
        let joined = (["a": ["b": 1, "c": 2]] as NixValue).merged(with: ["a": ["c": 3], "d": []])
        #expect(joined == ["a": ["b": 1, "c": 3], "d": []])
        #expect(joined["a", "c"] == 3)
        #expect(joined["a", "x"] == nil)
    }

    @Test(.enabled(if: NixInstantiate.isThere, "there is no nix-instantiate; hack/setup test installs it"), arguments: [1, 2, 3])
    func `what is written is what Nix reads`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let values = (0..<300).map { _ in NixValue.random(depth: 3, &random) }
        let read = try NixInstantiate.evaluate(NixValue.list(values).nix()) as? NSArray
        let wanted = try JSONSerialization.jsonObject(with: Data(NixValue.list(values).json().utf8)) as? NSArray
        for (index, value) in values.enumerated() {
            #expect((read?[index] as? NSObject) == (wanted?[index] as? NSObject), "seed \(seed): \(value)")
        }
        #expect(read?.count == values.count)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension NixValue {
    fileprivate static func random(depth: Int, _ random: inout SplitMix) -> NixValue {
        switch Int.random(in: 0..<(depth == 0 ? 5 : 8), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2: .integer([Int.min, .max, 0, -1, .random(in: -1000...1000, using: &random)].randomElement(using: &random) ?? 0)
        case 3, 4: .string(text(&random))
        case 5: .list((0..<Int.random(in: 0...5, using: &random)).map { _ in .random(depth: depth - 1, &random) })
        default:
            .attributes(
                Dictionary(
                    (0..<Int.random(in: 0...5, using: &random)).map { _ in (text(&random), .random(depth: depth - 1, &random)) },
                    uniquingKeysWith: { $1 }))
        }
    }

    /// Made of what means something to Nix.
    private static func text(_ random: inout SplitMix) -> String {
        let pieces = [
            "$", "{", "}", "${", "$$", "''", "'", "\"", "\\", "\n", "\r", "\t", "\u{1}", "\u{7f}", "a", "B", "0", "-", "_", ".", "/", " ", "rec", "in", "é", "漢",
            "😀", "#", "/*", "*/", ";", "=", "~", "<a>", "https://a.b",
        ]
        return (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }
}
