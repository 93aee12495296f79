import Manifest
import Testing

@testable import Resource

/// The smallest kind that has everything a draft can be wrong in.
private enum Lamp: Kind {
    static let name = "Lamp"
    static let plural = "lamps"
    static let summary = "A lamp."

    struct Spec: Codable, Hashable, Sendable {
        var watts: Int
        var image: FilePathText?
    }

    typealias Status = NoStatus

    static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(watts: fields.integer("watts", 1...100, default: 10, "Power."), image: fields.optional("image", "A picture of it."))
    }
}

@Suite struct DraftTests {
    private let table = KindTable([AnyKind(Lamp.self)])

    private func read(_ text: String, file: String = "lamp.yaml", in directory: String? = nil) -> ManifestReading {
        table.read([(file, Array(text.utf8))], workingDirectory: directory)
    }

    private func messages(_ text: String) -> [String] { read(text).problems.map(\.description) }

    private func lamp(_ rest: String, name: String = "desk", spec: String = "{watts: 5}") -> String {
        "apiVersion: plasma.cloud/v1alpha1\nkind: Lamp\nmetadata: {name: \(name)\(rest)}\nspec: \(spec)\n"
    }

    @Test func `an object is read with its metadata`() throws {
        let reading = read(lamp(", labels: {room: study, plasma.cloud/floor: \"2\"}, annotations: {note: \"by the door\"}"))
        #expect(reading.problems.isEmpty)
        let draft = try #require(reading.drafts.first)
        #expect(draft.reference == Reference(kind: "Lamp", name: "desk") && draft.isSound)
        #expect(draft.resource.metadata.labels == ["room": "study", "plasma.cloud/floor": "2"])
        #expect(draft.resource.metadata.annotations == ["note": "by the door"])
        #expect((draft.resource as? Resource<Lamp>)?.spec.watts == 5)
    }

    @Test func `a draft knows where its fields stand`() throws {
        let draft = try #require(read(lamp("")).drafts.first)
        #expect(draft.mark(of: "spec.watts") == Mark(line: 4, column: 15))
        #expect(draft.problem("spec.watts", "is dim").description == "lamp.yaml:4:15: Lamp/desk spec.watts: is dim")
    }

    @Test func `what the store owns is passed over`() {
        let owned = """
            , uid: x, resourceVersion: "7", generation: nine, creationTimestamp: yesterday, deletionTimestamp: never, \
            finalizers: [a], ownerReferences: [{kind: House}]
            """
        let reading = read(lamp(owned) + "status: {anything: [at, all]}\n")
        #expect(reading.problems.map(\.description) == [])
        #expect(reading.drafts.first?.resource.metadata.uid == "" && reading.drafts.first?.resource.metadata.finalizers == [])
    }

    @Test func `an object in error is still there, so that others may refer to it`() {
        let reading = read(lamp("", spec: "{watts: 500}"))
        #expect(reading.problems.map(\.description) == ["lamp.yaml:4:15: Lamp/desk spec.watts: \"500\" is not from 1 to 100"])
        #expect(reading.drafts.map(\.reference.name) == ["desk"] && reading.drafts.map(\.isSound) == [false])
    }

    @Test func `lists and empty documents are seen through`() {
        let item = "- apiVersion: plasma.cloud/v1alpha1\n  kind: Lamp\n  metadata: {name: "
        let list = "apiVersion: v1\nkind: LampList\nmetadata: {resourceVersion: \"9\"}\nitems:\n\(item)a}\n\(item)b}\n"
        #expect(read("---\n---\n\(list)---\n# nothing\n").drafts.map(\.reference.name) == ["a", "b"])
    }

    @Test func `one name twice is told with the place of the first, across files`() {
        let reading = table.read([("a.yaml", Array(lamp("").utf8)), ("b.yaml", Array(("\n" + lamp("")).utf8))])
        #expect(reading.drafts.count == 1)
        #expect(
            reading.problems.map(\.description) == [
                "b.yaml:4:18: Lamp/desk metadata.name: is written twice; the first stands at a.yaml:3:18"
            ])
    }

    @Test func `kinds nearly right are suggested`() {
        for wrong in ["lamp", "lamps", "Lmap", "LAMP"] {
            #expect(
                messages("apiVersion: plasma.cloud/v1alpha1\nkind: \(wrong)\n").first?.hasSuffix("did you mean \"Lamp\"?")
                    == true, "\(wrong)")
        }
    }

    @Test func `relative paths start at the file's folder`() throws {
        func path(_ image: String, _ file: String, _ directory: String?) -> String? {
            let reading = read(lamp("", spec: "{image: \(image)}"), file: file, in: directory)
            return (reading.drafts.first?.resource as? Resource<Lamp>)?.spec.image?.path
        }
        #expect(path("./lamp.png", "lab/lamp.yaml", "/home/a") == "/home/a/lab/lamp.png")
        #expect(path("../lamp.png", "/srv/x/lamp.yaml", nil) == "/srv/lamp.png")
        #expect(path("lamp.png", "-", "/home/a") == "/home/a/lamp.png")
        #expect(path("/a//b/../lamp.png", "lamp.yaml", nil) == "/a/lamp.png")
        #expect(path("../../../../lamp.png", "lamp.yaml", "/home/a") == "/lamp.png")
        #expect(path("./lamp.png", "lamp.yaml", nil) == nil)
    }

    @Test func `the schema of an object is the schema of its spec in an envelope`() {
        let schema = objectSchema(of: Lamp.self)
        #expect(schema.at("properties.spec.properties.watts.maximum") == 100)
        #expect(schema.at("properties.kind.const") == "Lamp")
        #expect(schema.at("properties.metadata.properties.name") != nil && schema.at("properties.metadata.properties.uid") != nil)
        #expect(schema["required"] == ["apiVersion", "kind", "metadata"])
    }
}
