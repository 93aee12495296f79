import Foundation
import NIOCore
import NIOPosix

/// Why QEMU's monitor could not be used.
enum QMPFault: Error, Hashable, Sendable, CustomStringConvertible {
    case noConnection(String)
    case heldByAnother(seconds: Int64)
    case noAnswer(command: String, seconds: Int64)
    case closed
    case lost(String)
    case crowded
    case broken(QMPProblem)
    case refused(command: String, class: String, String)
    /// The socket belongs to a machine with another UUID.
    case otherMachine(String)

    var description: String {
        switch self {
        case .noConnection(let why): "its QMP socket cannot be opened: \(why)"
        case .heldByAnother(let seconds):
            "another QMP client holds its QMP socket (no greeting within \(seconds) s); end that client, or find out whether QEMU hangs"
        case .noAnswer(let command, let seconds): "QMP \(command) was not answered within \(seconds) s"
        case .closed: "its QMP connection was closed"
        case .lost(let why): "its QMP connection broke: \(why)"
        case .crowded: "too many QMP commands wait for their answers"
        case .broken(let problem): "its QMP conversation broke: \(problem)"
        case .refused(let command, let kind, let why): "QEMU refused \(command): \(why) (\(kind))"
        case .otherMachine(let uuid): "its QMP socket answers for another machine (UUID \(uuid))"
        }
    }
}

/// A held connection to one QEMU's monitor, past the handshake.
final class QMPConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<QMPHandler>

    private init(channel: any Channel, handler: NIOLoopBound<QMPHandler>) {
        self.channel = channel
        self.handler = handler
    }

    /// Connects and shakes hands; fails with a `QMPFault` within `limit` seconds. `onEvent` is called on the
    /// event loop, in order.
    static func open(
        _ path: String, on group: any EventLoopGroup, limit: Int64, onEvent: @escaping @Sendable (QMPEvent) -> Void
    ) -> EventLoopFuture<QMPConnection> {
        guard path.utf8.count <= MachineFiles.socketPathMax else {
            return group.any().makeFailedFuture(QMPFault.noConnection("\(path) is longer than \(MachineFiles.socketPathMax) bytes"))
        }
        return ClientBootstrap(group: group)
            .connectTimeout(.seconds(limit))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(QMPHandler(on: channel.eventLoop, limit: limit, onEvent: onEvent))
                }
            }
            .connect(unixDomainSocketPath: path)
            .flatMapErrorThrowing { throw QMPFault.noConnection("\(path): \($0)") }
            .flatMap { channel in
                do {
                    let handler = try channel.pipeline.syncOperations.handler(type: QMPHandler.self)
                    let connection = QMPConnection(
                        channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
                    return handler.ready.futureResult.map { connection }
                } catch {
                    return channel.eventLoop.makeFailedFuture(QMPFault.closed)
                }
            }
    }

    /// Fails with a `QMPFault`, within `limit` seconds.
    func execute(_ command: String, _ arguments: QMPValue? = nil, limit: Int64 = 5) -> EventLoopFuture<QMPValue> {
        let loop = channel.eventLoop
        return loop.flatSubmit { [handler] in handler.value.execute(command, arguments, limit: limit) }
    }

    /// Done when the connection has ended, for whatever reason.
    var closed: EventLoopFuture<Void> { channel.closeFuture }

    var isOpen: Bool { channel.isActive }

    func close() { channel.close(promise: nil) }
}

/// Owns the session; lives on its channel's event loop.
private final class QMPHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let ready: EventLoopPromise<Void>
    private let limit: Int64
    private let onEvent: @Sendable (QMPEvent) -> Void
    private var session = QMPSession()
    private var isReady = false
    private var fault: QMPFault?
    private var waiting: [UInt64: (command: String, promise: EventLoopPromise<QMPValue>)] = [:]
    private var context: ChannelHandlerContext?

    init(on loop: any EventLoop, limit: Int64, onEvent: @escaping @Sendable (QMPEvent) -> Void) {
        self.ready = loop.makePromise()
        self.limit = limit
        self.onEvent = onEvent
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(.closed)
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        // A second client is connected by the kernel but greeted by nobody.
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(limit)) { [weak self] in
            guard let self, !self.isReady else { return }
            self.end(.heldByAnother(seconds: self.limit))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        carryOut(session.receive(Self.unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.lost("\(error)"))
    }

    func execute(_ command: String, _ arguments: QMPValue?, limit: Int64) -> EventLoopFuture<QMPValue> {
        let loop = ready.futureResult.eventLoop
        if let fault { return loop.makeFailedFuture(fault) }
        guard let asked = session.execute(command, arguments) else { return loop.makeFailedFuture(QMPFault.crowded) }
        let promise = loop.makePromise(of: QMPValue.self)
        waiting[asked.id] = (command, promise)
        carryOut(asked.effects)
        loop.assumeIsolated().scheduleTask(in: .seconds(limit)) { [weak self] in
            // The session still waits for it: a late reply is dropped quietly.
            self?.waiting.removeValue(forKey: asked.id)?.promise.fail(QMPFault.noAnswer(command: command, seconds: limit))
        }
        return promise.futureResult
    }

    private func carryOut(_ effects: [QMPSession.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let bytes):
                guard let context else { return }
                context.writeAndFlush(NIOAny(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
            case .ready:
                isReady = true
                ready.succeed()
            case .reply(let id, let value):
                waiting.removeValue(forKey: id)?.promise.succeed(value)
            case .refused(let id, let kind, let description):
                guard let asked = waiting.removeValue(forKey: id) else { break }
                asked.promise.fail(QMPFault.refused(command: asked.command, class: kind, description))
            case .event(let event):
                onEvent(event)
            case .broken(let problem):
                end(.broken(problem))
            }
        }
    }

    /// The first fault counts; everybody who waits hears it.
    private func end(_ fault: QMPFault) {
        guard self.fault == nil else { return }
        self.fault = fault
        if !isReady { ready.fail(fault) }
        isReady = true
        for id in waiting.keys.sorted() { waiting.removeValue(forKey: id)?.promise.fail(fault) }
        context?.close(promise: nil)
    }
}
