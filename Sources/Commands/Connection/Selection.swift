import Manifest
import Resource

/// What the arguments of a verb name: objects of one kind, by name or all of them.
struct Selection: Sendable {
    var kind: AnyKind
    /// nil: every object of the kind.
    var names: [String]?

    /// Reads `KIND [NAME…]`, `KIND,KIND`, `KIND/NAME…` and `all`.
    /// - Throws: `Failure` naming the word that is wrong.
    static func parse(_ arguments: [String], kinds: KindTable) throws -> [Selection] {
        guard let first = arguments.first else {
            throw Failure(
                "name what you mean: KIND, KIND NAME, KIND/NAME or all; kinds are \(kinds.all.map(\.plural).joined(separator: ", "))"
            )
        }
        guard arguments.allSatisfy({ !$0.isEmpty }) else { throw Failure("one of the names is empty; is a variable of yours unset?") }
        if first.contains("/") { return try grouped(try arguments.map { try reference($0, kinds: kinds) }) }
        if first == "all" {
            guard arguments.count == 1 else { throw Failure("\"all\" stands alone: \"\(arguments[1])\" after it is too much") }
            return kinds.all.map { Selection(kind: $0) }
        }
        let named = try first.split(separator: ",").map { try kind(String($0), kinds: kinds) }
        let names = Array(arguments.dropFirst())
        if let wrong = names.first(where: { $0.contains("/") }) {
            throw Failure("\"\(wrong)\" mixes two ways of naming: write \(first) NAME… or KIND/NAME…, not both")
        }
        return named.map { Selection(kind: $0, names: names.isEmpty ? nil : unique(names)) }
    }

    /// As `parse`, where whole kinds are too much.
    static func parseNamed(_ arguments: [String], kinds: KindTable) throws -> [(kind: AnyKind, name: String)] {
        try parse(arguments, kinds: kinds).flatMap { selection in
            guard let names = selection.names else {
                throw Failure(
                    "\"\(arguments.joined(separator: " "))\" names a kind but no object: write \(selection.kind.name.lowercased())/NAME"
                )
            }
            return names.map { (selection.kind, $0) }
        }
    }

    static func kind(_ word: String, kinds: KindTable) throws -> AnyKind {
        if let kind = kinds[word] { return kind }
        let known = kinds.all.flatMap { [$0.name.lowercased(), $0.plural] + $0.shortNames }
        let hint =
            nearest(to: word.lowercased(), among: known).map { "; did you mean \"\($0)\"?" }
            ?? "; kinds are \(kinds.all.map(\.plural).joined(separator: ", "))"
        throw Failure("there is no kind \"\(word)\"\(hint)")
    }

    static func reference(_ word: String, kinds: KindTable) throws -> (kind: AnyKind, name: String) {
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw Failure("\"\(word)\" is not KIND/NAME, such as node/node01")
        }
        return (try kind(String(parts[0]), kinds: kinds), String(parts[1]))
    }

    private static func grouped(_ references: [(kind: AnyKind, name: String)]) throws -> [Selection] {
        var selections: [Selection] = []
        for (kind, name) in references {
            if let index = selections.firstIndex(where: { $0.kind.name == kind.name }) {
                selections[index].names = unique((selections[index].names ?? []) + [name])
            } else {
                selections.append(Selection(kind: kind, names: [name]))
            }
        }
        return selections
    }

    private static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}
