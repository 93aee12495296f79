import CHost
import Host
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The boot servers of one network: their sockets, and the state that they share.
final class BootSegment: Sendable {
    let time: any Time
    let logger: Logger
    let artefacts: PinnedFiles
    let loaders: Loaders
    private let book: LeaseBook
    private let state: Mutex<BootState>
    /// Boot loaders by name: the host's, and those that the service pins.
    private let contents = Mutex<[String: [UInt8]]>([:]), pinned = Mutex<[String: [UInt8]]>([:])
    private let channels = Mutex<[any Channel]>([])
    private let faults = Mutex<(server: String?, advertisements: String?)>((nil, nil))
    private let connections = Mutex<(kept: [ObjectIdentifier: any Channel], isStopped: Bool)>(([:], false))
    /// The interface's number: one that was made anew under the same name has another.
    private let index: Int32
    private let tell: @Sendable (String) -> Void
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    /// For DHCP, TFTP and router advertisements of all segments: a machine whose few packets are not answered within seconds asks again or
    /// gives up, and must not wait behind the megabytes that others fetch by HTTP.
    private static let datagrams = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    static let connectionsMax = 2048

    init(
        _ service: BootService, loaders: Loaders, artefacts: PinnedFiles, book: LeaseBook, time: any Time, logger: Logger,
        tell: @escaping @Sendable (String) -> Void
    ) {
        var logger = logger
        logger[metadataKey: "network"] = "\(service.network)"
        self.logger = logger
        self.loaders = loaders
        self.artefacts = artefacts
        self.book = book
        self.time = time
        self.tell = tell
        index = chost_interface_index(service.interface)
        state = Mutex(BootState(service, leases: book.leases))
    }

    // What the handlers ask and tell

    var service: BootService { state.withLock { $0.service } }

    /// What was pinned is in memory; the host's own is read when it is asked for the first time.
    func loader(_ name: String) -> [UInt8]? {
        if service.loaders[name] != nil {
            let content = pinned.withLock { $0[name] }
            if content == nil { artefactFailed() }
            return content
        }
        return contents.withLock { contents in
            if contents[name] == nil { contents[name] = loaders.content(of: name) }
            return contents[name]
        }
    }

    /// Reads the boot loaders that a service pins, each only while it has its digest.
    /// - Throws: when one cannot be read, or has become another file since it was looked at.
    func readLoaders(of service: BootService) async throws(BootError) {
        var read: [String: [UInt8]] = [:]
        for case (let name, .pinned(let file)) in service.loaders {
            guard let bytes = await artefacts.bytes(of: file, bytesMax: Loaders.bytesMax) else {
                throw .system("read the boot loader \(file.path)", "it is gone, or has become another file")
            }
            read[name] = bytes
        }
        pinned.withLock { $0 = read }
    }

    func receive(_ packet: DHCPPacket, atProxyPort: Bool, from: (address: Address4, port: Int)) -> DHCPServer.Reply? {
        let ((reply, isNews), given) = state.withLock { state in
            let before = state.dhcp.given
            let step = state.receive(packet, atProxyPort: atProxyPort, from: from, now: time.now(), date: time.date())
            return (step, state.dhcp.given == before ? nil : state.dhcp.given)
        }
        if let given { book.keep(given) }
        if isNews { tellAll() }
        return reply
    }

    func mac(named: HardwareAddress?, at address: Address4?) -> HardwareAddress? { state.withLock { $0.mac(named: named, at: address) } }

    func note(_ phase: Timeline.Phase, of mac: HardwareAddress?) {
        let isNews = state.withLock { $0.note(phase, of: mac, now: time.now(), date: time.date()) }
        guard isNews, let mac else { return }
        logger.info("\(phase.rawValue)", metadata: ["mac": "\(mac)"])
        tellAll()
    }

    /// What came at `began` has its answer now. No news: it is told with the next phase.
    func noteAnswer(to mac: HardwareAddress?, since began: Instant) {
        guard let mac else { return }
        let wait = time.now() - began
        state.withLock { $0.noteAnswer(to: mac, after: wait) }
    }

    /// - Returns: false when there are as many as there may be.
    func enter(_ connection: any Channel) -> Bool {
        connections.withLock { connections in
            guard !connections.isStopped, connections.kept.count < Self.connectionsMax else { return false }
            connections.kept[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    func leave(_ connection: any Channel) { _ = connections.withLock { $0.kept.removeValue(forKey: ObjectIdentifier(connection)) } }

    /// What it serves holds no more; its answers that are under way come to their end.
    var isStopped: Bool { connections.withLock { $0.isStopped } }

    func failed(advertising why: String?) {
        let isNews = faults.withLock { faults in
            defer { faults.advertisements = why }
            return faults.advertisements != why
        }
        if isNews { tellAll() }
    }

    /// A file is gone or has changed: whoever looks next says which.
    func artefactFailed() { tellAll() }

    private func tellAll() { tell(service.name) }

    // What `BootServers` asks

    var sight: BootSight {
        let (server, advertisements) = faults.withLock { $0 }
        return state.withLock { state in
            let isSame = chost_interface_index(state.service.interface) == index
            return BootSight(
                service: state.service, fault: server ?? (isSame ? nil : "its interface \(state.service.interface) was made anew"),
                advertisementFault: advertisements, machines: state.sight(now: time.now()), pending: state.pending)
        }
    }

    func change(to service: BootService) { state.withLock { $0.change(to: service) } }

    /// All or nothing, but for router advertisements: where there is no IPv6 there are none.
    func start() async throws {
        do {
            try await listen()
        } catch {
            await stop()
            throw error
        }
    }

    private func listen() async throws {
        let service = service
        let ports = service.ports
        // Beside another server both must hear the broadcasts; where ours is the only one a second is found here.
        try await datagrams(BootSocket(service.interface, .any, port: ports.dhcp, isShared: service.mode == .proxy)) {
            DHCPHandler(self, $0, atProxyPort: false)
        }
        try await datagrams(BootSocket(service.interface, service.server, port: ports.tftp)) { TFTPListener(self, $0) }
        try await http(service)
        if service.mode == .proxy {
            try await datagrams(BootSocket(service.interface, service.server, port: ports.proxy)) { DHCPHandler(self, $0, atProxyPort: true) }
        }
        do {
            try await datagrams(BootSocket(routerOn: service.interface), isVital: false) {
                RouterHandler(self, interface: service.interface, send: $0.sendToNodes)
            }
        } catch {
            logger.notice("no router advertisements", metadata: ["error": "\(error)"])
            failed(advertising: "\(error)")
        }
    }

    private func datagrams(
        _ socket: consuming BootSocket, isVital: Bool = true, _ handler: @escaping @Sendable (BootSender) -> some ChannelInboundHandler
    ) async throws {
        let descriptor = socket.take()
        let channel = try await DatagramBootstrap(group: Self.datagrams)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DHCPPacket.bytesMax + 1))
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler(BootSender(descriptor: descriptor))) } }
            .withBoundSocket(descriptor).get()
        watch(channel, isVital: isVital)
    }

    private func http(_ service: BootService) async throws {
        let place = SocketAddress(service.server, port: service.ports.http)
        let server = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(HTTPHandler(self))
                }
            }
        do {
            watch(try await server.bind(to: place).get(), isVital: true)
        } catch let error as IOError {
            if error.errnoCode == EADDRINUSE { throw BootError.taken(port: service.ports.http, interface: service.interface) }
            throw BootError.system("listen on \(service.url)", errnoText(error.errnoCode))
        }
    }

    private func watch(_ channel: any Channel, isVital: Bool) {
        channels.withLock { $0.append(channel) }
        channel.closeFuture.whenComplete { _ in
            let isStopped = self.channels.withLock { $0.isEmpty }
            guard isVital, !isStopped else { return }
            self.faults.withLock { $0.server = "one of its sockets was closed" }
            self.tellAll()
        }
    }

    func stop() async {
        let kept = connections.withLock { connections in
            connections.isStopped = true
            return Array(connections.kept.values)
        }
        // Those that are idle end now, the others with their answer.
        for connection in kept { connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let ending = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in ending { try? await channel.close().get() }
    }

    /// Where it really listens: for tests, which let the system choose.
    func port(_ index: Int) -> Int? { channels.withLock { $0.indices.contains(index) ? $0[index].localAddress?.port : nil } }
}
