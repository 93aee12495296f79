import Store
import Synchronization

/// What a watcher is told at once: all its events of one or more whole revisions, in order. One object for all
/// watchers that want the same and are equally far, so that a face encodes it once for all of them.
package final class WatchPage: Sendable {
    /// Everything up to here is told.
    package let revision: Revision
    package let events: [Event]
    /// Of its events, with what was before them.
    package let approximateBytes: Int
    private let encodings = Mutex<[(slot: Int, bytes: [UInt8])]>([])

    init(revision: Revision, events: [Event]) {
        self.revision = revision
        self.events = events
        approximateBytes = events.reduce(0) { $0 + $1.approximateBytes }
    }

    /// What `make` made of it for this slot, a number that the caller gives to each way of encoding: made by whoever
    /// asks first.
    package func encoded(_ slot: Int, _ make: () -> [UInt8]) -> [UInt8] {
        encodings.withLock { encodings in
            if let known = encodings.first(where: { $0.slot == slot }) { return known.bytes }
            let bytes = make()
            encodings.append((slot, bytes))
            return bytes
        }
    }
}

package struct WatcherOptions: Hashable, Sendable {
    /// Leaves out puts, or deletes (etcd `WatchCreateRequest.FilterType`).
    package var noPut: Bool
    package var noDelete: Bool

    package init(noPut: Bool = false, noDelete: Bool = false) {
        self.noPut = noPut
        self.noDelete = noDelete
    }
}

/// What a watcher wants to be told.
struct Interest: Hashable, Sendable {
    var range: KeyRange
    var options = WatcherOptions()

    init(_ range: KeyRange, _ options: WatcherOptions = WatcherOptions()) {
        self.range = range
        self.options = options
    }

    func wants(_ event: Event) -> Bool { allows(event) && range.contains(event.key) }

    /// Its range aside.
    func allows(_ event: Event) -> Bool {
        switch event {
        case .put: !options.noPut
        case .delete: !options.noDelete
        }
    }
}
