import Dispatch
import Logging
import NIOCore
import NIOSSL

/// All connections with all members. Lives on the transport's event loop.
final class PeerHub {
    struct Ears {
        var admit: @Sendable (PeerHello) -> PeerRefusal?
        var refused: @Sendable (PeerRefusal) -> Void
        var met: @Sendable (UInt64) -> Void
        var receive: @Sendable ([PeerMessage]) -> Void
        var lost: @Sendable (UInt64) -> Void
    }

    let loop: any EventLoop
    let options: PeerTransportOptions
    let tally: PeerTally
    let logger: Logger
    let admissions: DispatchQueue
    private let directory: PeerDirectory
    private let tls: TLSReloader?
    private let session = UInt64.random(in: 1 ... .max)
    private(set) var identity: PeerIdentity?
    private(set) var ears: Ears?
    private(set) var isStopped = false
    private var named: [UInt64: Peer] = [:]
    private(set) var links: [UInt64: PeerLink] = [:]
    private var connections: [UInt64: PeerConnection] = [:]
    /// Accepted and not introduced, the oldest first.
    private var strangers: [UInt64] = []
    private var numbers: UInt64 = 0
    /// What was last said of whom who was refused; said once.
    private var refusals: [String: String] = [:]

    init(
        loop: any EventLoop, options: PeerTransportOptions, directory: PeerDirectory, tls: TLSReloader?, tally: PeerTally,
        admissions: DispatchQueue, logger: Logger
    ) {
        self.loop = loop
        self.options = options
        self.directory = directory
        self.tls = tls
        self.tally = tally
        self.admissions = admissions
        self.logger = logger
    }

    func start(_ identity: PeerIdentity, _ ears: Ears) {
        precondition(self.identity == nil, "a transport was started twice")
        self.identity = identity
        self.ears = ears
        setPeers(named.values.sorted { $0.id < $1.id })
        tick()
    }

    func stop() {
        isStopped = true
        ears = nil
        for link in links.values { link.stop() }
        links = [:]
        for connection in Array(connections.values) { connection.close(quietly: true) }
    }

    /// What cannot be read could be anybody's.
    func isRevoked(_ certificate: PeerCertificate) -> Bool {
        guard let lists = tls?.current.revoked, lists.count > 0 else { return false }
        return certificate.fields.map(lists.name) ?? true
    }

    /// After the lists have changed: who is named now does not stay for having come before.
    func dropRevoked() {
        for connection in connections.values.sorted(by: { $0.number < $1.number }) where connection.certificate.map(isRevoked) == true {
            tell(who(connection.peer), "\(who(connection.peer)) at \(connection.remote): its certificate was revoked")
            connection.close(quietly: false)
        }
    }

    func setPeers(_ peers: [Peer]) {
        guard !isStopped else { return }
        let before = named
        named = Dictionary(peers.map { ($0.id, $0) }) { _, later in later }
        guard let identity else { return }
        named[identity.member] = nil
        for peer in named.values.sorted(by: { $0.id < $1.id }) { link(peer.id).dial(at: peer.addresses, self) }
        for id in before.keys.sorted() where named[id] == nil {
            directory.remove(id)
            links.removeValue(forKey: id)?.stop()
        }
    }

    func link(_ peer: UInt64) -> PeerLink {
        if let link = links[peer] { return link }
        let link = PeerLink(peer: peer, queues: directory.add(peer))
        links[peer] = link
        return link
    }

    func connection(_ number: UInt64) -> PeerConnection? { connections[number] }

    func greeting(to peer: UInt64, _ lane: Lane) -> Greeting {
        guard let identity else { preconditionFailure("a greeting before the start") }
        let hello = PeerHello(cluster: identity.cluster, from: identity.member, to: peer, incarnation: identity.incarnation)
        return Greeting(lane: lane, hello: hello, session: session)
    }

    /// - Throws: when the host's name cannot stand in a certificate.
    func install(on channel: any Channel, dialer: PeerDialer?) throws {
        numbers += 1
        var handler: NIOSSLHandler?
        if let tls {
            if let dialer {
                let host = dialer.dialled?.host
                let isAddress = host.map { (try? SocketAddress(ipAddress: $0, port: 0)) != nil } ?? true
                handler = try NIOSSLClientHandler(context: tls.current.client, serverHostname: isAddress ? nil : host)
            } else {
                handler = NIOSSLServerHandler(context: tls.current.server)
            }
        }
        let connection = PeerConnection(number: numbers, hub: self, dialer: dialer, tls: handler)
        if let handler { try channel.pipeline.syncOperations.addHandler(handler) }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// - Returns: false when the connection is of no use.
    func opened(_ connection: PeerConnection) -> Bool {
        guard !isStopped, identity != nil else { return false }
        if let dialer = connection.dialer {
            guard dialer.opened(connection) else { return false }
            connections[connection.number] = connection
            return true
        }
        connections[connection.number] = connection
        strangers.append(connection.number)
        if strangers.count > options.strangersMax, let oldest = self.connection(strangers.removeFirst()) {
            tally.noteGarbage()
            oldest.close(quietly: true)
        }
        return true
    }

    /// Both sides agree.
    func cameUp(_ connection: PeerConnection) {
        tally.noteConnected()
        strangers.removeAll { $0 == connection.number }
        let link = link(connection.peer)
        refusals[who(connection.peer)] = nil
        if connection.lane == .raft {
            if link.isUp, link.session != connection.session {
                broke(link, except: connection, because: "its process started anew")
            }
            link.session = connection.session
            link.isUp = true
            link.queues.isConnected.store(true, ordering: .relaxed)
            ears?.met(connection.peer)
        }
        if let dialer = connection.dialer {
            dialer.cameUp(connection)
        } else {
            let before = link.inbound.updateValue(connection, forKey: connection.lane)
            if before !== connection { before?.close(quietly: true) }
        }
        let oldest = NIODeadline.now() - TimeAmount(options.waitMax)
        let most = options.queueBytesMax
        tally.noteDropped(
            link.queues.with(connection.lane) { outbox in
                outbox.bytesMax = most
                return outbox.forget(before: oldest)
            })
        drain(link)
    }

    func closed(_ connection: PeerConnection, _ before: PeerConnection.Stage) {
        guard connections.removeValue(forKey: connection.number) != nil else { return }
        strangers.removeAll { $0 == connection.number }
        if let link = links[connection.peer] {
            if link.inbound[connection.lane] === connection { link.inbound[connection.lane] = nil }
            if before == .up, connection.lane == .raft, !connection.isQuiet {
                broke(link, because: connection.reason ?? "it was closed")
            }
        }
        connection.dialer?.closed(connection)
    }

    func receive(_ messages: [PeerMessage], bytes: Int) {
        tally.noteReceived(messages: messages.count, bytes: bytes)
        if !messages.isEmpty { ears?.receive(messages) }
    }

    func hasWaiting(_ peer: UInt64, _ lane: Lane) -> Bool {
        links[peer].map { !$0.queues.with(lane) { $0.isEmpty } } ?? false
    }

    func drainAll() {
        for link in links.values { drain(link) }
    }

    func drain(_ peer: UInt64) {
        if let link = links[peer] { drain(link) }
    }

    private func drain(_ link: PeerLink) {
        for lane in Lane.allCases {
            guard let connection = link.route(lane) else {
                if lane == .bulk, hasWaiting(link.peer, .bulk) { link.dialers[.bulk]?.want() }
                continue
            }
            var messages = 0
            var bytes = 0
            while connection.isWritable, let piece = link.queues.with(lane, { $0.take() }) {
                messages += piece.messages
                bytes += piece.bytes.readableBytes
                connection.write(piece.bytes)
            }
            guard messages > 0 else { continue }
            tally.noteSent(messages: messages, bytes: bytes)
            if lane == .bulk { link.dialers[.bulk]?.want() }
        }
    }

    /// A connection of Raft's own broke. The other one to the same member is given up with it, so that there is
    /// one break to tell of and one beginning.
    private func broke(_ link: PeerLink, except survivor: PeerConnection? = nil, because reason: String) {
        guard link.isUp else { return }
        link.isUp = false
        link.queues.isConnected.store(false, ordering: .relaxed)
        for connection in link.raftConnections where connection !== survivor { connection.close(quietly: true) }
        let most = options.queueBytesMaxUnconnected
        tally.noteDropped(
            link.queues.with(.raft) { outbox in
                outbox.bytesMax = most
                return outbox.forget()
            })
        tally.noteDropped(link.queues.with(.bulk) { $0.forget() })
        guard let ears else { return }
        tally.noteLost()
        logger.info("the connection to \(who(link.peer)) broke: \(reason)")
        ears.lost(link.peer)
    }

    func disconnect(_ peer: UInt64) {
        if let link = links[peer] { broke(link, because: "it must introduce itself anew") }
        for connection in Array(connections.values) where connection.peer == peer { connection.close(quietly: true) }
    }

    private func tick() {
        guard !isStopped else { return }
        for connection in Array(connections.values) { connection.tick() }
        for link in links.values { link.dialers[.bulk]?.tick() }
        loop.assumeIsolated().scheduleTask(in: TimeAmount(options.pingInterval)) { self.tick() }
    }

    func who(_ peer: UInt64) -> String { "member \(String(peer, radix: 16))" }

    /// Says why somebody is refused, unless it was the last that was said of them.
    func tell(_ refused: String, _ text: String) {
        if refusals.count >= 64 { refusals = [:] }
        guard refusals.updateValue(text, forKey: refused) != text else { return }
        logger.warning("\(text)")
    }
}
