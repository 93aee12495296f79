import NIOCore

/// All that leads to and from one member. Lives on the transport's event loop.
final class PeerLink {
    let peer: UInt64
    let queues: PeerQueues
    /// Where it is dialled; empty for a member that came by itself and was never named.
    private(set) var addresses: [PeerAddress] = []
    private(set) var dialers: [Lane: PeerDialer] = [:]
    /// Connections that it dialled.
    var inbound: [Lane: PeerConnection] = [:]
    /// Which run of its process we last spoke with.
    var session: UInt64 = 0
    /// Raft may count on it; a break will be told.
    var isUp = false

    init(peer: UInt64, queues: PeerQueues) {
        self.peer = peer
        self.queues = queues
    }

    func dial(at addresses: [PeerAddress], _ hub: PeerHub) {
        guard addresses != self.addresses else { return }
        self.addresses = addresses
        for lane in Lane.allCases {
            let dialer = dialers[lane] ?? PeerDialer(peer: peer, lane: lane, hub: hub)
            dialers[lane] = dialer
            dialer.addresses = addresses
        }
        dialers[.raft]?.want()
    }

    func stop() {
        for lane in Lane.allCases {
            dialers[lane]?.stop()
            inbound[lane]?.close(quietly: true)
        }
        dialers = [:]
        addresses = []
    }

    /// What carries our messages now. A member that we cannot dial, or not yet, is answered where it asked.
    func route(_ lane: Lane) -> PeerConnection? {
        if let connection = dialers[lane]?.connection, connection.isUp { return connection }
        switch lane {
        case .raft: return inbound[.raft]
        // While it may still be dialled, a snapshot does not go before heartbeats.
        case .bulk: return dialers[.bulk].map(\.hasFailed) ?? true ? inbound[.bulk] ?? inbound[.raft] : nil
        }
    }

    /// Every connection for Raft's own messages.
    var raftConnections: [PeerConnection] {
        [dialers[.raft]?.connection, inbound[.raft]].compactMap(\.self).filter(\.isUp)
    }
}
