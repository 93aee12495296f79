import API
import Chainfire
import ChainfireAPI
import Foundation
import GRPC
import Host
import Logging
import Replica
import ServiceLifecycle

/// One member: the store, its peers' port and its clients' port under one service group.
struct MemberProcess {
    var configuration: MemberConfiguration
    var exposition: Exposition
    var logger: Logger
    private let manager = ServiceManager()

    init(configuration: MemberConfiguration, exposition: Exposition, logger: Logger) {
        self.configuration = configuration
        self.exposition = exposition
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT, or until it fails.
    func run() async throws {
        // Nothing of it is for others: not even SQLite's files, in a directory that others may read.
        umask(0o077)
        EarlyEnd.isFine()
        do throws(DiskError) { try SystemDisk().makeDirectory(configuration.directory) } catch {
            throw Failure("\(configuration.directory) cannot be made: \(error)")
        }
        let scratch = configuration.directory + "/scratch"
        DescriptorLimit.raise(logger)
        Heap.serveMany()
        let transport = try await openPeerPort()
        do {
            try await run(over: transport, scratch: scratch)
        } catch {
            transport.stop()
            throw error
        }
    }

    private func run(over transport: PeerTransport, scratch: String) async throws {
        let admission = Admission(configuration: configuration, logger: logger, manager: manager)
        let membership = try await admission.membership()
        let time = SystemTime()
        let store = try Chainfire.open(
            directory: configuration.directory, time: time, disk: SystemDisk(), options: configuration.storeOptions, membership: membership,
            transport: transport, logger: logger)
        try checkDirectory(of: store)
        for founder in configuration.moved(from: store.knownMembers) {
            logger.warning("\(founder.words)")
        }
        // Not before the directory is this process' alone.
        try makeEmpty(scratch)
        let header = store.header
        let server = try ChainfireServer(
            store: store, options: serverOptions(scratch), time: time, logger: logger,
            onListening: { [configuration, logger, manager] listening in
                manager.tell(.ready, .status("serves clients on port \(listening.port)"))
                logger.notice("member \(configuration.name) serves", metadata: [
                    "clients": "\(configuration.advertiseClient.joined(separator: ","))", "port": "\(listening.port)",
                    "peers": "\(configuration.advertisePeer.joined(separator: ","))",
                    "metrics": "\(listening.metricsPort.map { "port \($0)" } ?? "at the clients' port")",
                    "member": "\(hex(header.memberID))", "cluster": "\(hex(header.clusterID))", "data": "\(configuration.directory)",
                ])
            })
        var group = ServiceGroupConfiguration(services: [.init(service: server)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(20)
        group.maximumCancellationDuration = .seconds(10)
        let settling = Task {
            try await store.founded()
            admission.settle()
        }
        defer { settling.cancel() }
        try await ServiceGroup(configuration: group).run()
        logger.notice("member \(configuration.name) stopped")
    }

    /// A member may be called otherwise than before, but not as another one: then this is that one's configuration, and not its directory.
    private func checkDirectory(of store: Chainfire) throws {
        let own = store.header.memberID, members = store.knownMembers
        guard let mine = members.first(where: { $0.id == own }) else { return }
        let advertised = Set(configuration.advertisePeer)
        guard let other = members.first(where: { other in
            other.id != own && (other.name == configuration.name && !["", configuration.name].contains(mine.name)
                || !advertised.isDisjoint(with: other.peerURLs) && advertised.isDisjoint(with: mine.peerURLs))
        }) else { return }
        throw Failure("""
            \(configuration.directory) is the directory of member \(hex(own)) (\(mine.name), \(mine.peerURLs.joined(separator: ", "))), but the configuration is of \
            member \(hex(other.id)) (\(other.name), \(other.peerURLs.joined(separator: ", "))) of the same cluster: give each its own data_dir
            """)
    }

    /// The peers' port is open before anybody is asked: members that begin together find each other sooner.
    private func openPeerPort() async throws -> PeerTransport {
        let listen = configuration.listenPeer
        var options = PeerTransportOptions(
            listen: PeerAddress(host: listen.host, port: listen.port),
            tls: configuration.peerTLS.map { TLSFiles(certificate: $0.certificate, key: $0.key, ca: $0.ca ?? "", crl: $0.crl) })
        options.allowedNames = configuration.peerTLS?.allowedNames ?? []
        let transport = try PeerTransport(options, logger: logger)
        _ = try await transport.listen()
        return transport
    }

    private func serverOptions(_ scratch: String) -> ChainfireServer.Options {
        var options = ChainfireServer.Options(scratchDirectory: scratch)
        options.host = configuration.listenClient.host
        options.port = configuration.listenClient.port
        options.tls = configuration.clientTLS.map { tls in
            let demand: ServerTLS.ClientCertificates =
                switch tls.clientAuthentication {
                case .none: .none
                case .optional: .optional
                case .required: .required
                }
            return ServerTLS(certificate: tls.certificate, key: tls.key, clientCA: tls.ca, clientCertificates: demand, clientCRL: tls.crl)
        }
        if let metrics = configuration.listenMetrics {
            options.metricsHost = metrics.host
            options.metricsPort = metrics.port
        }
        options.joinToken = configuration.joinToken
        options.metrics = { [exposition] in exposition.text() }
        return options
    }

    /// What was left there by a process that was killed is nobody's.
    private func makeEmpty(_ path: String) throws {
        let files = FileManager.default
        do {
            if files.fileExists(atPath: path) { try files.removeItem(atPath: path) }
            try files.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure("the directory \(path) cannot be made: \(error.localizedDescription)")
        }
    }
}

extension MemberConfiguration {
    /// A founding member whose place in `initial_peers` is not the one that the cluster knows.
    struct Moved: Hashable {
        var founder: Founder
        var known: [String]

        var words: String {
            """
            initial_peers has \(founder.name) at \(founder.peerURL), but the members know it at \(known.joined(separator: ", ")) and go on so: \
            initial_peers counts only where a cluster begins (`etcdctl member update` changes a member's address)
            """
        }
    }

    func moved(from members: [MemberRecord]) -> [Moved] {
        guard case .bootstrap(let founders) = beginning else { return [] }
        return founders.compactMap { founder in
            guard let known = members.first(where: { $0.name == founder.name })?.peerURLs, !known.contains(founder.peerURL) else { return nil }
            return Moved(founder: founder, known: known)
        }
    }

    var storeOptions: ChainfireOptions {
        var options = ChainfireOptions()
        options.cacheBytes = cacheBytes
        options.compaction = CompactionPolicy(keep: compactionKeep)
        options.quotaBytes = Int(quota)
        (options.name, options.clientURLs) = (name, advertiseClient)
        // As etcd: no lease may end within an election (etcd `minTTL`).
        options.leaseTTLMin = max(2, (2 * election.milliseconds + 999) / 1000)
        // Two ticks a heartbeat: a member hears a missing one soon enough.
        let tick = max(1, heartbeat.milliseconds / 2)
        options.log.tick = .milliseconds(tick)
        options.log.heartbeatTicks = 2
        options.log.electionTicks = Int(max(4, election.milliseconds / tick))
        options.log.leaseReads = leaseReads
        options.log.requestTicks = Int((5_000 + 2 * election.milliseconds) / tick)
        options.log.checkpointBytes = snapshotBytes
        return options
    }
}
