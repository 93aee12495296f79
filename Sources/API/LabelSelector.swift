/// Picks objects by their labels, in Kubernetes' grammar: `app=web,tier!=db,zone in (a,b),!old`.
/// All requirements must hold.
package struct LabelSelector: Hashable, Sendable, CustomStringConvertible {
    package enum Requirement: Hashable, Sendable {
        case exists(String), absent(String)
        case oneOf(String, [String])
        /// Holds also where the label is missing.
        case noneOf(String, [String])
    }

    package var requirements: [Requirement]

    package init(requirements: [Requirement]) { self.requirements = requirements }

    /// - Throws: `LabelSelectorProblem`, naming the requirement that cannot be read.
    package init(_ text: String) throws(LabelSelectorProblem) {
        requirements = []
        for part in Self.split(text) {
            requirements.append(try Self.requirement(part, of: text))
        }
    }

    package func matches(_ labels: [String: String]) -> Bool {
        requirements.allSatisfy { requirement in
            switch requirement {
            case .exists(let key): labels[key] != nil
            case .absent(let key): labels[key] == nil
            case .oneOf(let key, let values): labels[key].map(values.contains) ?? false
            case .noneOf(let key, let values): !(labels[key].map(values.contains) ?? false)
            }
        }
    }

    package var description: String {
        requirements.map { requirement in
            switch requirement {
            case .exists(let key): key
            case .absent(let key): "!\(key)"
            case .oneOf(let key, let values): values.count == 1 ? "\(key)=\(values[0])" : "\(key) in (\(values.joined(separator: ",")))"
            case .noneOf(let key, let values): values.count == 1 ? "\(key)!=\(values[0])" : "\(key) notin (\(values.joined(separator: ",")))"
            }
        }.joined(separator: ",")
    }

    /// At commas outside parentheses.
    private static func split(_ text: String) -> [String] {
        var parts: [String] = []
        var part = ""
        var depth = 0
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character == ",", depth == 0 {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
        }
        return part.isEmpty && parts.isEmpty ? [] : parts + [part]
    }

    private static func requirement(_ part: String, of text: String) throws(LabelSelectorProblem) -> Requirement {
        let part = part.trimmed
        func key(_ raw: some StringProtocol) throws(LabelSelectorProblem) -> String {
            let key = String(raw).trimmed
            guard !key.isEmpty, key.utf8.count <= 317, key.unicodeScalars.allSatisfy(Self.isKeyScalar) else {
                throw LabelSelectorProblem(text: text, part: part)
            }
            return key
        }
        func value(_ raw: some StringProtocol) throws(LabelSelectorProblem) -> String {
            let value = String(raw).trimmed
            guard value.utf8.count <= 63, value.unicodeScalars.allSatisfy({ Self.isKeyScalar($0) && $0 != "/" }) else {
                throw LabelSelectorProblem(text: text, part: part)
            }
            return value
        }
        if part.hasSuffix(")"), let open = part.firstIndex(of: "(") {
            let words = part[..<open].split(separator: " ")
            guard words.count == 2 else { throw LabelSelectorProblem(text: text, part: part) }
            var values: [String] = []
            for raw in part[part.index(after: open)...].dropLast().split(separator: ",", omittingEmptySubsequences: false) {
                values.append(try value(raw))
            }
            switch words[1] {
            case "in": return .oneOf(try key(words[0]), values)
            case "notin": return .noneOf(try key(words[0]), values)
            default: throw LabelSelectorProblem(text: text, part: part)
            }
        }
        if let sign = part.firstRange(of: "!=") {
            return .noneOf(try key(part[..<sign.lowerBound]), [try value(part[sign.upperBound...])])
        }
        if let sign = part.firstRange(of: "==") ?? part.firstRange(of: "=") {
            return .oneOf(try key(part[..<sign.lowerBound]), [try value(part[sign.upperBound...])])
        }
        return part.hasPrefix("!") ? .absent(try key(part.dropFirst())) : .exists(try key(part))
    }

    private static func isKeyScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/": true
        default: false
        }
    }
}

package struct LabelSelectorProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var text: String
    package var part: String

    package var description: String {
        "selector \"\(text)\": \"\(part)\" is not a requirement; write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"
    }
}

extension String {
    var trimmed: String {
        var rest = Substring(self)
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
