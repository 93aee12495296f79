import Manifest
import Resource

/// A kind for tests.
enum Widget: Kind {
    struct Spec: Codable, Hashable, Sendable {
        var size: Int
        var color: String?
    }

    struct Status: Codable, Hashable, Sendable {
        var weight: Int
    }

    static let name = "Widget"
    static let plural = "widgets"
    static let shortNames = ["wg"]
    static let summary = "A thing to test with."

    static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(size: fields.integer("size", 1...100, "How large."), color: fields.optional("color", "Its color."))
    }
}

/// Another one, which no loop cleans up after.
enum Gadget: Kind {
    struct Spec: Codable, Hashable, Sendable {
        var size: Int
    }

    static let name = "Gadget"
    static let plural = "gadgets"
    static let summary = "Another thing."
    typealias Status = NoStatus

    static func readSpec(_ fields: inout Fields) -> Spec { Spec(size: fields.integer("size", 1...100, "How large.")) }
}

let widgets = AnyKind(Widget.self)
let gadgets = AnyKind(Gadget.self)
let testKinds = KindTable([widgets, gadgets])

func widgetYAML(_ name: String, size: Int = 1, labels: [String: String] = [:], kind: String = "Widget") -> String {
    let labels = labels.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
    return """
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: \(kind)
        metadata: {name: \(name), labels: {\(labels)}}
        spec: {size: \(size)}

        """
}

func manifest(_ texts: String...) -> [(file: String, bytes: [UInt8])] {
    [(file: "lab.yaml", bytes: Array(texts.joined().utf8))]
}
