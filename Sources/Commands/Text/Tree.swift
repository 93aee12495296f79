import Foundation
import Manifest
import Resource

/// The forest of `plasma tree`: an owner above its children, and a Cluster above what it names.
struct Tree {
    /// What a kind holds by reference rather than by ownership: the fields that name objects.
    static let holdings: [String: [(path: String, kind: String)]] = [
        "Cluster": [
            ("spec.network", "Network"), ("spec.networks", "Network"), ("spec.nodes", "Node"), ("spec.services", "Service"),
            ("spec.trust.certificateAuthority", "CertificateAuthority"),
        ]
    ]

    private let objects: [Reference: any AnyResource]
    private let children: [Reference: [Reference]]
    private let roots: [Reference]
    private let reconciled: Set<String>
    private let now: Date

    init(_ objects: [any AnyResource], reconciled: Set<String>, now: Date) {
        var byReference: [Reference: any AnyResource] = [:]
        for object in objects { byReference[object.reference] = object }
        var children: [Reference: [Reference]] = [:]
        var held: Set<Reference> = []
        let ordered = byReference.keys.sorted()
        for reference in ordered {
            guard let object = byReference[reference] else { continue }
            if let owner = object.metadata.owner?.reference, byReference[owner] != nil {
                children[owner, default: []].append(reference)
                held.insert(reference)
            }
        }
        for reference in ordered {
            guard let object = byReference[reference] else { continue }
            for child in Tree.holds(object) where byReference[child] != nil && !held.contains(child) {
                children[reference, default: []].append(child)
                held.insert(child)
            }
        }
        self.objects = byReference
        self.children = children.mapValues { $0.sorted() }
        self.reconciled = reconciled
        self.now = now
        roots = ordered.filter { !held.contains($0) }
    }

    /// - Parameter root: draws only this object and what is below it; nil draws everything.
    func lines(from root: Reference? = nil, isColored: Bool) -> [String] {
        var table = Table(header: ["NAME", "READY", "STATUS", "AGE", "MESSAGE"])
        var drawn: Set<Reference> = []
        for root in root.map({ [$0] }) ?? roots { add(root, lead: "", below: "", to: &table, drawn: &drawn) }
        return table.take(isColored: isColored)
    }

    private func add(_ reference: Reference, lead: String, below: String, to table: inout Table, drawn: inout Set<Reference>) {
        guard let object = objects[reference], drawn.insert(reference).inserted else { return }
        let standing = Standing(of: object, isReconciled: reconciled.contains(reference.kind))
        table.add([
            Table.Cell(lead + reference.description), Table.Cell(standing.ready), Table.Cell(standing.phase, standing.style),
            Table.Cell(age(since: object.metadata.creationTimestamp, now: now)), Table.Cell(standing.message),
        ])
        let children = children[reference] ?? []
        for (position, child) in children.enumerated() {
            let isLast = position == children.count - 1
            add(child, lead: below + (isLast ? "└─ " : "├─ "), below: below + (isLast ? "   " : "│  "), to: &table, drawn: &drawn)
        }
    }

    private static func holds(_ object: any AnyResource) -> [Reference] {
        guard let fields = holdings[object.reference.kind], let json = try? object.json() else { return [] }
        return fields.flatMap { field in names(json.at(field.path)).map { Reference(kind: field.kind, name: $0) } }
    }

    private static func names(_ value: JSON?) -> [String] {
        switch value {
        case .string(let name)?: [name]
        case .array(let items)?: items.flatMap { names($0) }
        case .object(let members)?: members["name"]?.string.map { [$0] } ?? []
        default: []
        }
    }
}
