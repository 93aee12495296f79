import Chainfire
import GRPC
import Host
import Logging
import ServiceLifecycle

/// One member of a Chainfire cluster as its clients see it: gRPC, etcd's JSON gateway and plasma's own pages on one port,
/// metrics and health on another.
package final class ChainfireServer: Service {
    package struct Options: Sendable {
        package var host = "127.0.0.1"
        /// etcd's client port; 0 takes any that is free.
        package var port = 2379
        package var tls: ServerTLS?
        package var metricsHost = "127.0.0.1"
        /// Plain HTTP with `/metrics`, `/health`, `/livez`, `/readyz` and `/version` only; nil: no such port, 0: any.
        package var metricsPort: Int?
        /// The shared secret with which members join; nil: nobody can.
        package var joinToken: String?
        package var limits: Limits
        var watches = WatchService.Options()
        /// Where snapshots lie while they are sent to a client; it must exist.
        package var scratchDirectory: String
        /// What swift-metrics' backend has gathered, in Prometheus' text format.
        package var metrics: @Sendable () -> String = { "" }

        package init(scratchDirectory: String) {
            self.scratchDirectory = scratchDirectory
            limits = Limits()
            // A request of 2 MiB is a third larger in base64, and its JSON has names.
            limits.bodyBytesMax = 4 << 20
            limits.stopping = .stopped
            limits.overloaded = GRPCStatus(.resourceExhausted, "etcdserver: too many requests")
            // What etcd says of what it does not know.
            limits.unanswered = GRPCStatus(.unavailable, "etcdserver: request timed out")
        }
    }

    /// Where the server listens.
    package struct Listening: Hashable, Sendable {
        package var port: Int
        package var metricsPort: Int?
    }

    private let store: Chainfire
    private let options: Options
    private let logger: Logger
    private let errands = Errands()
    private let time: any Time
    private let leader: LeaderWatch
    private let clients: PortServer
    private let metrics: PortServer?
    private let onListening: @Sendable (Listening) async -> Void

    /// - Parameter onListening: called once, when all ports are open.
    /// - Throws: `PortError` when the certificates cannot be used.
    package init(
        store: Chainfire, options: Options, time: any Time, logger: Logger,
        onListening: @escaping @Sendable (Listening) async -> Void = { _ in }
    ) throws(PortError) {
        self.store = store
        self.options = options
        self.logger = logger
        self.onListening = onListening
        self.time = time
        leader = LeaderWatch { store.hasLeader }
        let health = Health(store: store)
        var endpoints = Self.endpoints(store, errands, health, leader, options, time)
        let boundsGuests = options.tls?.clientCertificates == .optional
        if boundsGuests { endpoints.boundGuests() }
        let face = HTTPFace(
            gateway: endpoints.gateway, health: health,
            admin: AdminPages(store: store, errands: errands, access: Access(joinToken: options.joinToken)),
            keys: KeyPages(store: store), metrics: MetricsPage(store: store, process: options.metrics), boundsGuests: boundsGuests)
        clients = try PortServer(
            host: options.host, port: options.port, tls: options.tls, router: endpoints.router,
            http: { face.serve($0, $1) }, limits: options.limits, name: "client", logger: logger)
        if let port = options.metricsPort {
            metrics = try PortServer(
                host: options.metricsHost, port: port, router: Router(), http: { face.servePage($0, $1) },
                limits: options.limits, name: "metrics", logger: logger)
        } else {
            metrics = nil
        }
    }

    private static func endpoints(
        _ store: Chainfire, _ errands: Errands, _ health: Health, _ leader: LeaderWatch, _ options: Options, _ time: any Time
    ) -> Endpoints {
        var endpoints = Endpoints(leader: leader)
        KVService(store: store, errands: errands).register(in: &endpoints)
        WatchService(store: store, options: options.watches).register(in: &endpoints)
        LeaseService(store: store, errands: errands).register(in: &endpoints)
        ClusterService(store: store, errands: errands).register(in: &endpoints)
        MaintenanceService(store: store, errands: errands, scratchDirectory: options.scratchDirectory, time: time).register(in: &endpoints)
        AuthService(store: store).register(in: &endpoints)
        LockService(store: store, errands: errands).register(in: &endpoints)
        ElectionService(store: store, errands: errands).register(in: &endpoints)
        HealthService(health: health, errands: errands, time: time).register(in: &endpoints)
        return endpoints
    }

    /// Runs the store and serves it until graceful shutdown or cancellation. Then leadership is handed over and writes
    /// under way are finished (`Chainfire.run`), streams end with "etcdserver: server stopped", and the ports close.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [store] in try await store.run() }
            group.addTask { [self] in try await serve() }
            defer { group.cancelAll() }
            // The store's end is the server's: its failure is thrown, its ordered end waits for the ports.
            while try await group.next() != nil {}
        }
    }

    private func serve() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [errands] in await errands.serve() }
            group.addTask { [leader, time] in await leader.run(time) }
            let port = try await clients.start()
            var listening = Listening(port: port)
            do {
                listening.metricsPort = try await metrics?.start()
            } catch {
                await clients.stop()
                throw error
            }
            logger.info("serving clients", metadata: [
                "port": "\(port)", "metrics": "\(listening.metricsPort.map(String.init) ?? "none")",
                "tls": "\(options.tls != nil)",
            ])
            await onListening(listening)
            // Also returns when the task is cancelled.
            try? await gracefulShutdown()
            group.cancelAll()
            await clients.stop()
            await metrics?.stop()
        }
    }
}
