import Manifest

extension Fields {
    /// Reads something and applies a rule of the kind to it; but not to the example that stands for
    /// what is missing, wrong or only drawn.
    /// - Parameter rule: what is wrong, noted at the field; nil when nothing is.
    mutating func checked<T>(_ name: String, _ read: (inout Fields) -> T, _ rule: (T) -> String?) -> T {
        let before = problems.count
        let value = read(&self)
        if !isDrawing, problems.count == before, let what = rule(value) { note(what, at: name) }
        return value
    }

    /// Text of a given form.
    mutating func text(_ name: String, _ form: TextForm, _ help: String) -> String {
        checked(name, { $0.required(name, String.self, help) }, form.refusal)
    }

    mutating func optionalText(_ name: String, _ form: TextForm, _ help: String) -> String? {
        checked(name, { $0.optional(name, String.self, help) }) { $0.flatMap(form.refusal) }
    }
}

/// What a text is made of. Not a regular expression: those are parsed anew at each use.
struct TextForm: Sendable {
    /// Letters and digits of ASCII, and these, may follow the first character.
    var marks: String
    /// Letters and digits of ASCII, and these, may be the first character.
    var firstMarks = ""
    var hasCapitals = true
    var hasDigitFirst = true
    var count: ClosedRange<Int>
    /// After "is not".
    var name: String

    func fits(_ text: some StringProtocol) -> Bool {
        let bytes = text.utf8
        guard count.contains(bytes.count), let first = bytes.first else { return false }
        guard isWord(first, hasDigitFirst) || firstMarks.utf8.contains(first) else { return false }
        return bytes.dropFirst().allSatisfy { isWord($0, true) || marks.utf8.contains($0) }
    }

    private func isWord(_ byte: UInt8, _ digits: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): true
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): hasCapitals
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digits
        default: false
        }
    }

    func refusal(_ text: String) -> String? { fits(text) ? nil : "\"\(text)\" is not \(name)" }
}

/// `; did you mean "node01"?` when one of the known words is near, else `otherwise`.
func suggestion(_ word: String, _ known: [String], else otherwise: String = "") -> String {
    nearest(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? otherwise
}

extension IPv4Subnet {
    /// Why no machine can have this address here; nil when one can.
    func refusal(of address: IPv4Address) -> String? {
        if !contains(address) { return "is outside the subnet \(scalarText)" }
        if isHost(address) { return nil }
        return "is the \(address == network ? "network" : "broadcast") address of \(scalarText)"
    }
}
