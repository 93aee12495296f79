import Manifest
import Resource

/// A program: a name that is looked for along PATH ("nixos-anywhere"), or the path of a file, which is stored absolute
/// as `FilePathText` tells.
package struct ProgramText: Hashable, Sendable {
    package static let usual = ProgramText(text: "nixos-anywhere")

    package var text: String
}

extension ProgramText: TextScalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard text.contains("/") || text.hasPrefix("~") else {
            guard !text.isEmpty, !text.hasPrefix("-"), !text.contains("\0"), !text.contains(" ") else {
                throw ScalarProblem("is not a program: a name such as nixos-anywhere, or a path")
            }
            self.text = text
            return
        }
        self.text = try FilePathText(scalar: text).path
    }

    package var scalarText: String { text }
    package static var schema: JSON { .object(["type": .string("string"), "minLength": .integer(1)]) }
    package static var example: Self { .usual }
}
