import Foundation
import Hummingbird
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import Resource
import ServiceLifecycle
import Store

/// The HTTP face of the resources: Kubernetes' paths over a Unix socket and, if wanted, over HTTPS.
package struct Server: Service {
    package struct HTTPS: Sendable {
        package var host: String
        /// 0 takes any free port.
        package var port: Int
        package var certificate: HTTPSCertificate
        /// Without a token nobody is let in.
        package var tokens: [BearerToken]

        package init(host: String, port: Int, certificate: HTTPSCertificate, tokens: [BearerToken] = []) {
            self.host = host
            self.port = port
            self.certificate = certificate
            self.tokens = tokens
        }
    }

    package struct Configuration: Sendable {
        package var socketPath: String
        package var https: HTTPS?
        /// Idle watches tell a bookmark so often.
        package var bookmarkInterval: Duration
        /// A connection on which nothing is asked is closed then; a client of ours lets go of one after a minute.
        package var idleMax: Duration

        package init(socketPath: String, https: HTTPS? = nil, bookmarkInterval: Duration = .seconds(15), idleMax: Duration = .seconds(90)) {
            self.socketPath = socketPath
            self.https = https
            self.bookmarkInterval = bookmarkInterval
            self.idleMax = idleMax
        }
    }

    /// Where the server listens.
    package struct Listening: Hashable, Sendable {
        package var socketPath: String
        package var httpsPort: Int?
    }

    private let configuration: Configuration
    private let objects: Objects
    private let hooks: Hooks
    private let logger: Logger
    private let onListening: @Sendable (Listening) async -> Void

    /// - Parameter onListening: called once, when all doors are open.
    package init(
        _ configuration: Configuration, store: any Store, kinds: KindTable, hooks: Hooks, logger: Logger,
        onListening: @escaping @Sendable (Listening) async -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.hooks = hooks
        self.logger = logger
        self.onListening = onListening
        objects = Objects(store: store, kinds: kinds, reconciledKinds: hooks.reconciledKinds, leavingFirst: hooks.leavingFirst)
    }

    /// Serves until graceful shutdown or cancellation; then ends all watches and takes the socket's file away.
    /// - Throws: `ServerError` when a door cannot be opened.
    package func run() async throws {
        let file = try SocketFile(claiming: configuration.socketPath)
        defer { file.remove() }
        // The process's own loops: they outlive the last connection that is let go of.
        try await serve(file, .singleton)
    }

    private func serve(_ file: SocketFile, _ loops: MultiThreadedEventLoopGroup) async throws {
        let (opened, open) = AsyncStream.makeStream(of: Opened.self)
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let idleMax = TimeAmount(configuration.idleMax)
        let local = Application(
            responder: responder(.socket), server: .http1(configuration: .init(idleTimeout: idleMax)),
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: file.temporaryPath), serverName: "plasma"),
            onServerRunning: { _ in open.yield(.socket) }, eventLoopGroupProvider: .shared(loops), logger: quiet)
        var remote: Application<Responder>?
        if let https = configuration.https {
            remote = Application(
                responder: responder(.https(TokenCheck(tokens: https.tokens))),
                server: try .tls(.http1(configuration: .init(idleTimeout: idleMax)), tlsConfiguration: https.certificate.configuration),
                configuration: ApplicationConfiguration(address: .hostname(https.host, port: https.port), serverName: "plasma"),
                onServerRunning: { open.yield(.https(port: $0.localAddress?.port ?? https.port)) },
                eventLoopGroupProvider: .shared(loops), logger: quiet)
        }
        let remoteDoor = remote
        let doors = remote == nil ? 1 : 2
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { open.finish() }
                try await run(local, at: configuration.socketPath)
            }
            if let remoteDoor, let https = configuration.https {
                group.addTask {
                    defer { open.finish() }
                    try await run(remoteDoor, at: "\(https.host):\(https.port)")
                }
            }
            group.addTask {
                var listening = Listening(socketPath: configuration.socketPath)
                var count = 0
                for await door in opened {
                    count += 1
                    switch door {
                    case .socket: try file.publish()
                    case .https(let port): listening.httpsPort = port
                    }
                    if count == doors { break }
                }
                guard count == doors else { return }
                await onListening(listening)
            }
            defer { group.cancelAll() }
            while try await group.next() != nil {}
        }
    }

    private enum Opened: Sendable { case socket, https(port: Int) }

    private func run(_ application: Application<Responder>, at place: String) async throws {
        do {
            try await application.run()
        } catch let error as IOError {
            throw ServerError.cannotListen(place, String(cString: strerror(error.errnoCode)))
        }
    }

    private func responder(_ door: Responder.Door) -> Responder {
        Responder(door: door, objects: objects, hooks: hooks, logger: logger, bookmarkInterval: configuration.bookmarkInterval)
    }
}

package enum ServerError: Error, Hashable, Sendable, CustomStringConvertible {
    case alreadyListening(String)
    case notASocket(String)
    case socketPathTooLong(String)
    case socket(String, String)
    case cannotListen(String, String)
    case badCertificate(String)

    package var description: String {
        switch self {
        case .alreadyListening(let path): "a server already listens at \(path); stop it, or choose another socket"
        case .notASocket(let path): "\(path) is there and is not a socket; remove it, or choose another path"
        case .socketPathTooLong(let path): "the socket path \(path) is too long: 107 bytes are the most, with room for a temporary name"
        case .socket(let path, let why): "cannot make the socket \(path): \(why)"
        case .cannotListen(let place, let why): "cannot listen at \(place): \(why)"
        case .badCertificate(let why): "the certificate or key for HTTPS cannot be used: \(why)"
        }
    }
}
