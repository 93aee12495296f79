import Foundation
import Manifest
import Resource
import Store
import Testing

@testable import API

struct ApplyTests {
    @Test func `apply creates, then finds nothing to do, then changes what differs`() async throws {
        try await withServer { server in
            let first = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b")))
            #expect(first.text == ["created Widget/a", "created Widget/b"])
            let before = try await server.store.range(RangeRequest(.all)).revision
            let second = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b")))
            #expect(second.text == ["unchanged Widget/a", "unchanged Widget/b"])
            let after = try await server.store.range(RangeRequest(.all)).revision
            #expect(before == after, "an apply that changes nothing writes nothing")
            let third = try await server.client.apply(manifest(widgetYAML("a", size: 7), widgetYAML("b", labels: ["tier": "db"])))
            #expect(third.text == ["configured Widget/a", "configured Widget/b"])
            let a = try #require(try await server.client.get(widgets, "a")).metadata
            #expect(a.generation == 2)
            #expect(UUID(uuidString: a.uid) != nil)
            #expect(a.finalizers == [Registry.finalizer])
            #expect(a.annotations[Annotation.fieldManager] == "plasma")
            #expect(abs(a.creationTimestamp.timeIntervalSinceNow) < 60)
            let b = try #require(try await server.client.get(widgets, "b")).metadata
            #expect(b.generation == 1, "labels are not the spec")
            #expect(b.labels == ["tier": "db"])
        }
    }

    @Test func `a dry run tells the same and writes nothing`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("old")))
            let before = try await server.store.range(RangeRequest(.all))
            let wish = manifest(widgetYAML("a", size: 2), widgetYAML("new"))
            let dry = try await server.client.apply(wish, options: ApplyOptions(dryRun: true, prune: true))
            #expect(dry.dryRun)
            #expect(dry.text == ["configured Widget/a", "created Widget/new", "pruned Widget/old"])
            let after = try await server.store.range(RangeRequest(.all))
            #expect(before == after)
            let real = try await server.client.apply(wish, options: ApplyOptions(prune: true))
            #expect(real.text == dry.text)
        }
    }

    @Test func `what a manifest no longer names is pruned, but nothing of others, of owners or leaving`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b"), widgetYAML("g", kind: "Gadget")))
            _ = try await server.client.apply(manifest(widgetYAML("theirs")), options: ApplyOptions(fieldManager: "other"))
            var child = Resource<Widget>(metadata: Metadata(name: "child", uid: "1"), spec: .init(size: 1))
            child.metadata.annotations = [Annotation.fieldManager: "plasma"]
            child.metadata.ownerReferences = [OwnerReference(kind: "Widget", name: "a", uid: "0")]
            try await server.put(child)
            let result = try await server.client.apply(manifest(widgetYAML("a")), options: ApplyOptions(prune: true))
            #expect(result.text == ["unchanged Widget/a", "pruned Gadget/g", "pruned Widget/b"])
            let b = try #require(try await server.client.get(widgets, "b"))
            #expect(b.metadata.isLeaving, "its loop cleans up first")
            #expect(try await server.client.get(gadgets, "g") == nil, "nobody cleans up after a gadget")
            let again = try await server.client.apply(manifest(widgetYAML("a")), options: ApplyOptions(prune: true))
            #expect(again.text == ["unchanged Widget/a"])
        }
    }

    @Test func `what has to leave first is pruned before all others, which are more than one commit`() throws {
        let mine = [Annotation.fieldManager: ApplyOptions().fieldManager]
        var stored: [any AnyResource] = []
        for number in 0..<130 {
            let metadata = Metadata(name: "g\(number)", annotations: mine, resourceVersion: "\(number + 2)")
            stored.append(Resource<Gadget>(metadata: metadata, spec: .init(size: 1)))
        }
        stored.append(Resource<Widget>(metadata: Metadata(name: "w", annotations: mine, resourceVersion: "200"), spec: .init(size: 1)))
        let plan = try ApplyPlan(
            [], stored: stored, options: ApplyOptions(prune: true), reconciledKinds: ["Gadget", "Widget"], leavingFirst: ["Widget"],
            now: Date(timeIntervalSince1970: 0), newUID: { "" })
        let order = plan.steps.map(\.reference)
        #expect(order.count == 131)
        #expect(order.first == Reference(kind: "Widget", name: "w"))
        #expect(Array(order.dropFirst()) == order.dropFirst().sorted())
    }

    @Test func `an empty manifest is not allowed to prune everything`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let words = await message { _ = try await server.client.apply(manifest("# nothing\n"), options: ApplyOptions(prune: true)) }
            #expect(words == "the manifest names no object: pruning would delete everything that \"plasma\" applied. Delete objects by name if that is what is wanted")
            #expect(try await server.client.get(widgets, "a") != nil)
        }
    }

    @Test func `another field manager is refused by name until it forces`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b")), options: ApplyOptions(fieldManager: "lab-a"))
            let theirs = ApplyOptions(fieldManager: "lab-b")
            let words = await message { _ = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b", size: 2)), options: theirs) }
            #expect(words == """
                Widget/a is managed by "lab-a", not by "lab-b"; apply with --force-conflicts to take it over
                Widget/b is managed by "lab-a", not by "lab-b"; apply with --force-conflicts to take it over
                """)
            let forced = try await server.client.apply(manifest(widgetYAML("a")), options: ApplyOptions(fieldManager: "lab-b", force: true))
            #expect(forced.text == ["configured Widget/a"])
            #expect(try await server.client.get(widgets, "a")?.metadata.annotations[Annotation.fieldManager] == "lab-b")
        }
    }

    @Test func `a child is its owner's to change`() async throws {
        try await withServer { server in
            var child = Resource<Widget>(metadata: Metadata(name: "child", uid: "1"), spec: .init(size: 1))
            child.metadata.ownerReferences = [OwnerReference(kind: "Gadget", name: "boss", uid: "0")]
            try await server.put(child)
            let words = await message { _ = try await server.client.apply(manifest(widgetYAML("child", size: 2))) }
            #expect(words == "Widget/child belongs to Gadget/boss, which would undo the change; change Gadget/boss instead, or force it")
            let same = try await server.client.apply(manifest(widgetYAML("child")))
            #expect(same.text == ["unchanged Widget/child"])
            let forced = try await server.client.apply(manifest(widgetYAML("child", size: 2)), options: ApplyOptions(force: true))
            #expect(forced.text == ["configured Widget/child"])
        }
    }

    @Test func `what is leaving cannot be applied to`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let deleted = try await server.client.delete(widgets, "a")
            #expect(!deleted.isGone)
            let words = await message { _ = try await server.client.apply(manifest(widgetYAML("a"))) }
            #expect(words == "Widget/a is being deleted and cannot be changed; wait until it is gone, then apply again")
        }
    }

    @Test func `every problem of every file is told with its place`() async throws {
        try await withServer { server in
            let files = [
                (file: "a.yaml", bytes: Array(widgetYAML("a", size: 0).utf8)),
                (file: "b.yaml", bytes: Array(widgetYAML("b").replacing("size", with: "sise").utf8)),
            ]
            do {
                _ = try await server.client.apply(files)
                Issue.record("it was applied")
            } catch ClientError.invalid(let problems) {
                #expect(problems.map(\.file).contains("a.yaml") && problems.map(\.file).contains("b.yaml"))
                let first = try #require(problems.first)
                #expect(first.description.hasPrefix("a.yaml:5:14: Widget/a spec.size: "), "\(first)")
            }
            #expect(try await server.client.list(widgets).items.isEmpty)
        }
    }

    @Test func `rules across objects are asked with what is stored`() async throws {
        let hooks = Hooks(check: { drafts, stored in
            drafts.filter { draft in !stored.isEmpty && draft.reference.name == "late" }.map { $0.problem("metadata.name", "comes too late") }
        })
        try await withServer(hooks) { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let words = await message { _ = try await server.client.apply(manifest(widgetYAML("late"))) }
            #expect(words == "lab.yaml:4:18: Widget/late metadata.name: comes too late")
        }
    }

    @Test func `a manifest larger than a transaction is applied in several`() async throws {
        try await withServer { server in
            let many = manifest((0..<300).map { widgetYAML("w\($0)") }.joined())
            let result = try await server.client.apply(many)
            #expect(result.objects.count == 300)
            #expect(result.objects.allSatisfy { $0.action == .created })
            let listed = try await server.client.list(widgets)
            #expect(listed.items.count == 300)
        }
    }

    @Test func `the status that controllers write survives an apply, and one in the manifest is passed over`() async throws {
        try await withServer { server in
            var stored = Resource<Widget>(metadata: Metadata(name: "a", uid: "1"), spec: .init(size: 1))
            stored.status = StatusRecord(observedGeneration: 1, conditions: [], phase: "Ready", detail: .init(weight: 5))
            try await server.put(stored)
            let yaml = widgetYAML("a", size: 2) + "status: {phase: Stalled, weight: 9}\n"
            _ = try await server.client.apply(manifest(yaml))
            let after = try #require(try await server.client.get(widgets, "a") as? Resource<Widget>)
            #expect(after.status == stored.status)
            #expect(after.spec.size == 2)
            #expect(after.metadata.generation == 2)
        }
    }

    @Test func `annotations of plasma's own survive a manifest that does not speak of them`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let suspended = try await server.client.patchAnnotations(widgets, "a", [Annotation.suspended: "true", "note": "x"])
            #expect(suspended.metadata.annotations[Annotation.suspended] == "true")
            let result = try await server.client.apply(manifest(widgetYAML("a", size: 3)))
            #expect(result.text == ["configured Widget/a"])
            let after = try #require(try await server.client.get(widgets, "a")).metadata
            #expect(after.annotations == [Annotation.suspended: "true", Annotation.fieldManager: "plasma"])
            let resumed = try await server.client.patchAnnotations(widgets, "a", [Annotation.suspended: nil])
            #expect(resumed.metadata.annotations[Annotation.suspended] == nil)
            #expect(resumed.metadata.generation == 2)
        }
    }

    @Test func `an apply goes between the status writes of a controller`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let key = Key(Registry.key(widgets, "a"))
            let written = try await withThrowingTaskGroup(of: Int.self) { group in
                // The controller: what it has read when it loses against an apply is read anew, as reconcilers do.
                group.addTask {
                    var weight = 0
                    while !Task.isCancelled || weight == 0 {
                        let entry = try #require(try await server.store.get(key))
                        var stored = try #require(try widgets.decode(entry.value, entry.modRevision) as? Resource<Widget>)
                        stored.status = StatusRecord(
                            observedGeneration: 1, conditions: [], phase: "Ready", detail: .init(weight: weight + 1))
                        let compare = Compare(key, .equal, .modRevision(entry.modRevision))
                        let write = Transaction(if: [compare], then: [.put(key, try stored.encoded())])
                        if try await server.store.commit(write).succeeded { weight += 1 }
                        // An apply gives up after 16 losses in a row, of which one against a controller that rests has few.
                        try? await Task.sleep(for: .microseconds(300))
                    }
                    return weight
                }
                try await withThrowingTaskGroup(of: Void.self) { applies in
                    for size in 1...40 {
                        applies.addTask { _ = try await server.client.apply(manifest(widgetYAML("a", size: size))) }
                    }
                    try await applies.waitForAll()
                }
                group.cancelAll()
                return try await group.next() ?? 0
            }
            let after = try #require(try await server.client.get(widgets, "a") as? Resource<Widget>)
            #expect((2...41).contains(after.metadata.generation))
            // No apply put back a status that it had read before the controller wrote the next.
            var weights: [Int] = []
            for try await batch in try await server.store.watch(.single(key), from: 1) {
                for case .put(let entry, _) in batch.events {
                    let version = try #require(try widgets.decode(entry.value, entry.modRevision) as? Resource<Widget>)
                    weights.append(version.status?.detail.weight ?? 0)
                }
                if batch.revision >= after.revision { break }
            }
            #expect(weights == weights.sorted())
            #expect(weights.last == written)
        }
    }
}
