import ArgumentParser
import Kinds
import Manifest
import Resource

struct RenderCommand: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument { case yaml, json }

    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Prints manifests as plasma understands them: every default filled in.",
        discussion: """
            Works without a server. A node is followed by the children that it becomes: its virtual machine and \
            disks. With --no-children, what is printed is a manifest again, and means the same.

            EXAMPLES
              plasma render -f lab.yaml
              plasma render -f lab.yaml --no-children | plasma apply -f -
              plasma render -f lab.yaml -o json | jq '.items[].metadata.name'

            EXIT CODES
              0  printed
              1  problems, or a file that cannot be read
            """)

    @OptionGroup var manifest: ManifestOptions
    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp("yaml or json.", valueName: "format"))
    var format = Format.yaml
    @Flag(inversion: .prefixedNo, help: "Print what nodes become, too.") var children = true

    mutating func validate() throws { try manifest.requireSome(for: "render") }

    func run() async throws {
        let reading = try manifest.load().checked()
        guard reading.problems.isEmpty else { throw InvalidManifest(problems: reading.problems) }
        let rendering = Rendering(families: reading.drafts.map { ($0.resource, children ? Catalog.children(of: [$0]) : []) })
        switch format {
        case .yaml: Output.write(try rendering.yaml())
        case .json: Output.write(try rendering.json())
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
