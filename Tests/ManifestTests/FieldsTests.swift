import Foundation
import Testing

@testable import Manifest

private enum Role: String, CaseIterable { case controlPlane = "control-plane", worker }
private enum Firmware: String, CaseIterable { case bios, uefi }
private enum Body: Hashable { case metal(bmc: String?), virtual(Firmware) }
private indirect enum Content: Hashable { case filesystem(AbsolutePath), swap, table([String: Content]) }

private struct Machine: Hashable {
    struct Disk: Hashable {
        var name: ObjectName
        var size: ByteCount
        var content: Content
    }

    var role: Role
    var cpus: Int
    var memory: ByteCount
    var address: IPv4Address?
    var enabled: Bool
    var delay: TimeSpan
    var note: String?
    var body: Body
    var disks: [Disk]
    var services: [String: Int]
    var labels: [String: String]
    var dns: [IPv4Address]

    init(_ fields: inout Fields) {
        _ = fields.optional("kind", String.self, "")
        role = fields.choice("role", "What it does.")
        cpus = fields.integer("cpus", 1...64, "How many processors.")
        memory = fields.size("memory", .mebibytes(64) ... .tebibytes(1), "Working memory.")
        address = fields.optional("address", "Where it is.")
        enabled = fields.value("enabled", default: true, "Whether it runs.")
        delay = fields.value("delay", default: .seconds(5), "How long to wait.")
        note = fields.optional("note", "For people.")
        body = fields.oneOf("machine", "What it is made of.", [
            .init("metal", "A real one.") { .metal(bmc: $0.optional("bmc", "Its controller.")) },
            .init("virtual", "A virtual one.") { .virtual($0.choice("firmware", default: .bios, "How it boots.")) },
        ])
        disks = fields.list("disks", 1...8, "Its disks.") { disk in
            Disk(
                name: disk.required("name", "Its name."),
                size: disk.size("size", .mebibytes(1) ... .tebibytes(64), default: .gibibytes(10), "Its size."),
                content: Machine.content(&disk))
        }
        services = fields.dictionary("services", "What it offers.") { $0.integer("port", 1...65535, default: 80, "Where.") }
        labels = fields.stringMap("labels", "For finding it.")
        dns = fields.scalars("dns", IPv4Address.self, 0...4, "Whom to ask.")
        if fields.isSound, Set(disks.map(\.name)).count < disks.count { fields.note("two disks have one name", at: "disks[1].name") }
    }

    static func content(_ fields: inout Fields) -> Content {
        fields.tagged("content", "What it holds.", [
            .init("filesystem", "A file system.") { .filesystem($0.required("mountpoint", "Where it is mounted.")) },
            .init("swap", "Swap space.") { _ in .swap },
            .init("table", "Partitions.") { .table($0.dictionary("partitions", "The parts.") { content(&$0) }) },
        ])
    }
}

private func read(_ text: String) -> (machine: Machine, problems: [Problem]) {
    let value = YAML.read(Array(text.utf8), file: "f").documents[0]
    var fields = Fields(reading: value, file: "f", object: "Machine/m", path: "spec")
    let machine = Machine(&fields)
    fields.finish()
    return (machine, fields.problems)
}

@Test func `fields are read and every problem has its place`() throws {
    try CaseFile("fields").check { input in
        let problems = read(input).problems
        return problems.isEmpty ? "fine\n" : problems.map { $0.description + "\n" }.joined()
    }
}

@Test func `what is written is what is read`() throws {
    let machine = read(try CaseFile("fields").cases[0].input).machine
    #expect(machine.role == .worker && machine.cpus == 4 && machine.memory == .gibibytes(4))
    #expect(machine.address == IPv4Address(192, 168, 1, 5))
    #expect(machine.enabled && machine.delay == .seconds(5) && machine.note == nil)
    #expect(machine.body == .virtual(.uefi))
    #expect(machine.disks.map(\.size) == [ByteCount(100_000_000_000)])
    #expect(machine.disks.map(\.content) == [.filesystem(try AbsolutePath(scalar: "/"))])
    #expect(machine.services == ["web": 80, "idle": 80])
    #expect(machine.labels == ["a": "b", "c.d/e": "f"])
    #expect(machine.dns.count == 2)
}

@Test func `the same calls draw the schema`() {
    var fields = Fields(drawing: ())
    #expect(fields.isDrawing)
    _ = Machine(&fields)
    fields.finish()
    let schema = fields.schema
    #expect(schema["additionalProperties"] == false)
    #expect(schema["required"] == ["role", "cpus", "memory", "machine", "disks"])
    #expect(schema.at("properties.role") == ["type": "string", "enum": ["control-plane", "worker"], "description": "What it does."])
    #expect(schema.at("properties.cpus") == ["type": "integer", "minimum": 1, "maximum": 64, "description": "How many processors."])
    #expect(schema.at("properties.enabled.default") == true)
    #expect(schema.at("properties.delay.default") == "5s")
    #expect(schema.at("properties.disks.minItems") == 1 && schema.at("properties.disks.maxItems") == 8)
    #expect(schema.at("properties.disks.items.required") == ["name", "content"])
    #expect(schema.at("properties.machine.maxProperties") == 1)
    #expect(schema.at("properties.machine.properties.virtual.description") == "A virtual one.")
    #expect(schema.at("properties.disks.items.properties.content.oneOf[0].properties.type.const") == "filesystem")
    #expect(schema.at("properties.disks.items.properties.content.oneOf[0].required") == ["mountpoint", "type"])
    #expect(schema.at("properties.labels.additionalProperties.type") == "string")
    #expect(fields.problems == [])
}

@Test func `drawing a reader that holds itself ends`() {
    func tree(_ fields: inout Fields) -> Int {
        1 + fields.list("children", "") { tree(&$0) }.count + (fields.optionalObject("left", "") { tree(&$0) } ?? 0)
            + fields.dictionary("named", "") { tree(&$0) }.count
    }
    var fields = Fields(drawing: ())
    _ = tree(&fields)
    #expect(fields.schema.at("properties.children.items.properties.left.properties.named.type") == "object")
}

@Test func `a stand-in notes nothing`() {
    var fields = Fields(reading: YAML.read(Array("{}".utf8), file: "f").documents[0], file: "f", object: "", path: "spec")
    fields.object("inner", "") { inner in
        _ = inner.required("x", Int.self, "")
        inner.note("never shown")
        #expect(inner.isDrawing && !inner.isSound)
    }
    fields.finish()
    #expect(fields.problems.map(\.description) == ["f:1:1: spec.inner: is required"])
}
