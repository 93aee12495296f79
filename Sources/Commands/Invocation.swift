import Manifest

/// The arguments as ArgumentParser shall read them: options that stand before the verb are moved
/// behind it, `--wait=false` becomes `--no-wait`, and a verb that does not exist is told apart from
/// a stray word.
struct Invocation: Hashable, Sendable {
    var arguments: [String]
    /// The verb, when there is one.
    var verb: String?

    /// Options that every verb takes, and whether a value follows them.
    private static let common: [String: Bool] = [
        "--server": true, "--context": true, "--data-dir": true, "--ca-file": true, "--token-file": true, "--no-color": false,
    ]
    /// Verbs that speak with no server: what says where it is means nothing to them.
    private static let local: Set<String> = ["validate", "explain", "render", "completion", "help"]
    /// Flags that a person may write with `=true` or `=false`, and how their negation is written; nil
    /// where leaving the flag out says the same.
    private static let flags: [String: String?] = [
        "--wait": "--no-wait", "--watch": nil, "--prune": nil, "--follow": nil, "--force-conflicts": nil, "--no-headers": nil,
        "--ignore-not-found": nil, "--all": nil, "--recursive": nil,
    ]

    /// - Throws: `Failure` for a verb that does not exist.
    init(_ written: [String], verbs: [String]) throws(Failure) {
        var lead: [String] = []
        var rest = written[...]
        while let word = rest.first, let takesValue = Invocation.common[String(word.prefix { $0 != "=" })] {
            let count = takesValue && !word.contains("=") ? 2 : 1
            lead += rest.prefix(count)
            rest = rest.dropFirst(count)
        }
        guard let verb = rest.first, !verb.hasPrefix("-") else {
            // `plasma --help`, `plasma --version`, or nothing at all.
            arguments = Array(rest)
            return
        }
        guard verbs.contains(verb) || verb == "help" else {
            let hint =
                nearest(to: verb, among: verbs).map { "did you mean \"\($0)\"?" }
                ?? "the verbs are \(verbs.joined(separator: ", "))"
            throw Failure("\"\(verb)\" is not a verb of plasma; \(hint)")
        }
        self.verb = verb
        let after = rest.dropFirst()
        let end = after.firstIndex(of: "--") ?? after.endIndex
        arguments =
            [verb] + after[..<end].compactMap(Invocation.plainFlag) + (Invocation.local.contains(verb) ? [] : lead)
            + after[end...]
    }

    private static func plainFlag(_ word: String) -> String? {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let negation = flags[parts[0]] else { return word }
        switch parts[1] {
        case "true": return parts[0]
        case "false": return negation
        default: return word
        }
    }
}
