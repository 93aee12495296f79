import API
import Chainfire
import Foundation
import Host
import Kinds
import Logging
import PKI
import Reconcile
import Resource
import ServiceLifecycle
import Store

/// The server: store, API, drivers and controllers under one service group. The only place where
/// the parts of the house are put together.
struct Daemon {
    var directory: DataDirectory
    /// Where the desired state is kept; nil: in a Chainfire of its own below the data directory.
    var remoteStore: RemoteStore?
    /// Where HTTPS is served; nil serves the Unix socket only.
    var listen: ListenAddress?
    var logger: Logger
    /// What `/metrics` shows.
    var exposition: Exposition
    /// The Host that this machine is.
    var host = Daemon.hostName()

    /// Runs until SIGTERM or SIGINT, or until a part fails. Machines are left running.
    /// - Parameter beside: run once everything has started; when it throws, the server stops.
    func run(beside body: (@Sendable () async throws -> Void)? = nil) async throws {
        EarlyEnd.isFine()
        try prepareDirectory()
        DescriptorLimit.raise(logger)
        let time = SystemTime()
        let processes = SystemProcesses()
        let home = try openStore(time)
        let store = home.store
        let mirror = Mirror(store: store, kinds: Catalog.table, time: time, logger: logger)
        let drivers = Drivers(directory: directory.path, host: host, store: store, processes: processes, time: time, logger: logger)
        do { try await drivers.prepare() } catch { logger.warning("machines cannot be installed", metadata: ["why": "\(error)"]) }
        let workshop = Workshop(
            mirror: mirror, store: store, time: time, kinds: Catalog.table, footing: Footing(drivers.loops(performs: false)), logger: logger)
        let hooks = Hooks(
            reconciledKinds: Catalog.reconciled,
            // As DeleteCommand has it: a certificate whose node is seen to stay is not revoked.
            leavingFirst: [Node.name], check: { Catalog.check($0, beside: $1) },
            // The differ gets loops without performers: it could not change anything if it wanted to.
            diff: Judgement(differ: Differ(drivers.loops(performs: false, looksAnew: true)), mirror: mirror, store: store).diff,
            unreadiness: { mirror.isSynced ? [] : ["the records are still being read from the store"] },
            log: { [drivers] reference in
                if let installation = mirror.ledger[reference] as? Resource<Installation> {
                    return LogSource(path: drivers.log(of: installation))
                }
                return Self.machineName(reference, mirror.ledger).map { LogSource(path: drivers.hypervisor.files(of: $0).serialLog) }
            },
            metrics: { [exposition] in exposition.text() }, version: VersionInfo(version: Plasma.version))
        let httpsKeeper = try httpsKeeper(time)
        let server = Server(
            Server.Configuration(socketPath: directory.socket, https: try https(httpsKeeper)), store: store, kinds: Catalog.table, hooks: hooks,
            logger: logger,
            onListening: { [logger] listening in
                logger.info("listening", metadata: [
                    "socket": "\(listening.socketPath)", "https": "\(listening.httpsPort.map { "port \($0)" } ?? "off")",
                ])
            })

        var parts: [ServiceGroupConfiguration.ServiceConfiguration] = home.services.map { .init(service: $0) } + [.init(service: mirror)]
        parts += drivers.services.map { .init(service: $0) }
        parts.append(.init(service: Janitor(store: store, time: time, logger: logger)))
        parts.append(.init(service: LocalHost(name: host, store: store, time: time, logger: logger)))
        parts += drivers.loops(performs: true).map { .init(service: $0.controller(workshop)) }
        if let httpsKeeper { parts.append(.init(service: httpsKeeper)) }
        // Last to start and first to stop: nobody is served by half a server.
        parts.append(.init(service: server))
        if let body {
            parts.append(.init(service: Errand(body: body), successTerminationBehavior: .ignore, failureTerminationBehavior: .gracefullyShutdownGroup))
        }
        var configuration = ServiceGroupConfiguration(
            services: parts, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(30)
        // A part that failed must not leave a process that serves nobody: the next start recovers.
        configuration.maximumCancellationDuration = .seconds(15)
        logger.info("starting", metadata: [
            "data": "\(directory.path)", "host": "\(host)", "socket": "\(directory.socket)", "store": "\(remoteStore?.description ?? "embedded")",
        ])
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped; machines keep running")
    }

    /// The store, and what must run for it.
    private func openStore(_ time: any Time) throws -> (store: any Store, services: [any ServiceLifecycle.Service]) {
        if let remoteStore {
            return try remoteStore.open(for: StoreClaim.Holder(host: host, directory: directory.path), logger: logger)
        }
        let chainfire = try Chainfire.open(directory: directory.path + "/chainfire", time: time, disk: SystemDisk(), logger: logger)
        return (chainfire, [chainfire])
    }

    private func prepareDirectory() throws {
        guard directory.socket.utf8.count < 108 else {
            throw Failure("the data directory \(directory.path) is too deep: its socket's path has \(directory.socket.utf8.count) bytes, and 107 are the most")
        }
        do {
            try FileManager.default.createDirectory(
                atPath: directory.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure("the data directory \(directory.path) cannot be made: \(error.localizedDescription)")
        }
    }

    private var httpsFolder: String { directory.path + "/api" }

    private func httpsKeeper(_ time: any Time) throws -> HTTPSKeeper? {
        guard let listen else { return nil }
        // A wildcard address is no name that a client could use.
        let names = [host] + (["0.0.0.0", "::"].contains(listen.host) ? [] : [listen.host])
        return try HTTPSKeeper(folder: httpsFolder, names: names, time: time, logger: logger)
    }

    private func https(_ keeper: HTTPSKeeper?) throws -> Server.HTTPS? {
        guard let listen, let keeper else { return nil }
        let token = try Token.load(httpsFolder + "/token")
        logger.info("https is wanted", metadata: ["address": "\(listen)", "ca": "\(httpsFolder)/ca.crt", "token": "\(httpsFolder)/token"])
        return Server.HTTPS(
            host: listen.host, port: listen.port, certificate: keeper.certificate, tokens: [BearerToken(name: "admin", token: token)])
    }

    /// The VirtualMachine whose console an object's log is.
    private static func machineName(_ reference: Reference, _ ledger: Ledger) -> String? {
        switch reference.kind {
        case VirtualMachine.name: ledger[reference] == nil ? nil : reference.name
        // A node's machine bears its name.
        case Node.name: ledger[Reference(VirtualMachine.self, reference.name)] == nil ? nil : reference.name
        default: nil
        }
    }

    /// The machine's own name, as an object may be named.
    static func hostName() -> String {
        let name = ProcessInfo.processInfo.hostName.split(separator: ".").first.map { $0.lowercased() } ?? ""
        let plain = name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        let trimmed = String(plain).trimmingCharacters(in: CharacterSet(charactersIn: "-"))
        return trimmed.isEmpty ? "localhost" : String(trimmed.prefix(63))
    }
}

/// `host:port` of `--listen`.
struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    var host: String
    var port: Int

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port) else { return nil }
        host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = port
        if host.isEmpty { return nil }
    }

    var description: String { "\(host):\(port)" }
}

/// Something to do once the server runs.
private struct Errand: ServiceLifecycle.Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await body() }
        } catch is CancellationError {
            // Somebody stopped the server while it waited: that is an end, not a failure.
        }
    }
}
