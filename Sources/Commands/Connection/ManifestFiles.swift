import API
import ArgumentParser
import Foundation
import Host
import Kinds
import Manifest
import Resource

/// `-f`: files, directories, or `-`.
struct ManifestOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .customLong("filename")],
        help: ArgumentHelp(
            "Manifest: a file, a directory (all *.yaml, *.yml and *.json below it) or - for standard input. May be repeated.",
            valueName: "path"),
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var filenames: [String] = []

    func load() throws -> ManifestFiles {
        try ManifestFiles(reading: filenames, workingDirectory: FileManager.default.currentDirectoryPath)
    }

    mutating func requireSome(for verb: String) throws {
        if filenames.isEmpty { throw ValidationError("\(verb) needs a manifest: -f FILE, -f DIRECTORY or -f -") }
    }
}

/// Manifests as a person named them. Paths within them start from the manifest's directory, so the
/// server, which works elsewhere, is given absolute names; people are shown their own.
struct ManifestFiles {
    var files: [(file: String, bytes: [UInt8])]
    /// Files that cannot be read, or are too large to.
    var problems: [Problem]
    /// Absolute.
    var workingDirectory: String

    init(files: [(file: String, bytes: [UInt8])], problems: [Problem] = [], workingDirectory: String) {
        self.files = files
        self.problems = problems
        self.workingDirectory = workingDirectory
    }

    /// Reads the objects here; all problems of all files.
    func objects(of kinds: KindTable) -> ManifestReading {
        var reading = kinds.read(files, workingDirectory: workingDirectory)
        reading.problems = problems + reading.problems
        return reading
    }

    /// The same, with the rules that join objects.
    func checked() -> ManifestReading {
        var reading = Catalog.read(files, workingDirectory: workingDirectory)
        reading.problems = problems + reading.problems
        return reading
    }

    /// - Throws: `InvalidManifest` with everything that is wrong in itself; `Failure` when there is no object.
    func sound(_ kinds: KindTable) throws -> [Draft] {
        let reading = objects(of: kinds)
        guard reading.problems.isEmpty else { throw InvalidManifest(problems: reading.problems) }
        // A template that came out empty is no wish, and nobody may be told that it is fulfilled.
        guard !reading.drafts.isEmpty else { throw Failure("the manifests name no object: \(files.map(\.file).joined(separator: ", "))") }
        return reading.drafts
    }

    /// For the server.
    var absolute: [(file: String, bytes: [UInt8])] { files.map { (absolute($0.file), $0.bytes) } }

    private func absolute(_ file: String) -> String { file.hasPrefix("/") ? file : workingDirectory + "/" + file }

    /// The name a person gave, for one that `absolute` made.
    func shown(_ file: String) -> String { files.first { absolute($0.file) == file }?.file ?? file }

    func shown(_ report: DiffReport) -> DiffReport {
        var report = report
        for index in report.objects.indices { report.objects[index].file = report.objects[index].file.map(shown) }
        return report
    }

    /// Runs a request about these manifests; what the server finds wrong is told with the person's names.
    func asking<T>(_ request: ([(file: String, bytes: [UInt8])]) async throws -> T) async throws -> T {
        do {
            return try await request(absolute)
        } catch ClientError.invalid(let problems) {
            throw InvalidManifest(
                problems: problems.map { problem in
                    var problem = problem
                    problem.file = shown(problem.file)
                    return problem
                })
        }
    }

    /// Reads what `-f` names, in the order given; the files of a directory in the order of their
    /// paths; a file that is named twice only once.
    /// - Throws: `Failure` naming what is not there.
    init(reading arguments: [String], workingDirectory: String) throws {
        var files: [String] = []
        for argument in arguments {
            for file in try Self.expand(argument) where !files.contains(file) { files.append(file) }
        }
        self.files = []
        problems = []
        self.workingDirectory = workingDirectory
        for file in files {
            let (bytes, problem) = YAML.readFile(file)
            if let problem { problems.append(problem) } else { self.files.append((file == "-" ? "stdin" : file, bytes)) }
        }
    }

    private static func expand(_ argument: String) throws -> [String] {
        if argument == "-" { return ["-"] }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: argument, isDirectory: &isDirectory) else {
            throw Failure("-f \(argument): there is no such file or directory")
        }
        guard isDirectory.boolValue else { return [argument] }
        var seen: Set<[UInt64]> = []
        let found = try manifests(in: argument.hasSuffix("/") ? argument : argument + "/", given: argument, &seen)
        if found.isEmpty { throw Failure("-f \(argument): there is no *.yaml, *.yml or *.json in this directory") }
        return found.sorted()
    }

    /// What cannot be read is not passed over: with `--prune`, what it declares would be deleted. Links are followed, each directory once.
    /// - Parameter base: ends with a slash.
    private static func manifests(in base: String, given argument: String, _ seen: inout Set<[UInt64]>) throws -> [String] {
        var status = stat()
        guard stat(base, &status) == 0, let directory = opendir(base) else { throw Failure("-f \(argument): \(base) cannot be read: \(errnoText(errno))") }
        defer { closedir(directory) }
        guard seen.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted else { return [] }
        var found: [String] = []
        errno = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            // Hidden files are editors' and tools' own.
            if name.hasPrefix(".") { continue }
            let path = base + name
            // Of a link what it leads to; one that leads nowhere is a file that is not there.
            let isKnown = stat(path, &status) == 0
            guard isKnown || errno == ENOENT || errno == ELOOP else { throw Failure("-f \(argument): \(path) cannot be looked at: \(errnoText(errno))") }
            if isKnown, status.st_mode & S_IFMT == S_IFDIR {
                found += try manifests(in: path + "/", given: argument, &seen)
            } else if [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
                found.append(path)
            }
            errno = 0
        }
        guard errno == 0 else { throw Failure("-f \(argument): \(base) cannot be read: \(errnoText(errno))") }
        return found
    }
}

/// What is wrong with what was written: every problem, each on its line.
struct InvalidManifest: Error, CustomStringConvertible {
    var problems: [Problem]

    /// A line each, whatever a stranger wrote into them.
    var description: String { problems.map { printable($0.description) }.joined(separator: "\n") }

    /// `3 problems in 2 files`
    var sum: String {
        let files = Set(problems.map(\.file)).count
        return "\(problems.count) \(problems.count == 1 ? "problem" : "problems") in \(files) \(files == 1 ? "file" : "files")"
    }
}
