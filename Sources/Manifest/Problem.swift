/// A place in a file; both count from 1. Column counts Unicode scalars.
package struct Mark: Hashable, Comparable, Sendable, Codable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (a: Mark, b: Mark) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// Something wrong with what a person wrote: where, in which object, at which path, and what.
package struct Problem: Hashable, Sendable, Codable, CustomStringConvertible {
    package var file: String
    package var mark: Mark
    /// "Node/node01"; empty when the document is not yet known to be an object.
    package var object: String
    /// "spec.disks[0].size"; empty for the document itself.
    package var path: String
    package var message: String

    package init(file: String, mark: Mark, object: String = "", path: String = "", message: String) {
        self.file = file
        self.mark = mark
        self.object = object
        self.path = path
        self.message = message
    }

    /// `lab.yaml:12:9: Node/node01 spec.cpus: "99" is not from 1 to 64`
    package var description: String {
        let subject = [object, path].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(file):\(mark.line):\(mark.column): \(subject.isEmpty ? "" : subject + ": ")\(message)"
    }
}
