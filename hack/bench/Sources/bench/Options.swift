import Foundation

struct Options {
    static let rowNames = ["sync", "manifest", "diff", "foresee", "reconcile", "latency", "certificates", "idle"]
    static let usage = """
        hack/bench/run [ROW…] [--objects N] [--nodes N] [--runs N] [--samples N] [--dir FOLDER] [--json FILE] [--verbose]

        Measures plasma; without ROW, everything. Prints a table in Markdown.

          sync       what one fdatasync takes on this disk
          manifest   YAML read, in MB/s
          diff       `diff` over MemoryStore and Chainfire: of N objects, and of N nodes with their children
          foresee    `diff` of N objects that are all new
          reconcile  the daemon's loops over Chainfire bring N objects from manifest to ready
          latency    from a change to the driver's action, beside N objects at rest
          certificates  N certificates issued and then rotated, by the room alone and by the daemon's loops
          idle       resident memory of `plasma server`, in a network namespace of its own

          --objects N   objects in diff, reconcile, latency and idle (10000)
          --certificates N  certificates in their row (10000)
          --nodes N     nodes in the large diff; 0 leaves it out (10000)
          --runs N      runs that are told, after one that is not (7)
          --samples N   changes in latency (500)
          --dir FOLDER  where stores are kept meanwhile; must be on the disk to be measured (hack/bench/.build/data)
          --json FILE   writes the figures there as well
          --verbose     tells how far it is
        """

    var rows: [String] = []
    var objects = 10_000
    var nodes = 10_000
    var certificates = 10_000
    var runs = 7
    var samples = 500
    var directory = FileManager.default.currentDirectoryPath + "/data"
    var json: String?
    var isVerbose = false

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        func number(_ name: String) throws -> Int {
            guard let text = rest.popFirst(), let number = Int(text), number >= 0 else { throw BenchFailure("\(name) wants a whole number") }
            return number
        }
        while let argument = rest.popFirst() {
            switch argument {
            case "--objects": objects = max(100, try number(argument))
            case "--nodes": nodes = try number(argument)
            case "--certificates": certificates = max(1, try number(argument))
            case "--runs": runs = max(1, try number(argument))
            case "--samples": samples = max(1, try number(argument))
            case "--dir", "--json":
                guard let path = rest.popFirst() else { throw BenchFailure("\(argument) wants a path") }
                if argument == "--dir" { directory = path } else { json = path }
            case "--verbose": isVerbose = true
            case _ where Self.rowNames.contains(argument): rows.append(argument)
            default: throw BenchFailure("\"\(argument)\" is not known; rows are \(Self.rowNames.joined(separator: ", "))")
            }
        }
        if rows.isEmpty { rows = Self.rowNames }
        // A site has 25,600 nodes at most: its addresses are made for no more.
        if nodes > 25_600 || objects > 76_000 { throw BenchFailure("at most 25600 nodes, or 76000 objects") }
    }
}

/// To a person who waits.
func say(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }
