import Foundation
import Manifest
import Resource
import Testing

@testable import Kinds

/// Files of the checkout, and texts that are compared with files beside the tests; with PLASMA_GOLDEN=rewrite in
/// the environment the files are written instead, and the diff is the review.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let isRewriting = ProcessInfo.processInfo.environment["PLASMA_GOLDEN"] == "rewrite"

    static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: root.appending(path: path))) }

    /// Names of the files of a folder that end so, in order.
    static func files(in folder: String, ending: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path()).filter { $0.hasSuffix(ending) }
            .sorted()
    }

    static func expect(_ text: String, in path: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let url = root.appending(path: path)
        let old = try? String(contentsOf: url, encoding: .utf8)
        if isRewriting {
            if old != text { try Data(text.utf8).write(to: url) }
        } else {
            #expect(old == text, "\(path) differs; PLASMA_GOLDEN=rewrite writes it anew", sourceLocation: sourceLocation)
        }
    }
}

/// Reads and checks, as `plasma validate` does.
func problems(_ files: [(file: String, bytes: [UInt8])], beside stored: [any AnyResource] = []) -> [Problem] {
    Catalog.read(files, beside: stored).problems
}

func problems(_ text: String, beside stored: [any AnyResource] = []) -> [String] {
    problems([("test.yaml", Array(text.utf8))], beside: stored).map(\.description)
}

/// Manifests in which all is well.
func goodManifests() throws -> [(file: String, bytes: [UInt8])] {
    try Checkout.files(in: "manifests", ending: ".yaml").map { ("manifests/\($0)", try Checkout.bytes("manifests/\($0)")) }
}

func readGood(_ manifest: (file: String, bytes: [UInt8])) -> ManifestReading {
    Catalog.table.read([manifest], workingDirectory: "/checkout")
}
