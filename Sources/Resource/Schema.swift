import Manifest

/// The JSON Schema (draft 2020-12) of a whole object, drawn by the reader that reads manifests.
package func objectSchema<K: Kind>(of kind: K.Type) -> JSON {
    var spec = Fields(drawing: ())
    _ = K.readSpec(&spec)
    var metadata = Fields(drawing: ())
    _ = Metadata.read(&metadata)

    // What the store owns may stand in a file that `get -o yaml` wrote.
    var metadataSchema = metadata.schema
    var properties = metadataSchema["properties"] ?? [:]
    for name in Metadata.ownedByTheStore {
        properties[name] = ["description": "Written by the store; passed over in a manifest."]
    }
    metadataSchema["properties"] = properties

    let isSpecRequired = !(spec.schema["required"]?.array ?? []).isEmpty
    return [
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": .string("https://\(plasmaAPIVersion)/\(K.plural).json"),
        "title": .string(K.name),
        "description": .string(K.summary),
        "type": "object",
        "additionalProperties": false,
        "required": .array((["apiVersion", "kind", "metadata"] + (isSpecRequired ? ["spec"] : [])).map { .string($0) }),
        "properties": [
            "apiVersion": ["const": .string(plasmaAPIVersion)],
            "kind": ["const": .string(K.name)],
            "metadata": metadataSchema,
            "spec": spec.schema,
            "status": ["type": "object", "description": "What was seen; written by plasma, passed over in a manifest."],
        ],
    ]
}
