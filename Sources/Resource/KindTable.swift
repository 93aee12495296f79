import Manifest

/// A kind without its type parameter: what the API, the command line and the store's mirror need.
package struct AnyKind: Sendable {
    package let name: String
    package let plural: String
    package let shortNames: [String]
    package let summary: String
    package let columns: [Column]
    /// Reads a spec into a resource that has this metadata.
    package let read: @Sendable (Metadata, inout Fields) -> any AnyResource
    /// Reads a stored record, and gives it the revision it was read at as `resourceVersion`. Throws `UnreadableRecord`.
    package let decode: @Sendable (_ bytes: [UInt8], _ revision: Int64) throws -> any AnyResource
    /// The JSON Schema of a whole object of this kind.
    package let schema: @Sendable () -> JSON

    package init<K: Kind>(_ kind: K.Type) {
        name = K.name
        plural = K.plural
        shortNames = K.shortNames
        summary = K.summary
        columns = K.columns
        read = { metadata, fields in Resource<K>(metadata: metadata, spec: K.readSpec(&fields)) }
        decode = { bytes, revision in
            do {
                var resource = try Wire.decode(Resource<K>.self, from: bytes)
                resource.metadata.resourceVersion = String(revision)
                return resource
            } catch {
                throw UnreadableRecord(kind: K.name, bytes, error)
            }
        }
        schema = { objectSchema(of: kind) }
    }
}

/// All kinds, found by any name a person may type.
package struct KindTable: Sendable {
    package let all: [AnyKind]
    private let byName: [String: AnyKind]

    package init(_ kinds: [AnyKind]) {
        all = kinds
        var index: [String: AnyKind] = [:]
        for kind in kinds {
            for name in [kind.name.lowercased(), kind.plural] + kind.shortNames { index[name] = kind }
        }
        byName = index
    }

    /// By kind, plural or short name, in any case: "Node", "nodes", "no".
    package subscript(_ name: String) -> AnyKind? { byName[name.lowercased()] }
}
