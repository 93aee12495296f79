import Foundation
import Manifest
import Resource
import Store
import Testing

@testable import API

struct ObjectTests {
    static let body = #"{"apiVersion":"plasma.cloud/v1alpha1","kind":"Widget","metadata":{"name":"a","labels":{"tier":"db"}},"spec":{"size":3}}"#

    @Test func `an object is created, read, replaced and deleted`() async throws {
        try await withServer { server in
            let created = try await server.call("POST", "\(Paths.base)/widgets?fieldManager=me", Self.body)
            #expect(created.code == 201)
            #expect(created.json.at("metadata.generation") == 1)
            #expect(created.json.at("metadata.resourceVersion") == "2")
            #expect(created.json.at(#"metadata.annotations["plasma.cloud/field-manager"]"#) == "me")
            let twice = try await server.call("POST", "\(Paths.base)/widgets", Self.body)
            #expect(twice.code == 409)
            #expect(twice.message == "Widget/a already exists")
            #expect(twice.json["reason"] == "AlreadyExists")

            let read = try await server.call("GET", server.object("widgets", "a"))
            #expect(read.json == created.json)
            let status = try await server.call("GET", server.object("widgets", "a") + "/status")
            #expect(status.json == created.json)

            var changed = read.json
            changed["spec"] = ["size": 4]
            changed["status"] = ["phase": "Ready", "weight": 1]
            let replaced = try await server.call("PUT", server.object("widgets", "a"), changed.text)
            #expect(replaced.code == 200)
            #expect(replaced.json.at("metadata.generation") == 2)
            #expect(replaced.json["status"] == nil, "users do not write statuses")
            let stale = try await server.call("PUT", server.object("widgets", "a"), changed.text)
            #expect(stale.code == 409)
            #expect(stale.message == "Widget/a was changed meanwhile: you read version 2, it is now 3; read it again and repeat the change")

            let leaving = try await server.call("DELETE", server.object("widgets", "a"))
            #expect(leaving.code == 200)
            #expect(leaving.json.at("metadata.deletionTimestamp") != nil)
            let again = try await server.call("DELETE", server.object("widgets", "a"))
            #expect(again.json == leaving.json, "a second delete changes nothing")
            let missing = try await server.call("GET", server.object("widgets", "zz"))
            #expect(missing.code == 404)
            #expect(missing.message == "Widget/zz is not there")
        }
    }

    @Test func `an object without a loop goes at once`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("g", kind: "Gadget")))
            #expect(try await server.client.delete(gadgets, "g").isGone)
            let words = await message { _ = try await server.client.delete(gadgets, "g") }
            #expect(words == "Gadget/g is not there")
        }
    }

    @Test func `a record that cannot be read is named, with what is wrong there`() async throws {
        try await withServer { server in
            try await server.store.put(Key(Registry.key(plural: "widgets", "a")), Array(#"{"metadata":{"name":"a"},"spec":{}}"#.utf8))
            let words = "Widget/a is stored in a form that this version of plasma cannot read: spec.size is missing"
            for (method, path, body) in [("DELETE", server.object("widgets", "a"), nil), ("POST", "\(Paths.base)/widgets", Self.body.replacing("\"a\"", with: "\"b\""))] {
                let answer = try await server.call(method, path, body)
                #expect(answer.code == 500 && answer.message == words, "\(method)")
            }
            let applied = await message { _ = try await server.client.apply(manifest(widgetYAML("b"))) }
            #expect(applied.hasSuffix(words) && !applied.contains("DecodingError"), "\(applied)")
            let told = await message { _ = try await server.client.list(testKinds["Widget"]!) }
            #expect(told == words)
        }
    }

    @Test func `a delete holds to its preconditions`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("g", kind: "Gadget")))
            let uid = try #require(try await server.client.get(gadgets, "g")).metadata.uid
            let words = await message { _ = try await server.client.delete(gadgets, "g", uid: "other") }
            #expect(words == "Gadget/g is another object of that name: its uid is \(uid), not other")
            let stale = await message { _ = try await server.client.delete(gadgets, "g", resourceVersion: "1") }
            #expect(stale == "Gadget/g was changed meanwhile: you read version 1, it is now 2; read it again and repeat the change")
            let orphan = try await server.call("DELETE", server.object("gadgets", "g") + "?propagationPolicy=Orphan")
            #expect(orphan.code == 400)
            #expect(orphan.message == "propagationPolicy Orphan is not possible: children always leave with their owner")
            let dry = try await server.client.delete(gadgets, "g", uid: uid, dryRun: true)
            #expect(dry.isGone)
            #expect(try await server.client.get(gadgets, "g") != nil)
            #expect(try await server.client.delete(gadgets, "g", uid: uid).isGone)
        }
    }

    @Test func `a child is not deleted beside its owner, and is when that leaves or is another`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("boss", kind: "Gadget")))
            var boss = try #require(try await server.client.get(gadgets, "boss") as? Resource<Gadget>)
            for (name, uid) in [("own", boss.metadata.uid), ("orphan", "gone")] {
                var child = Resource<Widget>(metadata: Metadata(name: name, uid: name), spec: .init(size: 1))
                child.metadata.ownerReferences = [OwnerReference(kind: "Gadget", name: "boss", uid: uid)]
                try await server.put(child)
            }
            let words = await message { _ = try await server.client.delete(widgets, "own") }
            #expect(words == "Widget/own belongs to Gadget/boss, which would want it again; take it out of the spec of Gadget/boss, or delete that")
            _ = try await server.client.delete(widgets, "orphan")
            boss.metadata.deletionTimestamp = Date(timeIntervalSince1970: 1)
            try await server.put(boss)
            _ = try await server.client.delete(widgets, "own")
        }
    }

    @Test func `no dry run changes anything`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let before = try await server.store.range(RangeRequest(.all))
            let body = Self.body
            let a = server.object("widgets", "a")
            let created = try await server.call("POST", "\(Paths.base)/widgets?dryRun=All", body.replacing("\"a\"", with: "\"b\""))
            #expect(created.code == 201)
            #expect(try await server.call("PUT", a + "?dryRun=All", body).json.at("spec.size") == 3)
            let patched = try await server.call(
                "PATCH", a + "?dryRun=All", #"{"spec":{"size":9}}"#, type: "application/merge-patch+json")
            #expect(patched.json.at("spec.size") == 9)
            let applied = try await server.call(
                "PATCH", a + "?dryRun=All&fieldManager=plasma", widgetYAML("a", size: 8), type: "application/apply-patch+yaml")
            #expect(applied.json.at("spec.size") == 8)
            let deleted = try await server.call("DELETE", a, #"{"dryRun":["All"]}"#)
            #expect(deleted.json.at("metadata.deletionTimestamp") != nil)
            let after = try await server.store.range(RangeRequest(.all))
            #expect(before == after)
        }
    }

    @Test func `a merge patch merges, removes with null, and keeps to what users may write`() async throws {
        try await withServer { server in
            _ = try await server.call("POST", "\(Paths.base)/widgets", Self.body)
            let path = server.object("widgets", "a")
            func patch(_ body: String) async throws -> TestServer.Answer {
                try await server.call("PATCH", path, body, type: "application/merge-patch+json")
            }
            let colored = try await patch(#"{"spec":{"color":"red"},"metadata":{"labels":{"tier":null,"app":"x"}}}"#)
            #expect(colored.json["spec"] == ["size": 3, "color": "red"])
            #expect(colored.json.at("metadata.labels") == ["app": "x"])
            #expect(colored.json.at("metadata.generation") == 2)
            let plain = try await patch(#"{"spec":{"color":null}}"#)
            #expect(plain.json["spec"] == ["size": 3])
            let same = try await patch(#"{"spec":{"size":3}}"#)
            #expect(same.json == plain.json, "what changes nothing writes nothing")
            for (body, words) in [
                (#"{"status":{"phase":"Ready"}}"#, "patch:1:1: Widget/a status: is written by the controllers only"),
                (#"{"metadata":{"finalizers":[]}}"#, "patch:1:1: Widget/a metadata.finalizers: cannot be changed"),
                (#"{"metadata":{"labels":{"a":1}}}"#, "patch:1:1: Widget/a metadata.labels: must hold text, or null to remove"),
                (#"{"spek":{}}"#, "patch:1:1: Widget/a spek: is not a member of an object; it has metadata and spec"),
            ] {
                let refused = try await patch(body)
                #expect(refused.code == 422)
                #expect(refused.message == words)
            }
            let stale = try await patch(#"{"metadata":{"resourceVersion":"2"},"spec":{"size":4}}"#)
            #expect(stale.code == 409)
        }
    }

    @Test func `server-side apply of one object needs a manager and creates what is missing`() async throws {
        try await withServer { server in
            let path = server.object("widgets", "a")
            let type = "application/apply-patch+yaml"
            let anonymous = try await server.call("PATCH", path, widgetYAML("a"), type: type)
            #expect(anonymous.code == 400)
            #expect(anonymous.message == "an apply patch needs the query parameter fieldManager")
            #expect(try await server.call("PATCH", path + "?fieldManager=x", widgetYAML("a"), type: type).code == 201)
            #expect(try await server.call("PATCH", path + "?fieldManager=x", widgetYAML("a", size: 2), type: type).code == 200)
            let conflict = try await server.call("PATCH", path + "?fieldManager=y", widgetYAML("a", size: 3), type: type)
            #expect(conflict.code == 409)
            #expect(try await server.call("PATCH", path + "?fieldManager=y&force=true", widgetYAML("a", size: 3), type: type).code == 200)
            let other = try await server.call("PATCH", path + "?fieldManager=y", widgetYAML("b"), type: type)
            #expect(other.message == "the body names Widget/b, but the path names Widget/a")
        }
    }

    @Test func `lists are filtered by labels and names and come in pages of one revision`() async throws {
        try await withServer { server in
            let many = (0..<25).map { widgetYAML("w\(100 + $0)", labels: ["parity": $0 % 2 == 0 ? "even" : "odd"]) }
            _ = try await server.client.apply(manifest(many.joined()))
            let even = try await server.client.list(widgets, selector: LabelSelector("parity=even"))
            #expect(even.items.map(\.name) == (0..<25).filter { $0 % 2 == 0 }.map { "w\(100 + $0)" })
            let one = try await server.call("GET", "\(Paths.base)/widgets?fieldSelector=metadata.name%3Dw103")
            #expect(one.json["items"]?.array?.count == 1)
            #expect(one.json["kind"] == "WidgetList")

            let first = try await server.call("GET", "\(Paths.base)/widgets?limit=10")
            #expect(first.json["items"]?.array?.count == 10)
            #expect(first.json.at("metadata.remainingItemCount") == 15)
            let token = try #require(first.json.at("metadata.continue")?.string)
            _ = try await server.client.apply(manifest(widgetYAML("w110a")))
            let second = try await server.call("GET", "\(Paths.base)/widgets?limit=10&continue=\(percentEncoded(token))")
            #expect(second.json["items"]?.array?.compactMap { $0.at("metadata.name")?.string } == (110..<120).map { "w\($0)" })
            #expect(second.json.at("metadata.resourceVersion") == first.json.at("metadata.resourceVersion"))

            var names: [String] = []
            var query = "limit=4&labelSelector=parity%3Dodd"
            while true {
                let page = try await server.call("GET", "\(Paths.base)/widgets?\(query)").json
                names += page["items"]?.array?.compactMap { $0.at("metadata.name")?.string } ?? []
                guard let next = page.at("metadata.continue")?.string else { break }
                query = "limit=4&labelSelector=parity%3Dodd&continue=\(percentEncoded(next))"
            }
            #expect(names == (0..<25).filter { $0 % 2 == 1 }.map { "w\(100 + $0)" })

            let current = try await server.store.range(RangeRequest(.all)).revision
            try await server.store.put("x", [])
            try await server.store.compact(through: current)
            let expired = try await server.call("GET", "\(Paths.base)/widgets?limit=10&continue=\(percentEncoded(token))")
            #expect(expired.code == 410)
            #expect(expired.json["reason"] == "Expired")
        }
    }
}
