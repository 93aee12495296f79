import Manifest

extension Metadata {
    /// Written by the store alone; passed over in a manifest.
    static let ownedByTheStore: Set<String> = [
        "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "finalizers", "ownerReferences",
    ]

    /// The part of the metadata that people write.
    static func read(_ fields: inout Fields) -> Metadata {
        let name: ObjectName = fields.required("name", "Its name, unique among objects of its kind.")
        let labels = fields.stringMap("labels", "For selection: key and value.")
        let annotations = fields.stringMap("annotations", "For notes: key and any text.")
        guard !fields.isDrawing else { return Metadata(name: name.scalarText) }
        for key in labels.keys.sorted() {
            if let what = refusal(ofKey: key) { fields.note(what, at: path("labels", key)) }
            let value = labels[key] ?? ""
            if !value.isEmpty, !isLabelText(value) {
                fields.note(
                    "\"\(value)\" is not a label's value: at most 63 letters, digits, or any of - _ . between them",
                    at: path("labels", key))
            }
        }
        for key in annotations.keys.sorted() {
            if let what = refusal(ofKey: key) { fields.note(what, at: path("annotations", key)) }
        }
        let size = annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        if size > annotationBytesMax { fields.note("has \(size) bytes; \(annotationBytesMax) is the most", at: "annotations") }
        return Metadata(name: name.scalarText, labels: labels, annotations: annotations)
    }

    /// As in Kubernetes: all annotations of an object together.
    private static let annotationBytesMax = 256 << 10

    /// A key is `name` or `prefix/name`, the prefix a DNS subdomain (Kubernetes, "Labels and Selectors").
    private static func refusal(ofKey key: String) -> String? {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isKey =
            parts.count <= 2 && isLabelText(parts[parts.count - 1])
            && (parts.count == 1 || (try? ObjectName(scalar: parts[0])) != nil)
        if isKey { return nil }
        return "the key \"\(key)\" is not a name (at most 63 letters, digits, or any of - _ . between them), nor prefix/name"
    }

    private static func isLabelText(_ text: String) -> Bool {
        func isWord(_ byte: UInt8?) -> Bool {
            byte.map { $0 < 0x80 && (Character(UnicodeScalar($0)).isLetter || Character(UnicodeScalar($0)).isNumber) } ?? false
        }
        let bytes = text.utf8
        return bytes.count <= 63 && isWord(bytes.first) && isWord(bytes.last)
            && bytes.allSatisfy { isWord($0) || "-_.".utf8.contains($0) }
    }
}
