import CHost
import Foundation
import Glibc
import Host
import Logging
import Synchronization

/// Copies Ethernet frames between a TAP device and a multicast group, so that the host is on the segment of
/// QEMU's `-netdev socket,mcast=`: one frame per datagram, no header.
///
/// It owns the TAP device, which goes when the relay goes. It works on a thread of its own, for it blocks.
final class Relay: Sendable {
    let interface: String
    let group: MulticastGroup

    private struct State {
        var counters = RelayCounters()
        var fault: String?
        var hasEnded = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// A frame of the largest MTU with its header and a VLAN tag, and room to spare.
    private static let frameMax = 16 * 1024
    /// Frames of one direction before the other gets its turn.
    private static let burst = 64

    private let tap: Mutex<Descriptor?>
    private let tapNumber: Int32
    private let receiver: Descriptor
    private let sender: Descriptor
    private let wake: Descriptor
    /// Datagrams from this port of the group's local address are our own, come back from the group.
    private let ownPort: UInt16
    private let state = Mutex(State())

    /// Makes the TAP device; frames flow after `start`.
    init(interface: String, group: MulticastGroup) throws(SegmentError) {
        self.interface = interface
        self.group = group
        let tapNumber = chost_tap_open(interface, 0)
        if tapNumber == -EBUSY { throw .taken(interface: interface, by: "a TAP device that another process holds") }
        tap = Mutex(try Descriptor(tapNumber, "make the TAP device \(interface)"))
        self.tapNumber = tapNumber
        receiver = try Descriptor(
            chost_multicast_receiver(group.address, group.port, group.local), "join the multicast group \(group)")
        var port: UInt16 = 0
        sender = try Descriptor(
            chost_multicast_sender(group.address, group.port, group.local, &port), "send to the multicast group \(group)")
        ownPort = port
        wake = try Descriptor(chost_event(), "make an event descriptor")
    }

    func start(_ logger: Logger) {
        Thread.detachNewThread { [self] in
            let fault = copy()
            // The device is gone before anyone hears that the relay has ended.
            tap.withLock { $0 = nil }
            let waiting = state.withLock { state in
                state.fault = fault ?? "it was stopped"
                state.hasEnded = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
            if let fault { logger.error("the relay of \(interface) stopped: \(fault)") }
        }
    }

    /// Ends the thread and the TAP device with it; returns when both are gone. Does not heed cancellation: it
    /// is called when a task has been cancelled, and takes no longer than a frame.
    func stop() async {
        var one: UInt64 = 1
        write(wake.number, &one, 8)
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiting.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    var sight: RelaySight {
        state.withLock { RelaySight(group: group.description, fault: $0.fault, counters: $0.counters) }
    }

    /// - Returns: why it ended, `nil` when it was asked to.
    private func copy() -> String? {
        var frame = [UInt8](repeating: 0, count: Self.frameMax)
        while true {
            var watched = [tapNumber, receiver.number, wake.number].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if poll(&watched, nfds_t(watched.count), -1) < 0 {
                if errno == EINTR { continue }
                return "poll: \(errnoText(errno))"
            }
            if watched[2].revents != 0 { return nil }
            var counted = RelayCounters()
            let fault = (watched[0].revents != 0 ? sendFrames(&frame, &counted) : nil)
                ?? (watched[1].revents != 0 ? takeFrames(&frame, &counted) : nil)
            state.withLock { $0.counters += counted }
            if let fault { return fault }
        }
    }

    private func sendFrames(_ frame: inout [UInt8], _ counted: inout RelayCounters) -> String? {
        for _ in 0..<Self.burst {
            let count = read(tapNumber, &frame, frame.count)
            if count < 0 {
                if errno == EAGAIN || errno == EINTR { return nil }
                // EBADFD: the device was removed under us.
                return "\(interface) cannot be read: \(errnoText(errno))"
            }
            // A full or absent group loses frames as a wire does.
            if send(sender.number, frame, count, Int32(MSG_NOSIGNAL)) == count {
                counted.framesOut += 1
                counted.bytesOut += UInt64(count)
            } else {
                counted.dropped += 1
            }
        }
        return nil
    }

    private func takeFrames(_ frame: inout [UInt8], _ counted: inout RelayCounters) -> String? {
        for _ in 0..<Self.burst {
            var source: UInt32 = 0, port: UInt16 = 0
            let count = chost_receive(receiver.number, &frame, frame.count, &source, &port)
            if count < 0 {
                if count == -Int(EAGAIN) || count == -Int(EINTR) { return nil }
                return "group \(group) cannot be read: \(errnoText(Int32(-count)))"
            }
            if port == ownPort, source == group.local {
                counted.echoes += 1
            } else if write(tapNumber, frame, count) == count {
                counted.framesIn += 1
                counted.bytesIn += UInt64(count)
            } else {
                // Down, or shorter than an Ethernet header.
                counted.dropped += 1
            }
        }
        return nil
    }
}

extension RelayCounters {
    static func += (sum: inout RelayCounters, more: RelayCounters) {
        sum.framesOut += more.framesOut
        sum.bytesOut += more.bytesOut
        sum.framesIn += more.framesIn
        sum.bytesIn += more.bytesIn
        sum.echoes += more.echoes
        sum.dropped += more.dropped
    }
}
