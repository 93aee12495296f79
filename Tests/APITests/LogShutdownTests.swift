import Foundation
import Logging
import NIOCore
import NIOPosix
import Resource
import ServiceLifecycle
import Simulation
import Store
import Testing

@testable import API

/// What a stop of the server does to clients that do not read, as a stopped `get -w` or `logs -f`.
struct LogShutdownTests {
    /// About one second is expected; the rest is for machines that are busy with other tests.
    private static let bound = Duration.seconds(20)

    /// Serves in a service group, shuts it down after `body` and expects that to take no longer than the bound.
    /// What `body` returns is held until then: a response that is let go closes its connection.
    private func shutDown(
        _ hooks: Hooks, _ store: MemoryStore, in directory: String, after body: @Sendable (Client) async throws -> any Sendable
    ) async throws {
        let (opened, open) = AsyncStream.makeStream(of: Void.self)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = Server(
            Server.Configuration(socketPath: directory + "/s.sock"), store: store, kinds: testKinds, hooks: hooks, logger: quiet
        ) { _ in open.yield() }
        let services = ServiceGroup(configuration: .init(services: [server], logger: quiet))
        let client = try Client(.unix(directory + "/s.sock"))
        try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask {
                try await services.run()
                return "shut down"
            }
            _ = await opened.first { _ in true }
            let held = try await body(client)
            await services.triggerGracefulShutdown()
            group.addTask {
                try await Task.sleep(for: Self.bound)
                return "still there after \(Self.bound)"
            }
            #expect(try await group.next() == "shut down")
            group.cancelAll()
            withExtendedLifetime(held) {}
        }
        await client.close()
    }

    @Test func `a log that is followed and not read does not hold up the stop`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/serial.log"
        try Data(repeating: UInt8(ascii: "x"), count: 16 << 20).write(to: URL(filePath: path))
        let hooks = Hooks(reconciledKinds: ["Widget"], log: { _ in LogSource(path: path) })
        try await shutDown(hooks, MemoryStore(), in: directory) { client in
            let unread = try await client.open("GET", "\(Paths.base)/widgets/a/log?follow=true", deadline: .seconds(60))
            #expect(unread.status == .ok)
            // Until the socket is full; a stop before that is easy.
            try await Task.sleep(for: .milliseconds(500))
            return unread
        }
    }

    @Test func `neither does a watch that is not read, and one that is ends in order`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = MemoryStore()
        for number in 1...500 { try await store.put(Key(Registry.key(widgets, "w\(number)")), ballast("w\(number)")) }
        let (ended, end) = AsyncStream.makeStream(of: String.self)
        try await shutDown(Hooks(reconciledKinds: ["Widget"]), store, in: directory) { client in
            let unread = try await client.open("GET", "\(Paths.base)/widgets?watch=true", deadline: .seconds(60))
            #expect(unread.status == .ok)
            let idle = try await client.open(
                "GET", "\(Paths.base)/widgets?watch=true&allowWatchBookmarks=true&resourceVersion=501", deadline: .seconds(60))
            let read = Task {
                end.yield(await message { for try await buffer in idle.body { end.yield(String(buffer: buffer)) } })
                end.finish()
            }
            try await Task.sleep(for: .milliseconds(500))
            return (unread, read)
        }
        var told: [String] = []
        for await text in ended {
            told.append(text)
            if told.count == 2 { break }
        }
        #expect(told == [String(decoding: RecordFilter.bookmark(kind: "Widget", 501), as: UTF8.self), "nothing was thrown"])
    }

    @Test func `neither does a client that begins a request and does not end it`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await shutDown(Hooks(reconciledKinds: ["Widget"]), MemoryStore(), in: directory) { _ in
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: directory + "/s.sock").get()
            let head = "POST \(Paths.base)/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            try await channel.writeAndFlush(ByteBuffer(string: head))
            try await Task.sleep(for: .milliseconds(300))
            return channel
        }
    }

    @Test func `neither does a diff that waits for machines that do not answer`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let hooks = Hooks(reconciledKinds: ["Widget"], diff: { _, _ in
            begin.yield()
            try await Task.sleep(for: .seconds(3600))
            return DiffReport(objects: [], examined: 0)
        })
        try await shutDown(hooks, MemoryStore(), in: directory) { client in
            let asking = Task { try await client.diff(nil) }
            _ = await begun.first { _ in true }
            return asking
        }
    }
}

/// A widget of 8 KiB: what lies in socket buffers and in both processes is soon full.
func ballast(_ name: String, generation: Int = 1) throws -> [UInt8] {
    var widget = Resource<Widget>(metadata: Metadata(name: name, uid: "1"), spec: .init(size: 1))
    widget.metadata.annotations = ["ballast": String(repeating: "x", count: 8192)]
    widget.metadata.generation = Int64(generation)
    return try widget.encoded()
}
