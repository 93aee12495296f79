import Chainfire
import Etcd
import Foundation
import Store
import SwiftProtobuf

/// The events of one page on their way to one watcher.
///
/// Watchers of the same range and options share a page, and its events' bytes with it (`WatchBundle`).
struct EventsToSend {
    let page: WatchPage
    let withPrevious: Bool

    /// As messages of their own, each with the head.
    /// - Parameter fragmentBytes: about the most bytes of one message; at least one event is in each. nil: one message.
    func messages(_ head: Etcdserverpb_WatchResponse, fragmentBytes: Int?) -> [Etcdserverpb_WatchResponse] {
        let parts = fragmentBytes.map(fragments) ?? [events]
        return parts.enumerated().map { number, part in
            var message = head
            message.fragment = number < parts.count - 1
            message.events = part
            return message
        }
    }

    /// The fields of one message that holds them all, made once for all watchers of the page.
    var encoded: [UInt8] { page.encoded(withPrevious ? 1 : 0) { Etcdserverpb_WatchResponse.with { $0.events = events }.encoded } }

    private var events: [Mvccpb_Event] { page.events.map { Mvccpb_Event($0, withPrevious: withPrevious) } }

    private func fragments(_ bytesMax: Int) -> [[Mvccpb_Event]] {
        var parts: [[Mvccpb_Event]] = [[]]
        var bytes = 0
        for event in events {
            // A tag, a length of up to five bytes, and the event.
            let size = 6 + event.approximateBytes
            if bytes + size > bytesMax, !parts[parts.count - 1].isEmpty {
                parts.append([])
                bytes = 0
            }
            parts[parts.count - 1].append(event)
            bytes += size
        }
        return parts
    }
}

extension Mvccpb_Event {
    init(_ event: Event, withPrevious: Bool) {
        self.init()
        switch event {
        case .put(let entry, let previous):
            kv = Mvccpb_KeyValue(entry)
            if withPrevious, let previous { prevKv = Mvccpb_KeyValue(previous) }
        case .delete(let key, let revision, let previous):
            type = .delete
            kv = .with {
                $0.key = Data(key.bytes)
                $0.modRevision = revision
            }
            if withPrevious, let previous { prevKv = Mvccpb_KeyValue(previous) }
        }
    }

    fileprivate var approximateBytes: Int {
        kv.key.count + kv.value.count + (hasPrevKv ? prevKv.key.count + prevKv.value.count + 64 : 0) + 64
    }
}
