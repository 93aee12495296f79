import Bytes
import Causes
import Glibc
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// One port for gRPC over HTTP/2 and for HTTP/1.1, plain or over TLS: the first bytes of a connection tell which.
package final class PortServer: Sendable {
    private struct State {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
        var onEmpty: [CheckedContinuation<Void, Never>] = []
    }
    private let host: String
    private let port: Int
    private let tls: ServerTLSSource?
    private let router: Router
    private let http: HTTPHandler
    private let limits: Limits
    private let logger: Logger
    private let group: any EventLoopGroup
    let meters: PortMeters
    private let state = Mutex(State())

    /// - Parameters:
    ///   - port: 0 takes any that is free.
    ///   - http: answers HTTP/1.1 requests; called on an event loop, must not block.
    ///   - name: of the port, in metrics.
    /// - Throws: `PortError.tls` when the certificates cannot be used.
    package init(
        host: String, port: Int, tls: ServerTLS? = nil, router: Router, http: @escaping HTTPHandler = { $1.notFound() },
        limits: Limits = Limits(), name: String = "client", group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger
    ) throws(PortError) {
        self.host = host
        self.port = port
        if let tls { self.tls = try ServerTLSSource(tls, logger: logger) } else { self.tls = nil }
        self.router = router
        self.http = http
        self.limits = limits
        self.group = group
        self.logger = logger
        meters = PortMeters(name, limits)
    }

    /// Opens the port and answers its number. Connections are served until `stop`.
    package func start() async throws(PortError) -> Int {
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 4096)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                // A client whose machine is gone says nothing, and would keep its watches for ever.
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
                .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 10)
                .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 6)
                .childChannelOption(.allowRemoteHalfClosure, value: false)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
                }
                .bind(host: host, port: port).get()
            state.withLock { $0.listener = listener }
            watchLoad(listener.eventLoop)
            return listener.localAddress?.port ?? port
        } catch {
            throw .cannotListen("\(host):\(port)", explain(error))
        }
    }

    /// Takes no new connection or call, ends streaming calls with `Limits.stopping`, waits `Limits.stopWithin` for the
    /// others, and closes.
    package func stop() async {
        let (listener, connections) = state.withLock { state in
            state.isStopping = true
            return (state.listener, Array(state.connections.values))
        }
        try? await listener?.close()
        for channel in connections { channel.pipeline.fireUserInboundEventTriggered(PortStopping()) }
        let late = Task {
            try await Task.sleep(for: limits.stopWithin)
            for channel in state.withLock({ Array($0.connections.values) }) { channel.close(promise: nil) }
        }
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.connections.isEmpty { state.onEmpty.append(continuation) }
                return state.connections.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
        late.cancel()
    }

    /// While too much waits, every connection is looked at once a second.
    private func watchLoad(_ loop: any EventLoop) {
        let round = NIOLoopBoundBox<Int>.makeBoxSendingValue(0, eventLoop: loop)
        let revoked = NIOLoopBoundBox<RevocationLists>.makeBoxSendingValue(RevocationLists(), eventLoop: loop)
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { [weak self] task in
            guard let self, !self.state.withLock({ $0.isStopping }) else { return task.cancel() }
            self.dropRevoked(&revoked.value)
            // Two apart: a pause between two pressures is no round of either.
            round.value += self.meters.unsent.isOver ? 1 : 2
            guard self.meters.unsent.isOver else { return }
            let pressure = PortPressure(round: round.value)
            for channel in self.state.withLock({ Array($0.connections.values) }) {
                channel.pipeline.fireUserInboundEventTriggered(pressure)
            }
        }
    }

    /// Who is named by a list since the last look does not stay for having come before.
    private func dropRevoked(_ known: inout RevocationLists) {
        guard let lists = tls?.revoked, lists != known else { return }
        known = lists
        for channel in state.withLock({ Array($0.connections.values) }) {
            channel.eventLoop.execute { [meters, logger] in
                let pipeline = channel.pipeline.syncOperations
                guard pipeline.shows(someoneOf: lists) else { return }
                meters.refused.increment()
                logger.notice("a client's certificate was revoked", metadata: ["client": "\(pipeline.peerCertificate?.commonName ?? "")"])
                channel.close(promise: nil)
            }
        }
    }

    /// How many connections are open.
    package var connections: Int { state.withLock { $0.connections.count } }

    /// On the new connection's event loop.
    private func accept(_ channel: any Channel) throws {
        let key = ObjectIdentifier(channel)
        let isWelcome = state.withLock { state in
            guard !state.isStopping, state.connections.count < limits.connectionsMax else { return false }
            state.connections[key] = channel
            return true
        }
        guard isWelcome else {
            meters.refused.increment()
            channel.close(promise: nil)
            return
        }
        meters.connections.increment()
        channel.closeFuture.whenComplete { _ in self.left(key) }
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context)) }
        try pipeline.addHandler(FirstBytes(router: router, http: http, limits: limits, meters: meters, tls: tls))
    }

    private func left(_ key: ObjectIdentifier) {
        let waiting: [CheckedContinuation<Void, Never>] = state.withLock { state in
            state.connections[key] = nil
            guard state.connections.isEmpty else { return [] }
            defer { state.onEmpty = [] }
            return state.onEmpty
        }
        for continuation in waiting { continuation.resume() }
    }
}
