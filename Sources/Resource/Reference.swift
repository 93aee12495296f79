/// Names one object: `Disk/node01-vda`.
package struct Reference: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package var kind: String
    package var name: String

    package init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    package init<K: Kind>(_: K.Type, _ name: String) { self.init(kind: K.name, name: name) }

    package static func < (a: Reference, b: Reference) -> Bool { (a.kind, a.name) < (b.kind, b.name) }

    package var description: String { "\(kind)/\(name)" }
}
