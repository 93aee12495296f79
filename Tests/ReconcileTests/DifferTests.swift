import Manifest
import Resource
import Testing

@testable import Reconcile

@Suite struct DifferTests {
    private let world = Widget.World()
    private var differ: Differ { Differ([AnyLoop(Loop<Widget.Planning>(observer: world))]) }

    private func stored(_ name: String, _ spec: Widget.Spec, owner: String? = nil) -> Resource<Widget> {
        var metadata = Metadata(name: name, uid: "uid-\(name)")
        if let owner { metadata.ownerReferences = [OwnerReference(kind: "Widget", name: owner, uid: "uid-\(owner)")] }
        let conditions = Condition.ready.records(generation: 1, now: .init(timeIntervalSince1970: 0), previous: [])
        return Resource(
            metadata: metadata, spec: spec,
            status: StatusRecord(observedGeneration: 1, conditions: conditions, phase: "Ready", detail: Widget.Status(size: spec.size)))
    }

    private func draft(_ text: String) -> [Draft] {
        Bench.kinds.read([(file: "w.yaml", bytes: Array(text.utf8))]).drafts
    }

    private func applied(_ drafts: [Draft], to ledger: Ledger) -> [any AnyResource] {
        drafts.map { ledger[$0.resource.reference]?.replacingSpec(with: $0.resource) ?? $0.resource }
    }

    private func widget(_ name: String, _ size: Int) -> String {
        "apiVersion: plasma.cloud/v1alpha1\nkind: Widget\nmetadata: {name: \(name)}\nspec: {size: \(size)}\n---\n"
    }

    @Test func `an unchanged world has no differences`() async {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(stored: ledger)
        #expect(report.objects == [])
        #expect(report.exitCode == 0)
        #expect(report.examined == 1)
    }

    @Test func `what only the world changed is drift`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 2] }
        let object = try #require(await differ.diff(stored: ledger).objects.first)
        #expect(object.changes == [Change(path: "spec.size", from: .integer(2), to: .integer(4), class: .drift, impact: .restart)])
        #expect(object.actions == ["make a 4"])
    }

    @Test func `what only the manifest changed is config, with the impact that the plan knows`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let object = try #require(await differ.diff(stored: ledger, records: applied(draft(widget("a", 6)), to: ledger), drafts: draft(widget("a", 6))).objects.first)
        #expect(object.operation == .update)
        #expect(object.changes == [Change(path: "spec.size", from: .integer(4), to: .integer(6), class: .config, impact: .restart, mark: Mark(line: 4, column: 14))])
        #expect(object.file == "w.yaml")
    }

    @Test func `what is stored and cannot be read is unknown, and is no stray`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4, after: "b"))
        ledger.note(unreadable: Reference(Widget.self, "b"), why: "spec.size is missing")
        world.state.withLock { $0.sizes = ["a": 2, "b": 4] }
        let report = await differ.diff(stored: ledger)
        let words = "stored in a form that this version of plasma cannot read (spec.size is missing); start the version that wrote it, or put it right in the store"
        #expect(report.objects.map(\.name) == ["a", "b"] && report.exitCode == 3)
        #expect(report.objects.first?.actions == [] && report.objects.first?.note == "Widget/b is \(words)")
        #expect(report.objects.last?.isUnknown == true && report.objects.last?.note == words)
    }

    @Test func `a label or a note that changes is a difference too`() async throws {
        var ledger = Ledger()
        let old = stored("a", Widget.Spec(size: 4))
        ledger[old.reference] = old
        world.state.withLock { $0.sizes = ["a": 4] }
        var new = old
        new.metadata.labels["tier"] = "db"
        let object = try #require(await differ.diff(stored: ledger, records: [new]).objects.first)
        #expect(object.changes == [Change(path: "metadata.labels.tier", from: nil, to: .string("db"), class: .config, impact: .none)])
        new = old
        new.metadata.annotations["example.org/rack"] = "7"
        let noted = try #require(await differ.diff(stored: ledger, records: [new]).objects.first)
        #expect(noted.changes.map(\.path) == ["metadata.annotations[\"example.org/rack\"]"])
    }

    @Test func `that an object is suspended stays, and is no difference where its spec changes`() async throws {
        var ledger = Ledger()
        var old = stored("a", Widget.Spec(size: 4))
        old.metadata.annotations[Annotation.suspended] = "true"
        ledger[old.reference] = old
        world.state.withLock { $0.sizes = ["a": 4] }
        let new = old.replacingSpec(with: Resource<Widget>(metadata: old.metadata, spec: Widget.Spec(size: 6)))
        let object = try #require(await differ.diff(stored: ledger, records: [new]).objects.first)
        #expect(object.changes == [Change(path: "spec.size", from: .integer(4), to: .integer(6), class: .config, impact: .restart)])
    }

    @Test func `what both changed is both`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 2] }
        let object = try #require(await differ.diff(stored: ledger, records: applied(draft(widget("a", 6)), to: ledger), drafts: draft(widget("a", 6))).objects.first)
        #expect(object.changes.map(\.class) == [.both])
    }

    @Test func `what cannot be seen is unknown, and outranks a difference`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.isInvisible = true }
        let report = await differ.diff(stored: ledger, records: applied(draft(widget("b", 6)), to: ledger))
        #expect(report.exitCode == 3)
        #expect(report.objects.allSatisfy { $0.isUnknown })
        #expect(report.objects.first?.note == "the world is broken")
    }

    @Test func `children to come and dependants are thought through to the end`() async {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4, parts: ["b"]))
        ledger[Reference(Widget.self, "z")] = stored("z", Widget.Spec(size: 1, after: "b"))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(stored: ledger)
        #expect(report.objects.map(\.actions) == [["make b 2"], ["make z 1"]])
        #expect(report.objects.map(\.operation) == [.create, .keep])
    }

    @Test func `what would be pruned is planned to the end`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(
            stored: ledger, records: applied(draft(widget("b", 1)), to: ledger), retired: [Reference(Widget.self, "a")])
        let object = try #require(report.objects.first { $0.name == "a" })
        #expect(object.operation == .delete)
        #expect(object.actions == ["remove a"])
    }

    @Test func `what a wait hides at first is told with its impact, and as the manifest's doing`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        ledger[Reference(Widget.self, "z")] = stored("z", Widget.Spec(size: 1, after: "a"))
        world.state.withLock { $0.sizes = ["a": 4, "z": 1] }
        // z waits for a, and is made anew afterwards.
        var (a, z) = (ledger[Reference(Widget.self, "a")]!, ledger[Reference(Widget.self, "z")]!)
        a = a.replacingSpec(with: Resource<Widget>(metadata: a.metadata, spec: Widget.Spec(size: 6)))
        z = z.replacingSpec(with: Resource<Widget>(metadata: z.metadata, spec: Widget.Spec(size: 2, after: "a")))
        let report = await differ.diff(stored: ledger, records: [a, z])
        let object = try #require(report.objects.first { $0.name == "z" })
        #expect(object.actions == ["make z 2"])
        #expect(object.changes == [Change(path: "spec.size", from: .integer(1), to: .integer(2), class: .config, impact: .restart)])
    }

    @Test func `one that waits is a difference where what it waits for is not asked about`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "z")] = stored("z", Widget.Spec(size: 1, after: "a"))
        var unready = stored("a", Widget.Spec(size: 4))
        unready.status = nil
        ledger[unready.reference] = unready
        world.state.withLock {
            $0.sizes = ["z": 1, "a": 4]
            $0.isInvisible = false
        }
        // It becomes ready in thought: nothing differs.
        #expect(await differ.diff(stored: ledger) { $0.name == "z" }.exitCode == 0)
        // It never does.
        ledger[Reference(Widget.self, "z")] = stored("z", Widget.Spec(size: 1, after: "gone"))
        var gone = stored("gone", Widget.Spec(size: 1, after: "gone"))
        gone.status = nil
        ledger[gone.reference] = gone
        let all = await differ.diff(stored: ledger)
        #expect(all.exitCode == 1 && all.objects.map(\.name) == ["gone", "z"], "of a circle, all are told")
        let one = await differ.diff(stored: ledger) { $0.name == "z" }
        #expect(one.exitCode == 1 && one.objects.map(\.note) == ["waits on Widget/gone: not ready"])
        // Who only follows what another tells is not told beside it.
        world.state.withLock { $0.isInvisible = true }
        #expect(await differ.diff(stored: ledger).exitCode == 3)
    }

    @Test func `what is leaving is a difference until it is gone`() async throws {
        var ledger = Ledger()
        var leaving = stored("a", Widget.Spec(size: 4))
        leaving.metadata.deletionTimestamp = .init(timeIntervalSince1970: 0)
        ledger[leaving.reference] = leaving
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(stored: ledger)
        #expect(report.exitCode == 1 && report.objects.map(\.operation) == [.delete] && report.objects.map(\.actions) == [["remove a"]])
    }

    @Test func `a child that no manifest speaks of is told at its owner's place`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4, parts: ["b"]))
        ledger[Reference(Widget.self, "b")] = stored("b", Widget.Spec(size: 2), owner: "a")
        world.state.withLock { $0.sizes = ["a": 4, "b": 1] }
        let report = await differ.diff(stored: ledger, drafts: draft(widget("a", 4)))
        let child = try #require(report.objects.first { $0.name == "b" })
        #expect(child.file == "w.yaml" && child.mark != nil)
    }

    @Test func `what nobody asked for is named and left alone`() async throws {
        world.state.withLock { $0.sizes = ["ghost": 4] }
        let report = await differ.diff(stored: Ledger())
        #expect(report.objects.map(\.operation) == [.unmanaged])
        #expect(report.exitCode == 1)
        #expect(world.state.withLock { $0.sizes } == ["ghost": 4])
    }
}
