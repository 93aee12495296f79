import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// Where something listens.
package struct ProbeAddress: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Opens one connection, uses it, closes it; all of it within one limit of time.
enum Dial {
    /// - Parameters:
    ///   - make: puts handlers into the channel; one of them must complete the promise.
    ///   - connected: called when the connection is open.
    static func run<Answer: Sendable>(
        _ address: ProbeAddress, within limit: Duration,
        make: @escaping @Sendable (any Channel, EventLoopPromise<Answer>) throws -> Void,
        connected: @escaping @Sendable (EventLoopPromise<Answer>) -> Void = { _ in }
    ) async throws(ProbeFailure) -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: Answer.self)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(limit.timeAmount).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try make(channel, promise) }
        }
        let late = loop.scheduleTask(in: limit.timeAmount) { promise.fail(ProbeFailure.timeout(limit)) }
        defer { late.cancel() }
        // An address is not looked up by name.
        let connecting = (try? SocketAddress(ipAddress: address.host, port: address.port)).map { bootstrap.connect(to: $0) }
            ?? bootstrap.connect(host: address.host, port: address.port)
        connecting.whenFailure { promise.fail($0) }
        connecting.whenSuccess { _ in connected(promise) }
        promise.futureResult.whenComplete { _ in connecting.whenSuccess { $0.close(promise: nil) } }
        do {
            return try await withTaskCancellationHandler { try await promise.futureResult.get() } onCancel: { promise.fail(CancellationError()) }
        } catch {
            throw ProbeFailure(error, within: limit)
        }
    }

    /// An address is no server name (RFC 6066 §3); it is compared with the certificate all the same.
    static func serverName(_ host: String) -> String? { (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil }

    /// No authority is believed here, so that none is read: the system's are hundreds.
    private static let unbelieving = Result {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates([])
        return try NIOSSLContext(configuration: configuration)
    }

    /// Stands before TLS, so that it can hang up without a word of it.
    private final class Door: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        private var context: ChannelHandlerContext?
        private var isMute = false

        func handlerAdded(context: ChannelHandlerContext) { self.context = context }
        func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            if isMute { promise?.fail(ChannelError.ioOnClosedChannel) } else { context.write(data, promise: promise) }
        }

        func shut(after body: () -> Void) {
            isMute = true
            body()
            context?.close(promise: nil)
        }
    }

    /// The leaf that a server presents, whoever signed it. Nothing is sent to it and nothing believed.
    static func present(_ address: ProbeAddress, within limit: Duration) async throws(ProbeFailure) -> ServedCertificate {
        try await run(address, within: limit) { channel, promise in
            let door = Door()
            let leaving = NIOLoopBound(door, eventLoop: channel.eventLoop)
            let handler = try NIOSSLClientHandler(
                context: unbelieving.get(), serverHostname: serverName(address.host),
                customVerificationCallback: { chain, verdict in
                    let leaf = ServedCertificate(chain.first)
                    // When this has returned, and without a word: to the server, an alert would be a client that refuses it.
                    leaving.eventLoop.execute {
                        leaving.value.shut {
                            if let leaf {
                                promise.succeed(leaf)
                            } else {
                                promise.fail(ProbeFailure(.certificate, "it presents no certificate that can be read"))
                            }
                        }
                        verdict.succeed(.failed)
                    }
                })
            try channel.pipeline.syncOperations.addHandler(door)
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.pipeline.syncOperations.addHandler(Failures(promise))
        }
    }
}

/// Ends a promise when the connection fails or ends.
private final class Failures<Answer: Sendable>: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private let promise: EventLoopPromise<Answer>

    init(_ promise: EventLoopPromise<Answer>) { self.promise = promise }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(ProbeFailure(.closed, "the connection was closed"))
        context.fireChannelInactive()
    }
}

/// A connection that must open.
package enum TCPProbe {
    package static func look(_ address: ProbeAddress, within limit: Duration) async throws(ProbeFailure) {
        try await Dial.run(address, within: limit, make: { _, _ in }, connected: { (promise: EventLoopPromise<Void>) in promise.succeed(()) })
    }
}
