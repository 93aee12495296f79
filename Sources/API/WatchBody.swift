import Hummingbird
import NIOCore
import Resource
import Store

/// How long a watch waits for a client that does not read.
package struct Patience: Hashable, Sendable {
    /// So long may one write, of about 64 KiB, wait for the client; then the client is sent away.
    package var write: Duration
    /// So long it then has to take the reason; after that the connection is cut.
    package var farewell: Duration

    package init(write: Duration = .seconds(30), farewell: Duration = .seconds(30)) {
        self.write = write
        self.farewell = farewell
    }

    /// That of the server which runs the current task.
    @TaskLocal package static var current = Patience()
}

/// Writes the lines of one watch until its client goes, its time is over, or the server stops.
///
/// The next changes are taken from the store when the last are written, so that a client that reads slowly costs no
/// more than one batch. One that does not read at all is sent away with 410, from which every client recovers by
/// listing again.
struct WatchBody: Sendable {
    /// Lines are gathered to pieces of this size: what flows through a slow connection piece by piece is progress.
    private static let pieceBytes = 64 << 10
    /// So long has a client to take the end of the answer when the server stops.
    static let shutdownPatience = Duration.seconds(1)

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
        case failed(Refusal)
        case tick, over
    }

    func write(to writer: inout any ResponseBodyWriter, until request: Request) async throws {
        let patience = Patience.current
        try await Listener.listen(to: request) { listener in
            /// nil while a batch is told.
            var revision: Revision?
            switch try await listener.tell(within: patience.write, { try await tell(&revision, to: &writer, $0) }) {
            case .told: return
            case .clientGone: throw CancellationError()
            case .serverStops:
                let last = bookmarks ? revision.map(bookmark) : nil
                try await listener.sayGoodbye(last, within: Self.shutdownPatience, hearsShutdown: false, by: &writer)
            case .stalled:
                let words = try error(.expired("this watch was read too slowly and has lost changes; list again"))
                try await listener.sayGoodbye(words, within: patience.farewell, hearsShutdown: true, by: &writer)
            }
        }
    }

    /// - Parameter revision: everything up to it has been told; nil while a batch is told.
    private func tell(_ revision: inout Revision?, to writer: inout any ResponseBodyWriter, _ clock: WriteClock) async throws {
        let last: ByteBuffer?
        do {
            last = try await tellChanges(&revision, to: &writer, clock)
        } catch let refusal as Refusal {
            last = try error(refusal)
        }
        if let last { try await clock.time { try await writer.write(last) } }
        try await clock.time { try await writer.finish(nil) }
    }

    /// - Returns: the last words, when the time is over.
    /// - Throws: `Refusal` when the watch cannot go on.
    private func tellChanges(
        _ told: inout Revision?, to writer: inout any ResponseBodyWriter, _ clock: WriteClock
    ) async throws -> ByteBuffer? {
        var piece = ByteBuffer()
        for entry in initial where filter.passes(entry.value) {
            piece.writeBytes(RecordFilter.line("ADDED", StoredRecord.served(entry.value, at: entry.modRevision)))
            try await send(&piece, from: Self.pieceBytes, to: &writer, clock)
        }
        var revision = start
        if !initial.isEmpty, bookmarks { piece.writeImmutableBuffer(bookmark(revision)) }
        try await send(&piece, to: &writer, clock)
        told = revision
        let end = timeout.map { ContinuousClock.now + $0 }
        return try await withThrowingTaskGroup(of: Mail.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await next() }
            group.addTask { try await tick(until: end) }
            while let mail = try await group.next() {
                switch mail {
                case .batch(let batch):
                    told = nil
                    for event in batch.events {
                        do {
                            if let line = try filter.line(for: event) { piece.writeBytes(line) }
                        } catch {
                            try await send(&piece, to: &writer, clock)
                            throw error
                        }
                        try await send(&piece, from: Self.pieceBytes, to: &writer, clock)
                    }
                    revision = max(revision, batch.revision)
                    if batch.events.isEmpty, bookmarks { piece.writeImmutableBuffer(bookmark(revision)) }
                    try await send(&piece, to: &writer, clock)
                    told = revision
                    group.addTask { try await next() }
                case .failed(let refusal): throw refusal
                case .tick:
                    if bookmarks { piece = bookmark(revision) }
                    try await send(&piece, to: &writer, clock)
                    group.addTask { try await tick(until: end) }
                case .over: return bookmarks ? bookmark(revision) : nil
                }
            }
            return nil
        }
    }

    /// Sends whole lines, so that the client can be told why when the next ones do not get through.
    private func send(
        _ piece: inout ByteBuffer, from bytes: Int = 1, to writer: inout any ResponseBodyWriter, _ clock: WriteClock
    ) async throws {
        guard piece.readableBytes >= bytes else { return }
        let lines = piece
        piece = ByteBuffer()
        try await clock.time { try await writer.write(lines) }
    }

    private func bookmark(_ revision: Revision) -> ByteBuffer {
        ByteBuffer(bytes: RecordFilter.bookmark(kind: kind, revision))
    }

    private func error(_ refusal: Refusal) throws -> ByteBuffer {
        ByteBuffer(bytes: RecordFilter.line("ERROR", try Wire.encode(refusal.status)))
    }

    /// One batch. The store's watch is a cursor that moves on only when it is asked.
    private func next() async throws -> Mail {
        do {
            var cursor = changes.makeAsyncIterator()
            guard let batch = try await cursor.next() else {
                try Task.checkCancellation()
                return .failed(Refusal(.unavailable("the watch has ended")))
            }
            return .batch(batch)
        } catch let error as CancellationError {
            throw error
        } catch {
            return .failed(Refusal(any: error))
        }
    }

    /// Tells that time passes: both sides notice by it when the other is gone.
    private func tick(until end: ContinuousClock.Instant?) async throws -> Mail {
        let next = ContinuousClock.now + bookmarkInterval
        try await Task.sleep(until: min(next, end ?? next), clock: .continuous)
        if let end, ContinuousClock.now >= end { return .over }
        return .tick
    }
}
