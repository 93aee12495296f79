/// Reads the text of a JSONPath template, character by character.
struct JSONPathReader {
    private let source: String
    private let characters: [Character]
    private var position = 0

    init(_ source: String) {
        self.source = source
        characters = Array(source)
    }

    /// A template without braces is one path, as in `jsonpath=.status.phase`.
    mutating func template() throws(JSONPathProblem) -> [JSONPath.Part] {
        if !source.isEmpty, !source.contains("{") {
            guard characters[0] == "." || characters[0] == "[" || characters[0] == "$" else {
                throw problem("a path begins with \".\": write {.\(source)}")
            }
            let steps = try path()
            guard position == characters.count else { throw unexpected() }
            return [.path(steps)]
        }
        let parts = try sequence(isRange: false)
        return parts
    }

    private mutating func sequence(isRange: Bool) throws(JSONPathProblem) -> [JSONPath.Part] {
        var parts: [JSONPath.Part] = []
        while let character = peek {
            guard character == "{" else {
                parts.append(.text(text { $0 != "{" }))
                continue
            }
            let start = position
            position += 1
            skipSpaces()
            switch peek {
            case "\"", "'":
                parts.append(.text(try quoted()))
                try close()
            case "r" where word("range"):
                let steps = try path()
                try close()
                parts.append(.range(steps, try sequence(isRange: true)))
            case "e" where word("end"):
                try close()
                guard isRange else { throw problem("{end} has no {range …} before it", at: start) }
                return parts
            default:
                let steps = try path()
                try close()
                parts.append(.path(steps))
            }
        }
        if isRange { throw problem("{range …} is not closed by {end}") }
        return parts
    }

    private mutating func path() throws(JSONPathProblem) -> [JSONPath.Step] {
        skipSpaces()
        var steps: [JSONPath.Step] = []
        if peek == "$" || peek == "@" {
            if peek == "$" { steps.append(.root) }
            position += 1
        } else if peek != "." && peek != "[" {
            throw unexpected("a path that begins with \".\"")
        }
        while true {
            switch peek {
            case ".":
                position += 1
                if peek == "." { throw problem("recursive descent \"..\" is not supported: name the members") }
                if peek == "[" || peek == "}" || peek == nil { continue }
                if peek == "*" {
                    position += 1
                    steps.append(.every)
                    continue
                }
                let name = try member()
                if name.isEmpty { throw unexpected("the name of a member") }
                steps.append(.member(name))
            case "[": steps.append(try subscripted())
            default:
                skipSpaces()
                return steps
            }
        }
    }

    /// A backslash takes what follows it as it is: `example\.org/rack`.
    private mutating func member() throws(JSONPathProblem) -> String {
        var name = ""
        while let character = peek, !".[]{} ".contains(character) {
            position += 1
            guard character == "\\" else {
                name.append(character)
                continue
            }
            guard let escaped = peek else { throw problem("nothing follows the backslash") }
            name.append(escaped)
            position += 1
        }
        return name
    }

    private mutating func subscripted() throws(JSONPathProblem) -> JSONPath.Step {
        position += 1
        let start = position
        if peek == "?" { throw problem("filters \"[?(…)]\" are not supported: use -o json with jq") }
        if peek == "\"" || peek == "'" {
            let name = try quoted()
            guard peek == "]" else { throw unexpected("\"]\"") }
            position += 1
            return .member(name)
        }
        let inside = text { $0 != "]" && $0 != "}" }
        guard peek == "]" else { throw problem("\"[\" is not closed by \"]\"", at: start - 1) }
        position += 1
        if inside == "*" { return .every }
        if let index = Int(inside) { return .index(index) }
        let bounds = inside.split(separator: ":", omittingEmptySubsequences: false)
        if bounds.count == 2, bounds.allSatisfy({ $0.isEmpty || Int($0) != nil }) {
            return .slice(Int(bounds[0]), Int(bounds[1]))
        }
        throw problem("\"[\(inside)]\" is not an index, a slice, * or a quoted name", at: start - 1)
    }

    private mutating func quoted() throws(JSONPathProblem) -> String {
        let start = position
        let quote = characters[position]
        position += 1
        var result = ""
        while let character = peek {
            position += 1
            if character == quote { return result }
            guard character == "\\", let escaped = peek else {
                result.append(character)
                continue
            }
            position += 1
            switch escaped {
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            default: result.append(escaped)
            }
        }
        throw problem("the quotation is not closed", at: start)
    }

    private mutating func close() throws(JSONPathProblem) {
        skipSpaces()
        guard peek == "}" else { throw unexpected("\"}\"") }
        position += 1
    }

    private var peek: Character? { position < characters.count ? characters[position] : nil }

    private mutating func skipSpaces() {
        while peek == " " { position += 1 }
    }

    private mutating func text(while isPart: (Character) -> Bool) -> String {
        let start = position
        while let character = peek, isPart(character) { position += 1 }
        return String(characters[start..<position])
    }

    private mutating func word(_ word: String) -> Bool {
        guard characters[position...].starts(with: Array(word)) else { return false }
        position += word.count
        return true
    }

    private func problem(_ message: String, at place: Int? = nil) -> JSONPathProblem {
        JSONPathProblem(source: source, column: (place ?? position) + 1, message: message)
    }

    private func unexpected(_ wanted: String = "nothing more") -> JSONPathProblem {
        problem("expected \(wanted), found \(peek.map { "\"\($0)\"" } ?? "the end")")
    }
}
