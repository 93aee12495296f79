import Causes
import Dispatch
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Members speak over TCP, with TLS on both sides when there are certificates: one connection each way for
/// Raft's messages, and one for snapshots while there are any. One thread of its own serves them all, so that
/// heartbeats do not wait for clients.
package final class PeerTransport: Transport {
    private let options: PeerTransportOptions
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private let hub: NIOLoopBoundBox<PeerHub>
    private let directory: PeerDirectory
    private let tally = PeerTally()
    private let tls: TLSReloader?
    private let admissions = DispatchQueue(label: "plasma.peers.admission")
    private let files = DispatchQueue(label: "plasma.peers.files", qos: .utility)
    private let logger: Logger
    private let door = Mutex<(any Channel)?>(nil)
    /// The loop was told that something waits, and has not looked yet.
    private let isRoused = Atomic(false)
    private let isStopped = Atomic(false)

    /// Reads the certificate; `listen` and `start` come next.
    /// - Throws: `.tls` when a file of it cannot be used.
    package init(_ options: PeerTransportOptions, logger: Logger) throws(TransportError) {
        self.options = options
        self.logger = logger
        tls = if let files = options.tls { try TLSReloader(files, logger: logger) } else { nil }
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
        directory = PeerDirectory(options)
        hub = NIOLoopBoundBox.makeBoxSendingValue(
            PeerHub(
                loop: loop, options: options, directory: directory, tls: tls, tally: tally, admissions: admissions,
                logger: logger),
            eventLoop: loop)
    }

    deinit {
        if !isStopped.load(ordering: .relaxed) { group.shutdownGracefully { _ in } }
    }

    /// Opens the port. Who comes before `start` is sent away.
    /// - Returns: the port, when any was asked for.
    /// - Throws: `.cannotListen`.
    package func listen() async throws(TransportError) -> Int {
        let hub = hub
        let bootstrap = ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: Self.waterMark)
            .childChannelOption(.recvAllocator, value: Self.receiveSizes)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try hub.value.install(on: channel, dialer: nil) }
            }
        do {
            let channel = try await bootstrap.bind(host: options.listen.host, port: options.listen.port).get()
            door.withLock { $0 = channel }
            return channel.localAddress?.port ?? options.listen.port
        } catch {
            throw .cannotListen(options.listen, explain(error))
        }
    }

    package func start(
        _ identity: PeerIdentity, admit: @escaping @Sendable (PeerHello) -> PeerRefusal?,
        refused: @escaping @Sendable (PeerRefusal) -> Void, met: @escaping @Sendable (UInt64) -> Void,
        receive: @escaping @Sendable ([PeerMessage]) -> Void, lost: @escaping @Sendable (UInt64) -> Void
    ) {
        let hub = hub
        if options.tls == nil { logger.notice("members speak without TLS: whoever reaches the peer port can act as one") }
        if tls != nil { lookAgain() }
        loop.execute { hub.value.start(identity, PeerHub.Ears(admit: admit, refused: refused, met: met, receive: receive, lost: lost)) }
    }

    package func setPeers(_ peers: [Peer]) {
        let hub = hub
        loop.execute { hub.value.setPeers(peers) }
    }

    package func send(_ messages: [PeerMessage]) {
        let now = NIODeadline.now()
        var queues: PeerQueues?
        var dropped = 0
        for message in messages {
            if queues?.peer != message.to { queues = directory[message.to] }
            dropped += queues?.put(message, now: now) ?? 1
        }
        tally.noteDropped(dropped)
        guard dropped < messages.count, !isRoused.exchange(true, ordering: .acquiringAndReleasing) else { return }
        loop.execute {
            self.isRoused.store(false, ordering: .releasing)
            self.hub.value.drainAll()
        }
    }

    package func disconnect(_ member: UInt64) {
        let (hub, loop) = (hub, loop)
        // After what is being admitted right now.
        admissions.async { loop.execute { hub.value.disconnect(member) } }
    }

    package func isConnected(to member: UInt64) -> Bool { directory[member]?.isConnected.load(ordering: .relaxed) ?? false }

    package func stop() {
        guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        door.withLock { $0.take() }?.close(promise: nil)
        let hub = hub
        if loop.inEventLoop {
            hub.value.stop()
        } else {
            try? loop.submit { hub.value.stop() }.wait()
            admissions.sync {}
        }
        group.shutdownGracefully { _ in }
    }

    package var counts: PeerCounts { tally.now }

    /// Nil without TLS.
    package var certificate: TLSReloader? { tls }

    private func lookAgain() {
        loop.scheduleTask(in: TimeAmount(options.reloadInterval)) { [weak self, files] in
            files.async { [weak self] in
                guard let self, !self.isStopped.load(ordering: .relaxed) else { return }
                if self.tls?.look() == true {
                    let hub = self.hub
                    self.loop.execute { hub.value.dropRevoked() }
                }
                self.lookAgain()
            }
        }
    }

    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 256 << 10, high: 1 << 20)
    private static let receiveSizes = AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 16 << 10, maximum: 256 << 10)

    static func configured(_ bootstrap: ClientBootstrap) -> ClientBootstrap {
        bootstrap
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: waterMark)
            .channelOption(.recvAllocator, value: receiveSizes)
    }
}
