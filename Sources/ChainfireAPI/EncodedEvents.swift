import Etcd
import Foundation
import SwiftProtobuf

/// A watch answer whose events are bytes already: its own head, and behind it what all watchers of a page share.
/// Protobuf allows that: the fields of a message may be written one after the other (Protocol Buffers, "Encoding",
/// on concatenation). It can only be sent as protobuf.
struct EncodedEvents: Message {
    static let protoMessageName = Etcdserverpb_WatchResponse.protoMessageName

    var head = Etcdserverpb_WatchResponse()
    var events = Data()
    var unknownFields = UnknownStorage()

    init() {}

    init(head: Etcdserverpb_WatchResponse, events: [UInt8]) {
        self.head = head
        self.events = Data(events)
    }

    mutating func decodeMessage<D: Decoder>(decoder: inout D) throws { try head.decodeMessage(decoder: &decoder) }

    func traverse<V: Visitor>(visitor: inout V) throws {
        try head.traverse(visitor: &visitor)
        try visitor.visitUnknown(bytes: events)
    }

    func isEqualTo(message: any Message) -> Bool { (message as? Self).map { $0 == self } ?? false }
    func hash(into hasher: inout Hasher) {
        head.hash(into: &hasher)
        events.hash(into: &hasher)
    }

    static func == (a: Self, b: Self) -> Bool { a.head == b.head && a.events == b.events }
}
