import API
import Resource

/// The objects that a verb's arguments name, as the server has them.
struct Listing: Sendable {
    struct Part: Sendable {
        var kind: AnyKind
        /// nil: all of the kind.
        var names: [String]?
        var objects: [any AnyResource]
        /// Where a watch goes on.
        var resourceVersion: String
    }

    var parts: [Part] = []
    /// Named, but not there.
    var missing: [Reference] = []

    var objects: [any AnyResource] { parts.flatMap(\.objects) }
    var count: Int { parts.reduce(0) { $0 + $1.objects.count } }

    static func fetch(_ selections: [Selection], selector: LabelSelector?, client: Client) async throws -> Listing {
        var listing = Listing()
        for selection in selections {
            if let name = selection.names?.first, selection.names?.count == 1,
                let object = try await client.get(selection.kind, name),
                let version = object.metadata.resourceVersion
            {
                listing.parts.append(Part(kind: selection.kind, names: [name], objects: [object], resourceVersion: version))
                continue
            }
            let (items, version) = try await client.list(selection.kind, selector: selector)
            guard let names = selection.names else {
                listing.parts.append(Part(kind: selection.kind, objects: items, resourceVersion: version))
                continue
            }
            let found = names.compactMap { name in items.first { $0.name == name } }
            listing.missing += names.filter { name in !items.contains { $0.name == name } }.map {
                Reference(kind: selection.kind.name, name: $0)
            }
            listing.parts.append(Part(kind: selection.kind, names: names, objects: found, resourceVersion: version))
        }
        return listing
    }

    /// Every object of every kind: what causes, children and trees are found among.
    static func world(client: Client) async throws -> [Reference: any AnyResource] {
        let everything = try await fetch(kinds.all.map { Selection(kind: $0) }, selector: nil, client: client)
        var world: [Reference: any AnyResource] = [:]
        for object in everything.objects { world[object.reference] = object }
        return world
    }

    /// - Throws: `Failure` naming everything that is not there.
    func orMissing() throws -> Listing {
        guard missing.isEmpty else { throw Failure(missing.map { "\($0) is not there" }.joined(separator: "\nplasma: ")) }
        return self
    }
}
