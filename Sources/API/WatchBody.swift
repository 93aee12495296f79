import Hummingbird
import NIOCore
import Resource
import ServiceLifecycle
import Store
import Synchronization

/// Writes the lines of one watch until its client goes, its time is over, or the server stops.
///
/// A client that reads too slowly holds up only its own writer: changes wait in a bounded mailbox, and when that is
/// full the watch ends with 410, from which every client recovers by listing again.
struct WatchBody: Sendable {
    /// Events that may wait for a slow client.
    static let waitingMax = 1024

    var kind: String
    var filter: RecordFilter
    /// Told first, as ADDED.
    var initial: [Entry]
    /// The revision that the client knows, or has been told by `initial`.
    var start: Revision
    var changes: Watch
    var bookmarks: Bool
    var timeout: Duration?
    var bookmarkInterval: Duration

    private enum Mail: Sendable {
        case batch(WatchBatch)
        case tick
        case over
        case failed(Refusal)
    }

    func write(to writer: inout any ResponseBodyWriter, until request: Request) async throws {
        try await request.body.consumeWithCancellationOnInboundClose { _ in
            try await writeLines(to: &writer)
        }
        try await writer.finish(nil)
    }

    private func writeLines(to writer: inout any ResponseBodyWriter) async throws {
        let (mails, mailbox) = AsyncStream.makeStream(of: Mail.self, bufferingPolicy: .unbounded)
        let waiting = Waiting()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pump(into: mailbox, waiting) }
            group.addTask { try await tick(into: mailbox) }
            group.addTask {
                try await gracefulShutdown()
                mailbox.yield(.over)
                mailbox.finish()
            }
            defer { group.cancelAll() }
            try await told(mails, waiting, by: &writer)
        }
    }

    private func told(_ mails: AsyncStream<Mail>, _ waiting: Waiting, by writer: inout any ResponseBodyWriter) async throws {
        for entry in initial where filter.passes(entry.value) {
            try await writer.write(ByteBuffer(bytes: RecordFilter.line("ADDED", StoredRecord.served(entry.value, at: entry.modRevision))))
        }
        var revision = start
        if !initial.isEmpty, bookmarks { try await writer.write(bookmark(revision)) }
        for await mail in mails {
            switch mail {
            case .batch(let batch):
                waiting.add(-batch.events.count)
                revision = max(revision, batch.revision)
                var lines = ByteBuffer()
                for event in batch.events {
                    if let line = filter.line(for: event) { lines.writeBytes(line) }
                }
                if batch.events.isEmpty, bookmarks { lines.writeImmutableBuffer(bookmark(revision)) }
                if lines.readableBytes > 0 { try await writer.write(lines) }
            case .tick:
                if bookmarks { try await writer.write(bookmark(revision)) }
            case .over:
                if bookmarks { try await writer.write(bookmark(revision)) }
                return
            case .failed(let refusal):
                let status = try Wire.encode(refusal.status)
                try await writer.write(ByteBuffer(bytes: RecordFilter.line("ERROR", status)))
                return
            }
        }
        try Task.checkCancellation()
        let status = try Wire.encode(Refusal.expired("this watch was read too slowly and has lost changes; list again").status)
        try await writer.write(ByteBuffer(bytes: RecordFilter.line("ERROR", status)))
    }

    private func bookmark(_ revision: Revision) -> ByteBuffer {
        ByteBuffer(bytes: RecordFilter.bookmark(kind: kind, revision))
    }

    /// How many events lie in the mailbox.
    private final class Waiting: Sendable {
        private let count = Atomic(0)

        @discardableResult
        func add(_ events: Int) -> Int { count.add(events, ordering: .relaxed).newValue }
    }

    private func pump(into mailbox: AsyncStream<Mail>.Continuation, _ waiting: Waiting) async {
        do {
            for try await batch in changes {
                if waiting.add(batch.events.count) > Self.waitingMax { break }
                mailbox.yield(.batch(batch))
            }
        } catch is CancellationError {
        } catch {
            mailbox.yield(.failed(Refusal(any: error)))
        }
        mailbox.finish()
    }

    /// Tells that time passes: both sides notice by it when the other is gone.
    private func tick(into mailbox: AsyncStream<Mail>.Continuation) async throws {
        let end = timeout.map { ContinuousClock.now + $0 }
        while true {
            let next = ContinuousClock.now + bookmarkInterval
            try await Task.sleep(until: min(next, end ?? next), clock: .continuous)
            if let end, ContinuousClock.now >= end {
                mailbox.yield(.over)
                return
            }
            mailbox.yield(.tick)
        }
    }
}
