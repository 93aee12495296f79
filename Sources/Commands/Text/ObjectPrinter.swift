import Manifest
import Resource

/// Prints objects whole: `-o yaml`, `json`, `name` and `jsonpath`. Tables are `ObjectTable`'s.
enum ObjectPrinter {
    /// - Parameter asList: several were asked for, so that even a single one is wrapped in a List.
    static func print(_ objects: [any AnyResource], as format: OutputFormat, asList: Bool) throws -> String {
        switch format {
        case .table, .wide: preconditionFailure("a table is drawn by ObjectTable")
        case .name: return objects.map { slug($0.reference) + "\n" }.joined()
        case .yaml: return terminated(try document(objects, asList: asList).yaml())
        case .json: return terminated(text(try document(objects, asList: asList)))
        case .jsonPath(let path): return path.evaluate(try document(objects, asList: asList))
        }
    }

    /// One object of a watch: YAML documents are set apart by `---`, JSON is one object per line.
    static func printChange(_ object: any AnyResource, as format: OutputFormat) throws -> String {
        switch format {
        case .table, .wide: preconditionFailure("a table is drawn by ObjectTable")
        case .name: return slug(object.reference) + "\n"
        case .yaml: return "---\n" + terminated(try object.json().yaml())
        case .json: return try object.json().text + "\n"
        case .jsonPath(let path): return path.evaluate(try object.json()) + "\n"
        }
    }

    static func list(_ items: [JSON]) -> JSON {
        .object(["apiVersion": .string("v1"), "kind": .string("List"), "items": .array(items)])
    }

    static func text(_ json: JSON) -> String { String(decoding: json.encoded(pretty: true), as: UTF8.self) }

    static func terminated(_ text: String) -> String { text.hasSuffix("\n") ? text : text + "\n" }

    private static func document(_ objects: [any AnyResource], asList: Bool) throws -> JSON {
        let items = try objects.map { try $0.json() }
        return items.count == 1 && !asList ? items[0] : list(items)
    }
}
