import Manifest

/// An object as a person wrote it, which knows its place.
package struct Draft: Sendable {
    package var resource: any AnyResource
    package var file: String
    /// The whole object: paths start with `metadata` or `spec`.
    package var document: Value
    /// Where something was found wrong while it was read. There the resource holds examples instead of
    /// what was written, and lists lack what could not be read.
    package var broken: [String]

    package init(resource: any AnyResource, file: String, document: Value, broken: [String] = []) {
        self.resource = resource
        self.file = file
        self.document = document
        self.broken = broken
    }

    package var reference: Reference { resource.reference }
    package var isSound: Bool { broken.isEmpty }

    /// Something is wrong at the path, around it or below it.
    package func isBroken(at path: String) -> Bool {
        func leads(_ a: String, to b: String) -> Bool {
            b.hasPrefix(a) && (b.utf8.count == a.utf8.count || b.dropFirst(a.count).first.map { ".[".contains($0) } ?? true)
        }
        return broken.contains { leads($0, to: path) || leads(path, to: $0) }
    }

    /// The place of `spec.disks[0].size`; of the nearest ancestor that exists when it is absent.
    package func mark(of path: String) -> Mark { document.mark(at: path) }

    package func problem(_ path: String, _ message: String) -> Problem {
        Problem(file: file, mark: mark(of: path), object: reference.description, path: path, message: message)
    }
}

/// What reading manifests gave.
package struct ManifestReading: Sendable {
    /// In the order written; those with problems of their own too, so that references to them are not
    /// called dangling.
    package var drafts: [Draft]
    /// Of all files, in the order of the files and of their lines.
    package var problems: [Problem]
}

extension KindTable {
    /// Reads all objects of all files; nothing is thrown, everything wrong is noted.
    ///
    /// What the store owns is passed over, so that `get -o yaml | apply -f -` changes nothing: `status`,
    /// and of the metadata uid, resourceVersion, generation, the timestamps, finalizers and owners.
    /// - Parameters:
    ///   - files: names as shown in problems, and contents. A file may hold several documents, and
    ///     documents of kind `List` with `items`.
    ///   - workingDirectory: absolute; what the names of files are relative to. With it, or when a file's name is
    ///     absolute, relative paths of `FilePathText` fields start from the file's directory ("-",
    ///     standard input, stands in the working directory).
    package func read(_ files: [(file: String, bytes: [UInt8])], workingDirectory: String? = nil) -> ManifestReading {
        var reading = ManifestReading(drafts: [], problems: [])
        var places: [Reference: Problem] = [:]
        for (file, bytes) in files {
            let (documents, problems) = YAML.read(bytes, file: file)
            var reader = DocumentReader(
                table: self, file: file, base: directory(of: file, from: workingDirectory), problems: problems)
            for document in documents { reader.read(document) }
            for draft in reader.drafts {
                if draft.isBroken(at: "metadata.name") { continue }  // it is nobody
                if let first = places[draft.reference] {
                    reader.problems.append(
                        draft.problem(
                            "metadata.name",
                            "is written twice; the first stands at \(first.file):\(first.mark.line):\(first.mark.column)"))
                } else {
                    places[draft.reference] = draft.problem("metadata.name", "")
                    reading.drafts.append(draft)
                }
            }
            reading.problems += reader.problems.sorted { ($0.mark, $0.path, $0.message) < ($1.mark, $1.path, $1.message) }
        }
        return reading
    }
}

private func directory(of file: String, from workingDirectory: String?) -> String? {
    if file == "-" { return workingDirectory }
    let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    if file.hasPrefix("/") { return normalized(folder) }
    return workingDirectory.map { normalized($0 + "/" + folder) }
}

/// Reads the documents of one file.
private struct DocumentReader {
    var table: KindTable
    var file: String
    /// What relative paths start from.
    var base: String?
    var drafts: [Draft] = []
    var problems: [Problem]

    init(table: KindTable, file: String, base: String?, problems: [Problem]) {
        self.table = table
        self.file = file
        self.base = base
        self.problems = problems
    }

    private mutating func note(_ mark: Mark, _ object: String, _ path: String, _ message: String) {
        problems.append(Problem(file: file, mark: mark, object: object, path: path, message: message))
    }

    /// An object, or a List of them.
    mutating func read(_ document: Value) {
        if document.isNull { return }
        guard case .mapping(let members) = document.shape else {
            return note(document.mark, "", "", "is \(document.noun), not an object with apiVersion, kind, metadata and spec")
        }
        guard let kind = text("kind", of: document, "") else { return }
        if kind == "List" || (kind.hasSuffix("List") && table[String(kind.dropLast(4))] != nil) {
            guard case .sequence(let items)? = document["items"]?.shape else {
                return note(document.mark(at: "items"), "", "items", "is required in a \(kind): the objects")
            }
            for item in items { read(item) }
            return
        }
        let before = problems.count
        let name = document["metadata"]?["name"]?.json.string ?? ""
        let object = name.isEmpty ? kind : "\(kind)/\(name)"
        let version = text("apiVersion", of: document, object)
        if let version, version != plasmaAPIVersion {
            note(document.mark(at: "apiVersion"), object, "apiVersion", "\"\(version)\" is not known; write \(plasmaAPIVersion)")
        }
        guard let known = table.all.first(where: { $0.name == kind }) else {
            let near = table[kind]?.name ?? nearest(to: kind, among: table.all.map(\.name))
            let what = near.map { "; did you mean \"\($0)\"?" } ?? "; known are \(table.all.map(\.name).joined(separator: ", "))"
            return note(document.mark(at: "kind"), object, "kind", "\"\(kind)\" is not a kind of \(plasmaAPIVersion)\(what)")
        }
        let resource = readObject(known, object, document, members)
        drafts.append(Draft(resource: resource, file: file, document: document, broken: problems[before...].map(\.path)))
    }

    private mutating func text(_ name: String, of document: Value, _ object: String) -> String? {
        guard let value = document[name] else {
            note(document.mark, object, name, "is required")
            return nil
        }
        guard case .scalar(let text, _, _) = value.shape, !value.isNull else {
            note(value.mark, object, name, "is \(value.noun), not text")
            return nil
        }
        return text
    }

    private mutating func readObject(_ kind: AnyKind, _ object: String, _ document: Value, _ members: [Value.Member])
        -> any AnyResource
    {
        func fields(_ value: Value, _ path: String) -> Fields { Fields(reading: value, file: file, object: object, path: path) }

        // The envelope: which members there are at all.
        let knownMembers = ["apiVersion", "kind", "metadata", "spec", "status"]
        for member in members where !knownMembers.contains(member.key) {
            let near =
                nearest(to: member.key, among: knownMembers).map { "; did you mean \"\($0)\"?" }
                ?? "; an object has apiVersion, kind, metadata and spec"
            note(member.keyMark, object, member.key, "is not known here\(near)")
        }

        var metadata = Metadata(name: "")
        if let value = document["metadata"] {
            var reader = fields(value.without(Metadata.ownedByTheStore), "metadata")
            metadata = Metadata.read(&reader)
            reader.finish()
            problems += reader.problems
        } else {
            note(document.mark, object, "metadata", "is required, with at least a name")
        }

        // A spec may be left out when nothing in it is required.
        var spec = fields(document["spec"] ?? Value(mark: document.mark, shape: .mapping([])), "spec")
        let resource = FilePathText.$base.withValue(base) { kind.read(metadata, &spec) }
        spec.finish()
        problems += spec.problems
        return resource
    }
}

extension Value {
    /// A mapping without some of its members.
    fileprivate func without(_ names: Set<String>) -> Value {
        guard case .mapping(let members) = shape else { return self }
        return Value(mark: mark, shape: .mapping(members.filter { !names.contains($0.key) }))
    }
}
