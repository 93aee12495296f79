/// A value of the Nix language, as data: no functions, no names of others.
package indirect enum NixValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    /// Without NUL: Nix's strings cannot hold it.
    case string(String)
    /// Relative to the file it is written in: "./node01/disko.nix". Nothing of it is a value of JSON.
    case path(String)
    case list([NixValue])
    case attributes([String: NixValue])

    /// Members that are absent (nil) are left out.
    package static func set(_ members: KeyValuePairs<String, NixValue?>) -> NixValue {
        .attributes(Dictionary(members.compactMap { name, value in value.map { (name, $0) } }, uniquingKeysWith: { $1 }))
    }

    package static func strings(_ texts: [String]) -> NixValue { .list(texts.map(NixValue.string)) }

    /// The member at a path of names; nil where there is none.
    package subscript(_ path: String...) -> NixValue? {
        path.reduce(self) { value, name in
            if case .attributes(let members)? = value { members[name] } else { nil }
        }
    }

    /// Two sets become one, down to their members; otherwise the other wins.
    package func merged(with other: NixValue) -> NixValue {
        guard case .attributes(let mine) = self, case .attributes(let others) = other else { return other }
        return .attributes(mine.merging(others) { $0.merged(with: $1) })
    }
}

extension NixValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(arrayLiteral values: NixValue...) { self = .list(values) }
    package init(dictionaryLiteral members: (String, NixValue)...) {
        self = .attributes(Dictionary(members, uniquingKeysWith: { $1 }))
    }
}
