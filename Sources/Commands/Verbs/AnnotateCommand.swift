import API
import ArgumentParser
import Resource

struct AnnotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "annotate",
        abstract: "Sets or removes annotations of an object, a child of another one included.",
        discussion: """
            KEY=VALUE sets an annotation, KEY- removes it; the spec is not touched. This is how a person consents to \
            the loss of what a disk holds: describe and diff name the annotation that is asked for, it is good for \
            that disk and that change only, and it is used up by the act.

            Annotations that begin with plasma.cloud/ stay until they are removed. Of the others the manifest is the \
            whole: what is set here and not written there goes with the next apply, and diff shows it until then.

            EXAMPLES
              plasma annotate node/node01 example.org/rack=7
              plasma annotate disk/node01-vda plasma.cloud/consent=wipe-4801df82-2
              plasma annotate node/node01 example.org/rack-

            EXIT CODES
              0  done    1  the object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND/NAME.", valueName: "object")) var object: String
    @Argument(help: ArgumentHelp("KEY=VALUE, or KEY- to remove it.", valueName: "annotation")) var annotations: [String]
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let changes = try AnnotateCommand.read(annotations)
        let named = try Selection.parseNamed([object], kinds: kinds)
        try await connection.withClient { client in
            for (kind, name) in named {
                let object = try await client.patchAnnotations(kind, name, changes)
                Output.write("\(slug(object.reference)) annotated\n")
            }
        }
    }

    /// nil removes.
    static func read(_ words: [String]) throws(Failure) -> [String: String?] {
        var changes: [String: String?] = [:]
        for word in words {
            if let equals = word.firstIndex(of: "="), equals > word.startIndex {
                changes[String(word[..<equals])] = .some(String(word[word.index(after: equals)...]))
            } else if word.hasSuffix("-"), word.count > 1 {
                changes[String(word.dropLast())] = .some(nil)
            } else {
                throw Failure("\"\(word)\" is not an annotation: KEY=VALUE sets one, KEY- removes it")
            }
        }
        return changes
    }
}
