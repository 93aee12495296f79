import Foundation
import GRPC
import Store
import Synchronization

/// One watch, on a stream of its own. When the stream breaks it is begun anew, at the next endpoint, from the revision
/// after the last one told.
final class EtcdWatch: Sendable {
    typealias Stream = ClientStream<Etcdserverpb_WatchRequest, Etcdserverpb_WatchResponse>
    private struct State {
        var stream: Stream?
        /// Where the last one was opened, also when nothing came of it.
        var place: GRPCClient?
        /// The first revision not told yet; nil until the server said what "now" is. Bookmarks do not move it: etcd before
        /// 3.4.25 and 3.5.8 sends some ahead of events (etcd #15220).
        var next: Revision?
        /// Events of an answer that comes in fragments: they may be some of a revision's.
        var parts: [Event] = []
        /// The newest bookmark told.
        var bookmark: Revision = 0
        /// Something came since progress was last asked for.
        var hasHeard = false
        var failures = 0
    }
    private let client: EtcdClient
    private let range: KeyRange
    private let state: Mutex<State>

    init(_ client: EtcdClient, _ range: KeyRange, from revision: Revision?) {
        self.client = client
        self.range = range
        state = Mutex(State(next: revision.map { max(1, $0) }))
    }

    /// Returns when the server has taken the watch: what happens from now on is told.
    func begin() async throws(StoreError) {
        let end = ContinuousClock.now + client.options.callWithin
        while true {
            do throws(GRPCStatus) {
                return try await open()
            } catch {
                guard error.code == .unavailable || error.code == .deadlineExceeded, !Task.isCancelled else { throw StoreError(error) }
                // The next one who asks goes elsewhere, too.
                await pause()
                guard ContinuousClock.now < end else { throw StoreError(error) }
            }
        }
    }

    /// The next batch; nil when the task is cancelled.
    func next() async throws -> WatchBatch? {
        while !Task.isCancelled {
            guard let stream = state.withLock({ $0.stream }) else {
                do throws(GRPCStatus) { try await open() } catch {
                    guard error.code == .unavailable || error.code == .deadlineExceeded else { throw StoreError(error) }
                    await pause()
                }
                continue
            }
            do throws(GRPCStatus) {
                if let answer = try await stream.next() {
                    if let batch = try take(answer) { return batch }
                } else {
                    state.withLock { $0.stream = nil }
                    await pause()
                }
            } catch {
                if Task.isCancelled { return nil }
                switch error.code {
                case .outOfRange: throw StoreError.compacted(oldest: Revision(error.message) ?? 0)
                case .permissionDenied, .unauthenticated, .invalidArgument, .unimplemented: throw StoreError(error)
                default:
                    state.withLock { $0.stream = nil }
                    await pause()
                }
            }
        }
        return nil
    }

    /// Asks for the watch and waits until it is there.
    private func open() async throws(GRPCStatus) {
        guard !range.isEmpty else { return try await openEmpty() }
        let stream: Stream = try await client.stream("/etcdserverpb.Watch/Watch", metadata: [("hasleader", "true")])
        state.withLock { $0.place = stream.client }
        let wire = WireRange(range)
        let next = state.withLock { $0.next }
        try await stream.send(.with {
            $0.createRequest = .with {
                $0.key = wire.key
                $0.rangeEnd = wire.end
                $0.startRevision = next ?? 0
                $0.prevKv = true
                $0.progressNotify = true
            }
        })
        // One that lives and says nothing is given up as one that is not there: another may answer.
        guard let answer = try await stream.next(within: client.options.callWithin) else { throw GRPCStatus(.unavailable, "the watch ended before it began") }
        guard answer.created, !answer.canceled else { throw Self.refusal(answer.cancelReason) }
        try Self.check(answer)
        state.withLock { state in
            state.stream = stream
            state.parts = []
            state.failures = 0
            state.next = state.next ?? answer.header.revision + 1
            state.hasHeard = true
        }
        askProgress(of: stream)
    }

    /// What etcd says in words only (`rpctypes/error.go`): who may not watch may not a little later either.
    private static func refusal(_ reason: String) -> GRPCStatus {
        let text = "the watch was refused: \(reason)"
        if reason.contains("permission denied") { return GRPCStatus(.permissionDenied, text) }
        if reason.contains("invalid auth token") || reason.contains("user name is empty") { return GRPCStatus(.unauthenticated, text) }
        return GRPCStatus(.unavailable, text)
    }

    /// Revisions are reckoned with.
    private static func check(_ answer: Etcdserverpb_WatchResponse) throws(GRPCStatus) {
        let revisions = [answer.header.revision, answer.compactRevision] + answer.events.map(\.kv.modRevision)
        if let wrong = revisions.first(where: { !isRevision($0) }) {
            throw GRPCStatus(.unavailable, "the server's answer to a watch cannot be understood: it tells of revision \(wrong)")
        }
    }

    /// While nothing comes, asks the server now and then how far it is.
    private func askProgress(of stream: Stream) {
        let every = client.options.askProgressEvery
        Task { [weak self, weak stream] in
            while true {
                try await Task.sleep(for: every)
                guard let self, let stream, !stream.isEnded else { return }
                let isIdle = self.state.withLock { state in
                    defer { state.hasHeard = false }
                    return !state.hasHeard
                }
                if isIdle { try await stream.send(.with { $0.progressRequest = Etcdserverpb_WatchProgressRequest() }) }
            }
        }
    }

    /// etcd refuses to watch a range that can hold no key; here it is a watch that never tells anything.
    private func openEmpty() async throws(GRPCStatus) {
        let stream: Stream = try await client.stream("/etcdserverpb.Watch/Watch")
        state.withLock { $0.stream = stream }
    }

    /// - Throws: `.outOfRange` with the oldest revision when history is gone, `.unavailable` to begin anew.
    private func take(_ answer: Etcdserverpb_WatchResponse) throws(GRPCStatus) -> WatchBatch? {
        if answer.canceled {
            if answer.compactRevision > 0 { throw GRPCStatus(.outOfRange, "\(answer.compactRevision)") }
            throw Self.refusal(answer.cancelReason)
        }
        try Self.check(answer)
        return state.withLock { state in
            let next = state.next ?? 1
            if !answer.events.isEmpty { state.hasHeard = true }
            guard !answer.created else { return nil }
            guard !answer.events.isEmpty else {
                guard state.parts.isEmpty, answer.header.revision >= next, answer.header.revision > state.bookmark else { return nil }
                state.bookmark = answer.header.revision
                return WatchBatch(revision: answer.header.revision, events: [])
            }
            state.parts += answer.events.lazy.map { Event($0) }.filter { $0.revision >= next }
            guard !answer.fragment else { return nil }
            let events = state.parts
            state.parts = []
            guard let last = events.last else { return nil }
            state.next = last.revision + 1
            return WatchBatch(revision: last.revision, events: events)
        }
    }

    /// Waits a little longer after each failure, and goes to the next endpoint.
    private func pause() async {
        let (failures, used) = state.withLock { state in
            state.failures += 1
            defer { state.place = nil }
            return (state.failures, state.place)
        }
        // An endpoint that could not be connected to was left already, and is none here: of two, the same one would come again, for ever.
        if let used { await client.moveOn(from: used) }
        do {
            try await Task.sleep(for: min(.seconds(2), client.options.pause * (1 << min(failures, 6))))
        } catch {
            // Cancelled: whoever waits for us sees that himself.
        }
    }

    /// The oldest revision that can be read. etcd tells it only to a watch of what is gone.
    static func oldestRevision(_ client: EtcdClient) async throws(GRPCStatus) -> Revision {
        // Nothing may be gone: a compaction through revision -1 is refused as compacted by a store that never was. A watch
        // from the beginning would be told nothing then, for ever.
        do throws(GRPCStatus) {
            let first = Etcdserverpb_RangeRequest(RangeRequest(.single("\0"), at: 1, countOnly: true))
            let _: Etcdserverpb_RangeResponse = try await client.call("/etcdserverpb.KV/Range", first, isRead: true)
            return 1
        } catch {
            guard case .compacted = StoreError(error) else { throw error }
        }
        let stream: Stream = try await client.stream("/etcdserverpb.Watch/Watch")
        try await stream.send(.with {
            $0.createRequest = .with {
                $0.key = Data([0])
                $0.startRevision = 1
            }
        })
        // A server that has not heard of the compaction yet has nothing to tell.
        while let answer = try await stream.next(within: client.options.callWithin) {
            if answer.compactRevision > 0 { return answer.compactRevision }
            if answer.canceled { throw GRPCStatus(.unavailable, answer.cancelReason) }
        }
        throw GRPCStatus(.unavailable, "the watch ended before it told the oldest revision")
    }
}
