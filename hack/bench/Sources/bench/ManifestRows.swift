import Kinds
import Manifest
import Resource

/// Megabytes (10^6 bytes) of YAML a second, on one core.
func manifestRows(_ options: Options) async throws -> [Row] {
    let files = Scene(nodes: 1_000).files()
    let megabytes = Double(files.reduce(0) { $0 + $1.bytes.count }) / 1e6
    let what = "1,000 nodes of the reference cluster's form, \(Row.figure(megabytes)) MB"
    let readers: [(String, () throws -> Void)] = [
        ("YAML to values with line and column", { for (file, bytes) in files { _ = YAML.read(bytes, file: file) } }),
        ("to typed drafts (each object checked by itself)", { _ = try drafts(files) }),
        ("`plasma validate` (and the objects against each other)", {
            guard Catalog.read(files).problems.isEmpty else { throw BenchFailure("the bench's own manifest is refused") }
        }),
    ]
    var speeds = readers.map { _ in Samples() }
    for run in 0...options.runs {
        for (index, (_, read)) in readers.enumerated() {
            let (_, took) = try await timed { try read() }
            if run > 0 { speeds[index].add(megabytes / took.inSeconds) }
        }
    }
    return zip(readers, speeds).map { Row("manifest", "\($0.0.0): \(what)", "MB/s", $0.1) }
}
