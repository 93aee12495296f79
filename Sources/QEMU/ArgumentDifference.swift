/// One field in which a running machine differs from the wanted one.
package struct ArgumentDifference: Hashable, Codable, Sendable, CustomStringConvertible {
    /// The field's name as in `ArgumentGroup`; "arguments" for what no field of ours would give.
    package var field: String
    /// `nil`: it is there and nobody wants it.
    package var wanted: String?
    /// `nil`: it is not there.
    package var seen: String?
    package var impact: String

    package init(field: String, wanted: String?, seen: String?, impact: String = "restart") {
        self.field = field
        self.wanted = wanted
        self.seen = seen
        self.impact = impact
    }

    package var description: String {
        "\(field): " + (seen.map { "runs with \($0)" } ?? "runs without it") + ", " + (wanted.map { "wanted is \($0)" } ?? "not wanted")
    }
}

/// What differs between the wanted arguments and a running QEMU's command line (its program name first).
/// The order of options does not count; how often one is given does.
package func differences(wanted: [ArgumentGroup], running commandLine: [String]) -> [ArgumentDifference] {
    var unclaimed = CommandOption.read(Array(commandLine.dropFirst()))
    var missing: [(group: ArgumentGroup, option: CommandOption)] = []
    for group in wanted {
        for option in CommandOption.read(group.arguments) {
            if let index = unclaimed.firstIndex(of: option) {
                unclaimed.remove(at: index)
            } else {
                missing.append((group, option))
            }
        }
    }
    var found: [ArgumentDifference] = []
    for (group, option) in missing {
        // The same option with another value is a change; otherwise it is absent.
        let index = unclaimed.firstIndex { $0.flag == option.flag && $0.identity == option.identity }
        let seen = index.map { unclaimed.remove(at: $0) }
        found.append(ArgumentDifference(
            field: group.field, wanted: option.text, seen: seen?.text, impact: group.impact))
    }
    for option in unclaimed {
        found.append(ArgumentDifference(field: option.field ?? "arguments", wanted: nil, seen: option.text))
    }
    return found
}

/// `-flag value` or `-flag`.
struct CommandOption: Hashable {
    var flag: String
    var value: String?

    var text: String { value.map { "\(flag) \($0)" } ?? flag }

    /// What makes two options with the same flag the same thing: their id, or the flash unit.
    var identity: String? {
        value?.split(separator: ",").first { $0.hasPrefix("id=") || $0.hasPrefix("unit=") }.map(String.init)
    }

    /// The field an unwanted option of our own making belongs to: `id=disk3` is `drives[3]`.
    var field: String? {
        guard let id = identity?.split(separator: "=").last?.split(separator: "-").first else { return nil }
        for (prefix, field) in [("disk", "drives"), ("net", "interfaces")] where id.hasPrefix(prefix) {
            if let index = Int(id.dropFirst(prefix.count)) { return "\(field)[\(index)]" }
        }
        return nil
    }

    static func read(_ arguments: [String]) -> [CommandOption] {
        var options: [CommandOption] = []
        for argument in arguments {
            // A value may begin with "-" only where no flag could stand; QEMU's flags all begin with a letter after it.
            if argument.count > 1, argument.first == "-", argument.dropFirst().first != " ",
                !(options.last?.flag == "-append" && options.last?.value == nil)
            {
                options.append(CommandOption(flag: argument))
            } else if let last = options.indices.last, options[last].value == nil {
                options[last].value = argument
            } else {
                options.append(CommandOption(flag: argument))
            }
        }
        return options
    }
}
