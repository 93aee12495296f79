import ArgumentParser
import Foundation
import Kinds
import Manifest
import Resource

struct RenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Prints manifests with every default filled in, or writes the NixOS systems of their clusters.",
        discussion: """
            Works without a server. With -o yaml or json, what plasma understands is printed: a node is followed by the \
            children that it becomes, its virtual machine and disks. With --no-children, that is a manifest again, and \
            means the same.

            With -o DIRECTORY, what the systems of a cluster are built from is written there: flake.nix, nix/ (the \
            modules), and for each node NODE/configuration.nix, NODE/disko.nix and NODE/secrets/. The same manifest gives \
            the same bytes. Certificates come from an authority of its own, which is made at the first run, kept in \
            DIRECTORY/.authority and used again; keep it to yourself. A file that plasma did not write, or that was \
            changed since, is never overwritten unless --force says so. Of several clusters, each has a directory of its \
            name.

            EXAMPLES
              plasma render -f lab.yaml
              plasma render -f lab.yaml --no-children | plasma apply -f -
              plasma render -f lab.yaml -o json | jq '.items[].metadata.name'
              plasma render -f manifests/plasma-3node.yaml -o cluster/

            EXIT CODES
              0  printed, or written
              1  problems, or a file that cannot be read or written
            """)

    @OptionGroup var manifest: ManifestOptions
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("yaml, json, or a directory to write NixOS systems to.", valueName: "format|directory"), completion: .directory)
    var output: String?
    @Option(name: .customLong("output-dir"), help: ArgumentHelp("The same as -o with a directory.", valueName: "directory"), completion: .directory)
    var outputDirectory: String?
    @Flag(inversion: .prefixedNo, help: "Print what nodes become, too.") var children = true
    @OptionGroup(title: "Options for a directory") var files: RenderOptions

    mutating func validate() throws {
        try manifest.requireSome(for: "render")
        if output != nil, outputDirectory != nil { throw ValidationError("-o and --output-dir cannot stand together; give one") }
    }

    func run() async throws {
        let target: RenderTarget
        if let outputDirectory { target = .directory(outputDirectory) } else { target = try RenderTarget(output ?? "yaml") }
        let reading = try manifest.load().checked()
        guard reading.problems.isEmpty else { throw InvalidManifest(problems: reading.problems) }
        if case .directory(let path) = target { return try files.write(reading.drafts, to: path) }
        let rendering = Rendering(families: reading.drafts.map { ($0.resource, children ? Catalog.children(of: [$0]) : []) })
        Output.write(target == .json ? try rendering.json() : try rendering.yaml())
    }
}

/// What `-o` of render may be.
enum RenderTarget: Hashable, Sendable {
    case yaml, json
    case directory(String)

    /// - Throws: `Failure` for what other verbs print, or for nothing.
    init(_ text: String) throws {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: text, isDirectory: &isDirectory)
        switch text {
        case "": throw Failure("-o is empty: write yaml, json or a directory")
        case _ where exists && isDirectory.boolValue: self = .directory(text)
        case "yaml": self = .yaml
        case "json": self = .json
        case "wide", "name", "table", "text", "yml":
            throw Failure("\"\(text)\" is not an output format of render; use yaml or json, or ./\(text) for a directory of that name")
        case _ where text.hasPrefix("jsonpath="): throw Failure("render has no jsonpath; use -o json with jq, or plasma get")
        default: self = .directory(text)
        }
    }
}

/// Objects as `render` prints them, each followed by its children.
struct Rendering {
    var families: [(object: any AnyResource, children: [any AnyResource])]

    func yaml() throws -> String {
        try families.map { object, children in
            let own = "---\n" + ObjectPrinter.terminated(try canonical(object).yaml())
            return try own
                + children.map {
                    "---\n# \(object.reference) becomes this\n" + ObjectPrinter.terminated(try canonical($0).yaml())
                }.joined()
        }.joined()
    }

    func json() throws -> String {
        let objects = families.flatMap { [$0.object] + $0.children }
        return ObjectPrinter.terminated(ObjectPrinter.text(ObjectPrinter.list(try objects.map(canonical))))
    }
}

/// An object as its user would write it: without what the server adds.
func canonical(_ object: any AnyResource) throws -> JSON {
    var json = try object.json()
    json["status"] = nil
    for added in [
        "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "finalizers", "ownerReferences",
    ] {
        json["metadata"]?[added] = nil
    }
    return json
}
