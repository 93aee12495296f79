import Etcd
import Foundation
import SwiftProtobuf

/// Watches on one side and puts on the other, both on one thread with one clock.
private final class WatchedPuts {
    private let loop = WireLoop()
    private var watches: [WireConnection] = []
    private var streams: [UInt32] = []
    private var writer: WireConnection?
    private var created = 0
    private var problem: String?
    /// Called with each watch message that has events: how many, and the first one's value where it is asked for.
    private var hear: (UnsafeRawBufferPointer) -> Void = { _ in }

    /// - Parameter ports: of a watch connection each, with one stream and so many watchers.
    init(_ ports: [Int], writer port: Int, prefix: String, watchers: Int) throws {
        var request = Etcdserverpb_WatchRequest()
        request.createRequest.key = Data(prefix.utf8)
        request.createRequest.rangeEnd = Data(prefix.utf8.dropLast() + [prefix.utf8.last.map { $0 + 1 } ?? 0])
        let message = framed(try request.serializedBytes())
        for port in ports {
            let connection = try WireConnection(
                port: port, method: Method.watch, message: { [unowned self] _, message in take(message) },
                ended: { [unowned self] _, problem in self.problem = problem ?? "the watch ended" })
            loop.add(connection)
            watches.append(connection)
            streams.append(try connection.call(message, isLast: false))
        }
        let all = ports.count * watchers
        for round in 0..<watchers {
            for (connection, stream) in zip(watches, streams) {
                if round > 0 { try connection.send(message, on: stream) }
                try connection.flush()
            }
            // One at a time on each stream: no server's window is filled.
            let wanted = ports.count * (round + 1)
            try run(until: { created >= wanted })
        }
        guard created == all else { throw BenchFailure("\(created) of \(all) watches were created") }
        let writer = try WireConnection(
            port: port, method: Method.put, message: { _, _ in },
            ended: { [unowned self] _, problem in self.problem = problem.map { "a put failed: \($0)" } ?? self.problem })
        loop.add(writer)
        self.writer = writer
    }

    private func take(_ message: UnsafeRawBufferPointer) {
        if message.eventCount > 0 { hear(message) } else { created += 1 }
    }

    func run(until isDone: () -> Bool, due: () throws -> Duration? = { nil }) throws {
        try loop.run(until: { problem != nil || isDone() }, due: due)
        if let problem { throw BenchFailure(problem) }
    }

    func put(_ key: String, _ value: Data) throws {
        var request = Etcdserverpb_PutRequest()
        request.key = Data(key.utf8)
        request.value = value
        _ = try writer?.call(framed(try request.serializedBytes()))
        try writer?.flush()
    }

    func hear(_ body: @escaping (UnsafeRawBufferPointer) -> Void) { hear = body }
}

extension UnsafeRawBufferPointer {
    /// Of a watch's message: its fields of number 11, found without decoding the rest.
    fileprivate var eventCount: Int {
        var (at, count) = (0, 0)
        func varint() -> Int {
            var (number, shift) = (0, 0)
            while at < self.count {
                let byte = Int(self[at])
                at += 1
                number |= (byte & 0x7F) << shift
                shift += 7
                if byte & 0x80 == 0 || shift > 56 { break }
            }
            return number
        }
        while at < self.count {
            let tag = varint()
            if tag >> 3 == 11 { count += 1 }
            switch tag & 7 {
            case 0: _ = varint()
            case 2: at += varint()
            case 1: at += 8
            default: at += 4
            }
        }
        return count
    }
}

let watchedPutsPerSecond = 200

/// From a put to its event at one watcher, at a fixed rate: milliseconds.
func watchLatency(_ cluster: Cluster, perSecond: Int = watchedPutsPerSecond, seconds: Double) async throws -> Histogram {
    let ports = cluster.ports(cluster.members.count + 1)
    return try await onThread {
        let puts = try WatchedPuts([ports[0]], writer: ports[ports.count - 1], prefix: "/bench/watch/", watchers: 1)
        let count = Int(Double(perSecond) * seconds)
        var histogram = Histogram()
        var begun: [Int: ContinuousClock.Instant] = [:]
        var (sent, seen) = (0, 0)
        puts.hear { message in
            let now = ContinuousClock.now
            for event in (try? Etcdserverpb_WatchResponse(serializedBytes: Array(message)))?.events ?? [] {
                seen += 1
                guard let number = Int(String(decoding: event.kv.value, as: UTF8.self)), let start = begun.removeValue(forKey: number) else { continue }
                histogram.add(nanoseconds: (now - start).nanoseconds)
            }
        }
        let start = ContinuousClock.now
        try puts.run(until: { seen >= count }) {
            let next = start + .nanoseconds(sent * 1_000_000_000 / perSecond)
            guard sent < count else { return nil }
            if next > .now { return next - .now }
            begun[sent] = .now
            try puts.put("/bench/watch/\(sent % 100)", Data(String(sent).utf8))
            sent += 1
            return .zero
        }
        return histogram
    }
}

/// From a put to its event at the last of many watchers, spread as etcd's own benchmark does it (a hundred to a stream, a
/// stream to a connection): milliseconds.
func fanOut(_ cluster: Cluster, watchers: Int = 1_000, puts count: Int = 100) async throws -> Histogram {
    let (ports, writer) = (cluster.ports(10), cluster.ports(1)[0])
    return try await onThread {
        let puts = try WatchedPuts(ports, writer: writer, prefix: "/bench/fan/", watchers: watchers / ports.count)
        var histogram = Histogram()
        var arrived = 0
        puts.hear { arrived += $0.eventCount }
        for number in 0..<count {
            let start = ContinuousClock.now
            try puts.put("/bench/fan/\(number % 10)", Workload.value)
            try puts.run(until: { arrived >= watchers * (number + 1) })
            histogram.add(nanoseconds: (ContinuousClock.now - start).nanoseconds)
            usleep(20_000)
        }
        return histogram
    }
}
