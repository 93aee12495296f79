import Manifest

/// Path of a file on the host: an image, a kernel. Stored absolute. In a manifest it may also be
/// relative ("./vmlinuz", "images/root.qcow2"): it is then resolved against the directory of the
/// manifest's file, which `KindTable.read` knows when the file's name is absolute or when it is told
/// its working directory; else a relative path is a problem.
package struct FilePathText: Hashable, Sendable {
    package var path: String

    /// - Precondition: `path` is absolute.
    package init(absolute path: String) {
        precondition(path.hasPrefix("/"), "\"\(path)\" is not absolute")
        self.path = path
    }

    /// The directory that relative paths start from, while a manifest is read.
    @TaskLocal static var base: String?
}

extension FilePathText: TextScalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard !text.isEmpty, !text.contains("\0") else { throw ScalarProblem("is not a path") }
        if text.hasPrefix("~") { throw ScalarProblem("is not an absolute path; ~ is not expanded here") }
        guard text.hasPrefix("/") || FilePathText.base != nil else {
            throw ScalarProblem("is not an absolute path, and where the manifest stands is not known; write it from / on")
        }
        path = normalized(text.hasPrefix("/") ? text : FilePathText.base! + "/" + text)
    }

    package var scalarText: String { path }
    package static var schema: JSON { .object(["type": .string("string"), "minLength": .integer(1)]) }
    package static var example: Self { Self(absolute: "/var/lib/images/root.qcow2") }
}

/// Without `.`, `..` and doubled slashes; symbolic links are not followed. `..` at the root stays there.
func normalized(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") {
        switch part {
        case ".": continue
        case "..": _ = parts.popLast()
        default: parts.append(part)
        }
    }
    return "/" + parts.joined(separator: "/")
}
