import Chainfire
import Etcd
import GRPC
import NIOCore
import Store

/// Events on their way to the watchers of one stream, gathered so that they leave in one piece.
///
/// What all watchers are told alike is encoded once: a message is its header, the watcher's id and the events, one after the
/// other, which protobuf allows (Protocol Buffers, "Encoding", on concatenation).
struct WatchBundle {
    /// When there is more than this it is sent.
    static let bytesMax = 64 << 10

    private var bytes = ByteBuffer()
    /// The header of a revision, as its field's bytes.
    private var header: (header: Header, revision: Revision, bytes: [UInt8])?
    /// The events that came last, as their fields' bytes: the next watcher's are often the same.
    private var last: (events: EventsToSend, bytes: [UInt8])?

    var isFull: Bool { bytes.readableBytes >= Self.bytesMax }

    mutating func append(_ header: Header, _ revision: Revision, watchID: Int64, _ events: EventsToSend) {
        let head = encoded(header, revision)
        let events = encoded(events)
        // Field 2, a varint; 0 is left out.
        let id = UInt64(bitPattern: watchID)
        let idBytes = id == 0 ? 0 : 1 + varintBytes(id)
        bytes.reserveCapacity(minimumWritableBytes: 5 + head.count + idBytes + events.count)
        bytes.writeFramed(count: head.count + idBytes + events.count)
        bytes.writeBytes(head)
        if id != 0 {
            bytes.writeInteger(UInt8(0x10))
            writeVarint(id)
        }
        bytes.writeBytes(events)
    }

    /// All that was gathered, framed; nil when there is nothing.
    mutating func take() -> ByteBuffer? {
        guard bytes.readableBytes > 0 else { return nil }
        defer {
            bytes = ByteBuffer()
            last = nil
        }
        return bytes
    }

    private mutating func encoded(_ events: EventsToSend) -> [UInt8] {
        if let last, last.events.page === events.page, last.events.withPrevious == events.withPrevious { return last.bytes }
        let bytes = events.encoded
        last = (events, bytes)
        return bytes
    }

    private mutating func encoded(_ header: Header, _ revision: Revision) -> [UInt8] {
        if let known = self.header, known.header == header, known.revision == revision { return known.bytes }
        let bytes = Etcdserverpb_WatchResponse.with { $0.header = .init(header, revision: revision) }.encoded
        self.header = (header, revision, bytes)
        return bytes
    }

    private func varintBytes(_ number: UInt64) -> Int { (max(1, 64 - number.leadingZeroBitCount) + 6) / 7 }

    private mutating func writeVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.writeInteger(UInt8(rest))
    }
}

extension Etcdserverpb_WatchResponse {
    var encoded: [UInt8] {
        do { return try serializedBytes() } catch {
            // Only missing required fields can fail, and proto3 has none.
            preconditionFailure("a watch message cannot be encoded: \(error)")
        }
    }
}
