import Bytes
import Crypto
import Foundation
import NixOS

/// A directory that `render` writes, and the list of what it wrote, `.plasma-render.json`: by it a file of somebody
/// else, or one that was changed since, is known and left alone.
struct RenderedDirectory {
    static let listName = ".plasma-render.json"

    /// Absolute.
    var path: String

    struct Summary: Hashable, CustomStringConvertible {
        var written = 0
        var unchanged = 0
        var removed = 0
        /// No longer rendered, but changed since: they stay.
        var left: [String] = []

        var description: String {
            var text = "\(written) \(written == 1 ? "file" : "files") written, \(unchanged) unchanged"
            if removed > 0 { text += ", \(removed) removed" }
            if !left.isEmpty { text += "; left, as it was changed: \(left.joined(separator: ", "))" }
            return text
        }
    }

    private struct List: Codable {
        var version = 1
        /// SHA-256 by path.
        var files: [String: String] = [:]
        /// What is being written: after a crash, either may be there.
        var writing: [String: String]?
    }

    /// - Throws: `Failure` when something stands where the directory or one of the files is to be, that is not plasma's.
    func check(_ files: [RenderedFile], force: Bool) throws {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
            throw Failure("\(path) is no directory; give another with -o")
        }
        let list = try readList()
        let foreign = files.filter { kind(of: $0.path) != nil && content(of: $0.path) != $0.contents && !isOurs($0.path, list) }
        try refuse(foreign.map(\.path).sorted(), files.map(\.path), force: force)
    }

    /// Writes what is new or different, and removes what it wrote before and is no longer rendered.
    /// - Throws: `Failure` naming the files that it will not overwrite; then nothing was written.
    func write(_ files: [RenderedFile], force: Bool) throws -> Summary {
        try check(files, force: force)
        let list = try readList()
        let digests = Dictionary(files.map { ($0.path, Self.digest($0.contents)) }, uniquingKeysWith: { $1 })

        var summary = Summary()
        try makeDirectory("")
        try writeList(List(files: list.files, writing: digests))
        for file in files.sorted(by: { $0.path < $1.path }) {
            if content(of: file.path) == file.contents {
                if mode(of: file.path) != file.mode { chmod(absolute(file.path), mode_t(file.mode)) }
                summary.unchanged += 1
            } else {
                try write(file)
                summary.written += 1
            }
        }
        for gone in list.files.keys.sorted() where digests[gone] == nil && kind(of: gone) != nil {
            if isOurs(gone, list) {
                unlink(absolute(gone))
                removeEmptyDirectories(above: gone)
                summary.removed += 1
            } else {
                summary.left.append(gone)
            }
        }
        try writeList(List(files: digests))
        return summary
    }

    // MARK: What is there

    private func absolute(_ file: String) -> String { path + "/" + file }

    /// nil when there is nothing. Links are not followed.
    private func kind(of file: String) -> FileAttributeType? {
        (try? FileManager.default.attributesOfItem(atPath: absolute(file)))?[.type] as? FileAttributeType
    }

    private func mode(of file: String) -> Int? {
        ((try? FileManager.default.attributesOfItem(atPath: absolute(file)))?[.posixPermissions] as? NSNumber)?.intValue
    }

    private func content(of file: String) -> [UInt8]? {
        kind(of: file) == .typeRegular ? FileManager.default.contents(atPath: absolute(file)).map { Array($0) } : nil
    }

    private func isOurs(_ file: String, _ list: List) -> Bool {
        guard let bytes = content(of: file) else { return false }
        let digest = Self.digest(bytes)
        return digest == list.files[file] || digest == list.writing?[file]
    }

    private func refuse(_ foreign: [String], _ all: [String], force: Bool) throws {
        // Through a link, files would be written elsewhere, which no --force asks for.
        var folders = Set(all.flatMap(Self.folders)).sorted()
        folders = folders.filter { kind(of: $0).map { $0 != .typeDirectory } ?? false }
        if let folder = folders.first { throw Failure("\(absolute(folder)) is no directory of its own; remove it, or give another directory with -o") }
        let directories = foreign.filter { kind(of: $0) == .typeDirectory }
        if let directory = directories.first { throw Failure("\(absolute(directory)) is a directory, where a file is to be; remove it, or give another directory with -o") }
        guard !force, !foreign.isEmpty else { return }
        throw Failure(
            foreign.map { "\(absolute($0)) was not written by plasma, or was changed since" }.joined(separator: "\n")
                + "\nnothing was written; move \(foreign.count == 1 ? "it" : "them") away, or overwrite \(foreign.count == 1 ? "it" : "them") with --force")
    }

    /// "a", "a/b" of "a/b/c".
    private static func folders(of file: String) -> [String] {
        let parts = file.split(separator: "/").dropLast()
        return parts.indices.map { parts[...$0].joined(separator: "/") }
    }

    // MARK: Writing

    private func readList() throws -> List {
        let name = absolute(Self.listName)
        guard FileManager.default.fileExists(atPath: name) else { return List() }
        guard let data = FileManager.default.contents(atPath: name), let list = try? JSONDecoder().decode(List.self, from: data), list.version == 1 else {
            throw Failure("\(name) cannot be read: it lists what plasma wrote; remove it, and its files count as somebody else's")
        }
        return list
    }

    private func writeList(_ list: List) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        let data: Data
        do { data = try encoder.encode(list) } catch { throw Failure("the list of files cannot be made: \(error)") }
        try write(RenderedFile(path: Self.listName, contents: Array(data) + [10]))
    }

    private func write(_ file: RenderedFile) throws {
        for folder in Self.folders(of: file.path) { try makeDirectory(folder, mode: folder.hasSuffix("/secrets") ? 0o700 : 0o755) }
        do { try writeWhole(file.contents, to: absolute(file.path), mode: file.mode) } catch { throw Failure("\(absolute(file.path)) cannot be written: \(error)") }
    }

    private func makeDirectory(_ folder: String, mode: Int = 0o755) throws {
        let name = folder.isEmpty ? path : absolute(folder)
        do {
            try FileManager.default.createDirectory(atPath: name, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
        } catch {
            throw Failure("\(name) cannot be made: \(error.localizedDescription)")
        }
    }

    private func removeEmptyDirectories(above file: String) {
        for folder in Self.folders(of: file).reversed() where rmdir(absolute(folder)) != 0 { return }
    }

    private static func digest(_ bytes: [UInt8]) -> String { Hex.encode(SHA256.hash(data: bytes)) }
}

/// Whole or not at all: beside it first, then in its place. Never readable by more than its mode says.
/// - Throws: `Failure` with the system's reason.
func writeWhole(_ bytes: [UInt8], to path: String, mode: Int) throws(Failure) {
    let temporary = path + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Failure(String(cString: strerror(errno))) }
    var rest = bytes[...]
    var problem: Int32 = 0
    while !rest.isEmpty, problem == 0 {
        let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
        if written > 0 { rest = rest.dropFirst(written) } else if errno != EINTR { problem = errno == 0 ? EIO : errno }
    }
    if problem == 0, fchmod(descriptor, mode_t(mode)) != 0 || fsync(descriptor) != 0 { problem = errno }
    close(descriptor)
    if problem == 0, rename(temporary, path) != 0 { problem = errno }
    guard problem == 0 else {
        unlink(temporary)
        throw Failure(String(cString: strerror(problem)))
    }
}
