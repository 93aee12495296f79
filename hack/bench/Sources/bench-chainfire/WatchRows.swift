import Etcd
import Foundation
import GRPC
import Synchronization

typealias WatchStream = ClientStream<Etcdserverpb_WatchRequest, Etcdserverpb_WatchResponse>

func openWatch(_ client: GRPCClient, prefix: String, watchers: Int = 1) async throws -> WatchStream {
    let stream: WatchStream = client.stream(Method.watch)
    var request = Etcdserverpb_WatchRequest()
    request.createRequest.key = Data(prefix.utf8)
    request.createRequest.rangeEnd = Data(prefix.utf8.dropLast() + [prefix.utf8.last.map { $0 + 1 } ?? 0])
    for _ in 0..<watchers {
        try await stream.send(request)
        guard let created = try await stream.next(), created.created else { throw BenchFailure("a watch was not created") }
    }
    return stream
}

/// From a put to its event at one watcher, at a fixed rate: milliseconds.
func watchLatency(_ cluster: Cluster, perSecond: Int = 200, seconds: Double) async throws -> Histogram {
    let connections = try await cluster.connect(cluster.members.count + 1)
    let stream = try await openWatch(connections[0], prefix: "/bench/watch/")
    let count = Int(Double(perSecond) * seconds)
    let begun = Mutex<[Int: ContinuousClock.Instant]>([:])
    async let histogram: Histogram = {
        var seen = 0
        var histogram = Histogram()
        while seen < count, let response = try await stream.next() {
            let now = ContinuousClock.now
            for event in response.events {
                seen += 1
                guard let number = Int(String(decoding: event.kv.value, as: UTF8.self)) else { continue }
                if let start = begun.withLock({ $0.removeValue(forKey: number) }) { histogram.add(nanoseconds: (now - start).nanoseconds) }
            }
        }
        return histogram
    }()
    let start = ContinuousClock.now
    for number in 0..<count {
        try await Task.sleep(until: start + .nanoseconds(number * 1_000_000_000 / perSecond), clock: .continuous)
        var request = Etcdserverpb_PutRequest()
        request.key = Data("/bench/watch/\(number % 100)".utf8)
        request.value = Data(String(number).utf8)
        begun.withLock { $0[number] = .now }
        connections[connections.count - 1].unary(Method.put, request) { (result: Result<Etcdserverpb_PutResponse, GRPCStatus>) in
            if case .failure(let status) = result { say("a put failed: \(status)") }
        }
    }
    let found = try await histogram
    for connection in connections { await connection.close() }
    return found
}

/// From a put to its event at the last of many watchers, spread as etcd's own benchmark does it (a hundred to a stream, a
/// stream to a connection): milliseconds.
func fanOut(_ cluster: Cluster, watchers: Int = 1_000, puts: Int = 100) async throws -> Histogram {
    let connections = try await cluster.connect(10)
    var streams: [WatchStream] = []
    for connection in connections {
        streams.append(try await openWatch(connection, prefix: "/bench/fan/", watchers: watchers / connections.count))
    }
    let writer = try await cluster.connect(1)[0]
    let arrived = Counter()
    let waiting = Waiting()
    return try await withThrowingTaskGroup(of: Void.self) { group in
        for stream in streams {
            group.addTask {
                // Ends when the task is cancelled.
                while let response = try? await stream.next() {
                    for _ in response.events where (arrived.take() + 1) % watchers == 0 {
                        waiting.resume()
                    }
                }
            }
        }
        var histogram = Histogram()
        for number in 0..<puts {
            var request = Etcdserverpb_PutRequest()
            request.key = Data("/bench/fan/\(number % 10)".utf8)
            request.value = Workload.value
            let start = ContinuousClock.now
            await withCheckedContinuation { continuation in
                waiting.wait(continuation)
                writer.unary(Method.put, request) { (result: Result<Etcdserverpb_PutResponse, GRPCStatus>) in
                    if case .failure(let status) = result { say("a put failed: \(status)") }
                }
            }
            histogram.add(nanoseconds: (ContinuousClock.now - start).nanoseconds)
            try await Task.sleep(for: .milliseconds(20))
        }
        group.cancelAll()
        for stream in streams { stream.cancel() }
        for connection in connections { await connection.close() }
        return histogram
    }
}
