package enum Event: Hashable, Sendable {
    case put(Entry, previous: Entry?)
    /// `modRevision` of the tombstone is the revision of the delete.
    case delete(Key, modRevision: Revision, previous: Entry?)

    package var key: Key {
        switch self {
        case .put(let entry, _): entry.key
        case .delete(let key, _, _): key
        }
    }

    package var revision: Revision {
        switch self {
        case .put(let entry, _): entry.modRevision
        case .delete(_, let revision, _): revision
        }
    }
}

/// All events of one or more whole revisions, in order. Empty `events` is a bookmark: everything
/// up to `revision` has been told.
package struct WatchBatch: Hashable, Sendable {
    package var revision: Revision
    package var events: [Event]

    package init(revision: Revision, events: [Event]) {
        self.revision = revision
        self.events = events
    }
}

/// A watch: an asynchronous sequence that ends when its task is cancelled, and throws `StoreError`
/// when it cannot go on. To resume, watch from the last batch's `revision` + 1.
package struct Watch: AsyncSequence, Sendable {
    package typealias Element = WatchBatch
    private let stream: AsyncThrowingStream<WatchBatch, any Error>

    package init(_ stream: AsyncThrowingStream<WatchBatch, any Error>) { self.stream = stream }

    package func makeAsyncIterator() -> AsyncThrowingStream<WatchBatch, any Error>.Iterator {
        stream.makeAsyncIterator()
    }
}
