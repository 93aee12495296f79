import Chainfire
import Etcd
import Foundation
import Store
import SwiftProtobuf

/// The events of one page on their way to one watcher.
///
/// Watchers of the same range and options share a page, and its events' bytes with it: a message is its own small head
/// and then those bytes (`EncodedEvents`).
struct EventsToSend {
    let page: WatchPage
    let withPrevious: Bool

    /// - Parameter fragmentBytes: about the most bytes of one message; at least one event is in each. nil: one message.
    func send(_ head: Etcdserverpb_WatchResponse, fragmentBytes: Int?, _ sink: any Sink) {
        if let fragmentBytes, page.events.count > 1 {
            let parts = fragments(fragmentBytes)
            if parts.count > 1 {
                for (number, part) in parts.enumerated() {
                    var message = head
                    message.fragment = number < parts.count - 1
                    message.events = part
                    sink.send(message)
                }
                return
            }
        }
        guard sink.isBinary else {
            var message = head
            message.events = messages
            return sink.send(message)
        }
        sink.send(EncodedEvents(head: head, events: page.encoded(withPrevious ? 1 : 0) { encodedEvents }))
    }

    private var messages: [Mvccpb_Event] { page.events.map { Mvccpb_Event($0, withPrevious: withPrevious) } }

    private var encodedEvents: [UInt8] {
        do {
            return try Etcdserverpb_WatchResponse.with { $0.events = messages }.serializedBytes()
        } catch {
            // Only missing required fields can fail, and proto3 has none.
            preconditionFailure("events cannot be encoded: \(error)")
        }
    }

    private func fragments(_ bytesMax: Int) -> [[Mvccpb_Event]] {
        var parts: [[Mvccpb_Event]] = [[]]
        var bytes = 0
        for event in messages {
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
