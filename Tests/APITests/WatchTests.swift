import AsyncHTTPClient
import Foundation
import Manifest
import NIOCore
import Resource
import Store
import Synchronization
import Testing

@testable import API

struct WatchTests {
    /// Reads lines of a raw watch until `count` came that are no bookmarks.
    private func lines(_ server: TestServer, _ query: String, _ count: Int, then act: @Sendable () async throws -> Void) async throws -> [String] {
        let response = try await server.client.open("GET", "\(Paths.base)/widgets?watch=true&\(query)", deadline: .seconds(60))
        try await act()
        var mirror = WatchMirror(since: "0")
        var told: [String] = []
        for try await buffer in response.body {
            for line in try mirror.received(Array(buffer.readableBytesView)) {
                switch line {
                case .added(let object): told.append("ADDED \(object.at("metadata.name")?.string ?? "") \(object.at("spec.size")?.text ?? "")")
                case .modified(let object): told.append("MODIFIED \(object.at("metadata.name")?.string ?? "") \(object.at("spec.size")?.text ?? "")")
                case .deleted(let object): told.append("DELETED \(object.at("metadata.name")?.string ?? "") \(object.at("spec.size")?.text ?? "")")
                case .bookmark: break
                }
            }
            if told.count >= count { break }
        }
        return told
    }

    @Test func `a watch tells what is there, then every change in order`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let told = try await lines(server, "", 4) {
                _ = try await server.client.apply(manifest(widgetYAML("a", size: 2)))
                _ = try await server.client.apply(manifest(widgetYAML("b")))
                let key = Key(Registry.key(widgets, "a"))
                _ = try await server.store.commit(Transaction(then: [.delete(key)]))
            }
            #expect(told == ["ADDED a 1", "MODIFIED a 2", "ADDED b 1", "DELETED a 2"])
        }
    }

    @Test func `a watch from a version tells only what came after it`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let version = try await server.client.list(widgets).resourceVersion
            _ = try await server.client.apply(manifest(widgetYAML("b")))
            _ = try await server.client.apply(manifest(widgetYAML("g", kind: "Gadget")))
            let told = try await lines(server, "resourceVersion=\(version)", 2) {
                _ = try await server.client.apply(manifest(widgetYAML("a", size: 5)))
            }
            #expect(told == ["ADDED b 1", "MODIFIED a 5"])
        }
    }

    @Test func `an object that comes to match a selector is added, and one that no longer does is deleted`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a", labels: ["on": "no"]), widgetYAML("b", labels: ["on": "yes"])))
            let told = try await lines(server, "labelSelector=on%3Dyes", 3) {
                _ = try await server.client.apply(manifest(widgetYAML("a", labels: ["on": "yes"])))
                _ = try await server.client.apply(manifest(widgetYAML("b", labels: ["on": "no"])))
                _ = try await server.client.apply(manifest(widgetYAML("b", size: 2, labels: ["on": "no"])))
            }
            #expect(told == ["ADDED b 1", "ADDED a 1", "DELETED b 1"])
        }
    }

    @Test func `history that is compacted away, or never was, is 410`() async throws {
        try await withServer { server in
            for size in 1...5 { _ = try await server.client.apply(manifest(widgetYAML("a", size: size))) }
            try await server.store.compact(through: 5)
            let old = try await server.call("GET", "\(Paths.base)/widgets?watch=true&resourceVersion=2")
            #expect(old.code == 410)
            #expect(old.json["reason"] == "Expired")
            #expect(old.message == "required revision has been compacted (the oldest kept is 5); list again")
            let future = try await server.call("GET", "\(Paths.base)/widgets?watch=true&resourceVersion=99")
            #expect(future.code == 410)
            #expect(future.message == "resourceVersion 99 is not from this store, which is at 6; list again")
        }
    }

    @Test func `an idle watch tells bookmarks and ends when its time is over`() async throws {
        try await withServer(bookmarkInterval: .milliseconds(20)) { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let answer = try await server.call("GET", "\(Paths.base)/widgets?watch=true&resourceVersion=2&allowWatchBookmarks=true&timeoutSeconds=1")
            let lines = answer.text.split(separator: "\n")
            #expect(!lines.isEmpty)
            #expect(lines.allSatisfy { $0 == #"{"type":"BOOKMARK","object":{"apiVersion":"plasma.cloud/v1alpha1","kind":"Widget","metadata":{"resourceVersion":"2"}}}"# })
            let quiet = try await server.call("GET", "\(Paths.base)/widgets?watch=true&resourceVersion=2&timeoutSeconds=1")
            #expect(quiet.text == "")
        }
    }

    @Test func `the client's watch lists first, goes on after 410 and tells the difference`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a"), widgetYAML("b")))
            let since = try await server.client.list(widgets).resourceVersion
            for size in 2...5 { _ = try await server.client.apply(manifest(widgetYAML("a", size: size))) }
            try await server.store.compact(through: 5)
            var told: [String] = []
            for try await change in server.client.watch(widgets, since: since) {
                told.append(change.words)
                if case .bookmark = change { break }
            }
            #expect(told == ["added a", "added b", "bookmark 6"], "the history was gone, so it listed")
        }
    }

    @Test func `two hundred watchers are all told`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        var told: [String] = []
                        for try await change in server.client.watch(widgets) {
                            told.append(change.words)
                            if case .bookmark = change { isReady.yield() }
                            if told.count == 4 { break }
                        }
                        return told
                    }
                }
                var count = 0
                for await _ in ready {
                    count += 1
                    if count == 200 { break }
                }
                for size in 2...3 { _ = try await server.client.apply(manifest(widgetYAML("a", size: size))) }
                for try await told in group {
                    #expect(told.first == "added a")
                    #expect(told.suffix(2) == ["modified a", "modified a"])
                }
            }
        }
    }

    @Test func `a client that was away for thousands of changes is told them all`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            for number in 1...3000 { try await server.store.put(Key(Registry.key(widgets, "w\(number)")), ballast("w\(number)")) }
            let told = try await lines(server, "resourceVersion=2", 3001) {
                try await server.store.put(Key(Registry.key(widgets, "w1")), ballast("w1", generation: 2))
            }
            #expect(told == (1...3000).map { "ADDED w\($0) 1" } + ["MODIFIED w1 1"])
        }
    }

    /// Opens a watch that nobody reads, lets another see `rounds` changes, and then reads what the first was told.
    private func slow(_ patience: Patience, _ rounds: Int) async throws -> (told: Int, words: String) {
        let result = Mutex((told: 0, words: ""))
        try await Patience.$current.withValue(patience) {
            try await withServer { server in
                _ = try await server.client.apply(manifest(widgetYAML("a")))
                let slow = try await server.client.open(
                    "GET", "\(Paths.base)/widgets?watch=true&resourceVersion=2&timeoutSeconds=60", deadline: .seconds(120))
                async let quick = lines(server, "resourceVersion=2", rounds) {}
                for round in 1...rounds {
                    try await server.store.put(Key(Registry.key(widgets, "a")), ballast("a", generation: round))
                }
                #expect(try await quick.count == rounds, "the others are served")
                // Longer than the client may keep a write waiting.
                try await Task.sleep(for: patience.write * 2)
                var mirror = WatchMirror(since: "2")
                var told = 0
                let words = await message {
                    for try await buffer in slow.body { told += try mirror.received(Array(buffer.readableBytesView)).count }
                    _ = try mirror.received([])
                }
                result.withLock { $0 = (told, words) }
            }
        }
        return result.withLock { $0 }
    }

    @Test func `a client that does not read holds up nobody else and is sent away`() async throws {
        let (told, words) = try await slow(Patience(write: .seconds(8), farewell: .seconds(60)), 2000)
        #expect(told < 2000)
        #expect(words == "this watch was read too slowly and has lost changes; list again")
    }

    @Test func `a client that does not even take the reason is cut off`() async throws {
        let (told, words) = try await slow(Patience(write: .seconds(8), farewell: .zero), 2000)
        #expect(told < 2000)
        #expect(words != "nothing was thrown")
        #expect(!words.contains("too slowly"))
    }

    @Test func `a deletion whose object is compacted away ends the watch with 410`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a", labels: ["on": "yes"]), widgetYAML("b")))
            let since = try await server.client.list(widgets).resourceVersion
            let key = Key(Registry.key(widgets, "a"))
            let deleted = try await server.store.commit(Transaction(then: [.delete(key)])).revision
            try await server.store.compact(through: deleted)
            for query in ["", "&labelSelector=on%3Dyes"] {
                let path = "\(Paths.base)/widgets?watch=true&timeoutSeconds=5&resourceVersion=\(since)\(query)"
                let answer = try await server.call("GET", path)
                #expect(answer.json["type"] == "ERROR")
                #expect(answer.json.at("object.code") == 410)
                let words = "what was there before revision \(deleted) has been compacted; list again"
                #expect(answer.json.at("object.message")?.string == words)
            }
            var told: [String] = []
            for try await change in server.client.watch(widgets, since: since) {
                told.append(change.words)
                if case .bookmark = change { break }
            }
            #expect(told == ["added b", "bookmark \(deleted)"], "it listed anew")
        }
    }

    @Test func `a change at the last compaction is told by what is known of it`() throws {
        let (yes, no) = (try object(on: "yes"), try object(on: "no"))
        func put(_ value: [UInt8], version: Int64) -> Event {
            .put(Entry(key: "/w/a", value: value, createRevision: 2, modRevision: 5, version: version), previous: nil)
        }
        let all = RecordFilter()
        let some = RecordFilter(labels: try LabelSelector("on=yes"))
        #expect(type(try all.line(for: put(yes, version: 1))) == "ADDED")
        #expect(type(try all.line(for: put(yes, version: 2))) == "MODIFIED")
        #expect(type(try some.line(for: put(yes, version: 2))) == "ADDED")
        #expect(try some.line(for: put(no, version: 1)) == nil)
        #expect(throws: Refusal.self) { try some.line(for: put(no, version: 2)) }
    }

    private func object(on label: String) throws -> [UInt8] {
        var widget = Resource<Widget>(metadata: Metadata(name: "a", uid: "1"), spec: .init(size: 1))
        widget.metadata.labels = ["on": label]
        return try widget.encoded()
    }

    private func type(_ line: [UInt8]?) -> String? {
        line.flatMap { try? JSON(parsing: $0) }?["type"]?.string
    }

    @Test func `a watch ends when its client goes`() async throws {
        try await withServer { server in
            let task = Task {
                for try await change in server.client.watch(widgets) {
                    if case .bookmark = change { return }
                }
            }
            try await task.value
            // The server's shutdown at the end of this test would wait for a watch that does not end.
        }
    }
}

extension WatchedChange {
    var words: String {
        switch self {
        case .added(let object): "added \(object.name)"
        case .modified(let object): "modified \(object.name)"
        case .deleted(let object): "deleted \(object.name)"
        case .bookmark(let version): "bookmark \(version)"
        }
    }
}

struct WatchMirrorTests {
    private func object(_ name: String, uid: String = "1", version: String) -> JSON {
        ["metadata": ["name": .string(name), "uid": .string(uid), "resourceVersion": .string(version)]]
    }

    @Test func `a list after a gap tells only the differences`() throws {
        var mirror = WatchMirror(since: nil)
        let (a, b, c) = (object("a", version: "1"), object("b", version: "2"), object("c", version: "3"))
        #expect(mirror.relisted([a, b, c], version: "3") == [.added(a), .added(b), .added(c), .bookmark("3")])
        mirror.historyIsGone()
        #expect(mirror.version == nil)
        let (b2, c2, d) = (object("b", version: "7"), object("c", uid: "2", version: "8"), object("d", version: "9"))
        #expect(
            mirror.relisted([b2, c2, d], version: "9")
                == [.deleted(a), .modified(b2), .deleted(c), .added(c2), .added(d), .bookmark("9")])
        #expect(mirror.version == "9")
    }

    @Test func `what the client knew in another way is not told again, and that it went is`() throws {
        let (a, b, c) = (object("a", version: "1"), object("b", version: "2"), object("c", version: "3"))
        var mirror = WatchMirror(since: "5", known: [a, b, c])
        mirror.historyIsGone()
        let b2 = object("b", version: "7")
        #expect(mirror.relisted([a, b2], version: "9") == [.deleted(c), .modified(b2), .bookmark("9")])
    }

    @Test func `lines may be cut anywhere`() throws {
        let bytes = Array(
            """
            {"type":"ADDED","object":{"metadata":{"name":"ä","resourceVersion":"5"}}}
            {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"6"}}}

            """.utf8)
        for cut in 0...bytes.count {
            var mirror = WatchMirror(since: "1")
            let lines = try mirror.received(Array(bytes[..<cut])) + mirror.received(Array(bytes[cut...]))
            #expect(lines.count == 2, "cut at \(cut)")
            #expect(mirror.version == "6")
        }
    }

    @Test func `what was told before an error is not lost`() throws {
        let line = #"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"}}}"#
        let error = RecordFilter.line("ERROR", try Wire.encode(Refusal.expired("list again").status))
        var mirror = WatchMirror(since: "1")
        #expect(try mirror.received(Array("\(line)\n".utf8) + error).count == 1)
        #expect(mirror.version == "4", "others may have changed at 5")
        #expect(throws: ClientError.self) { try mirror.received([]) }
    }

    private func line(_ type: String, _ object: JSON) -> [UInt8] { RecordFilter.line(type, object.encoded()) }

    @Test func `what is left of a revision when the connection breaks is told after it, and nothing twice`() throws {
        let (a, b, c, d) = (object("a", version: "7"), object("b", version: "7"), object("c", version: "7"), object("d", version: "7"))
        // Nothing is known of what was there: a is told of as one that went, all the same.
        var mirror = WatchMirror(since: "3")
        let first = try mirror.received(line("DELETED", a) + line("MODIFIED", b))
        #expect(first == [.deleted(a), .modified(b)])
        #expect(mirror.version == "6")
        mirror.connectionEnded()
        let second = try mirror.received(line("DELETED", a) + line("MODIFIED", b) + line("DELETED", c))
        #expect(second == [.deleted(c)])
        mirror.connectionEnded()
        let again = object("a", uid: "2", version: "8")
        let third = try mirror.received(
            line("DELETED", a) + line("MODIFIED", b) + line("DELETED", c) + line("ADDED", d) + line("ADDED", again))
        #expect(third == [.added(d), .added(again)])
        #expect(mirror.version == "7")
        _ = try mirror.received(RecordFilter.bookmark(kind: "Widget", 8))
        #expect(mirror.version == "8", "a bookmark ends a revision")
    }

    @Test func `a watch from 0 begins there again until a bookmark says that all is listed`() throws {
        let (a, b) = (object("a", version: "9"), object("b", version: "5"))
        var mirror = WatchMirror(since: "0")
        let first = try mirror.received(line("ADDED", a))
        #expect(first == [.added(a)])
        #expect(mirror.version == "0")
        mirror.connectionEnded()
        let second = try mirror.received(line("ADDED", a) + line("ADDED", b) + RecordFilter.bookmark(kind: "Widget", 9))
        #expect(second == [.added(b), .bookmark("9")])
        #expect(mirror.version == "9")
    }

    @Test func `a version that is no number is gone on from as it is`() throws {
        var mirror = WatchMirror(since: "x1")
        let lines = try mirror.received(line("ADDED", object("a", version: "x2")))
        #expect(lines.count == 1)
        #expect(mirror.version == "x2")
    }

    @Test func `what a busy or leaderless server refuses may pass, what is refused for good does not`() {
        #expect(ClientError.server(503, "the store cannot answer now").mayPass)
        #expect(ClientError.server(429, "the store is busy").mayPass)
        for lasting: ClientError in [.server(500, "x"), .server(400, "x"), .forbidden("x"), .gone("x"), .conflict("x")] {
            #expect(!lasting.mayPass)
        }
    }

    @Test func `a broken connection is retried later and later, and given up in the end`() {
        var backoff = Backoff(patience: .seconds(20), mayRetry: false)
        let start = ContinuousClock.now
        let first = backoff.failed(at: start)
        #expect(first == nil, "nobody was ever there")
        backoff.succeeded()
        var pauses: [Duration?] = []
        for second in [0, 1, 2, 3, 4, 5, 6, 19, 20] { pauses.append(backoff.failed(at: start + .seconds(second))) }
        #expect(pauses == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { Duration.milliseconds($0) } + [nil])
    }
}
