import Host
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Holds one QMP connection per running machine: QEMU speaks to one client at a time, so everything that this
/// process asks or hears of a machine goes through the one held here.
final class Monitor: Sendable {
    private struct Held {
        var identity: ProcessIdentity
        /// Shared by all who ask while it is being opened.
        var connection: EventLoopFuture<QMPConnection>
        /// When opening it failed, so that a socket held by another is not besieged.
        var failedAt: Instant?
    }

    private struct State {
        var held: [String: Held] = [:]
        var poweringDown: [ProcessIdentity: Instant] = [:]
        var listeners = Listeners<MachineEvent>()
    }

    /// Seconds until a greeting is given up.
    static let greetingLimit: Int64 = 3
    private static let retryAfter = Duration.seconds(2)
    private static let eventsMax = 1024

    private let time: any Time
    private let logger: Logger
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    private let state = Mutex(State())

    init(time: any Time, logger: Logger) {
        self.time = time
        self.logger = logger
    }

    func events() -> AsyncStream<MachineEvent> { state.withLock { $0.listeners.add(keeping: .bufferingNewest(Self.eventsMax)) } }

    func tell(_ event: MachineEvent) { state.withLock { $0.listeners.tell(event) } }

    /// The held connection to this very process, or a new one. Two callers get the same.
    func connection(
        to name: String, _ identity: ProcessIdentity, uuid: String, socket: String
    ) -> EventLoopFuture<QMPConnection> {
        let now = time.now()
        let (connection, isNew) = state.withLock { state in
            if let held = state.held[name], held.identity == identity {
                guard let failedAt = held.failedAt, now - failedAt >= Self.retryAfter else { return (held.connection, false) }
            }
            let connection = open(name, identity, uuid: uuid, socket: socket)
            state.held[name] = Held(identity: identity, connection: connection)
            return (connection, true)
        }
        if isNew { follow(connection, name, identity) }
        return connection
    }

    private func open(
        _ name: String, _ identity: ProcessIdentity, uuid: String, socket: String
    ) -> EventLoopFuture<QMPConnection> {
        QMPConnection.open(socket, on: group, limit: Self.greetingLimit) { [weak self] event in
            self?.heard(event, name, identity)
        }.flatMap { connection in
            connection.execute("query-uuid").flatMapThrowing { answer -> QMPConnection in
                guard let seen = answer["UUID"]?.string, seen.lowercased() == uuid.lowercased() else {
                    throw QMPFault.otherMachine(answer["UUID"]?.string ?? "unknown")
                }
                return connection
            }.flatMapErrorThrowing { fault in
                // QEMU greets nobody else while this one is open.
                connection.close()
                throw fault
            }
        }
    }

    private func follow(_ connection: EventLoopFuture<QMPConnection>, _ name: String, _ identity: ProcessIdentity) {
        connection.whenComplete { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let opened):
                logger.debug("listening to machine", metadata: ["machine": "\(name)", "pid": "\(identity.pid)"])
                opened.closed.whenComplete { [weak self] _ in self?.drop(name, identity) }
            case .failure(QMPFault.noConnection):
                // Refused at once, as by a QEMU that is still starting: asking again costs nothing.
                drop(name, identity)
            case .failure:
                noteFailure(name, identity)
            }
        }
    }

    private func noteFailure(_ name: String, _ identity: ProcessIdentity) {
        let now = time.now()
        state.withLock { state in
            if state.held[name]?.identity == identity { state.held[name]?.failedAt = now }
        }
    }

    private func drop(_ name: String, _ identity: ProcessIdentity) {
        state.withLock { state in
            if state.held[name]?.identity == identity { state.held[name] = nil }
        }
    }

    private func heard(_ event: QMPEvent, _ name: String, _ identity: ProcessIdentity) {
        let kind = event.kind
        if kind == .powerDown { notePowerDown(identity) }
        tell(MachineEvent(name: name, kind: kind))
    }

    /// The first time counts.
    func notePowerDown(_ identity: ProcessIdentity) {
        let now = time.now()
        state.withLock { state in
            if state.poweringDown[identity] == nil { state.poweringDown[identity] = now }
        }
    }

    func poweringDownSince(_ identity: ProcessIdentity) -> Instant? { state.withLock { $0.poweringDown[identity] } }

    /// The process is gone: nothing about it is kept.
    func forget(_ name: String, _ identity: ProcessIdentity) {
        let held = state.withLock { state -> EventLoopFuture<QMPConnection>? in
            state.poweringDown[identity] = nil
            guard state.held[name]?.identity == identity else { return nil }
            return state.held.removeValue(forKey: name)?.connection
        }
        held?.whenSuccess { $0.close() }
    }

    /// Lets go of all connections, so that another process can hold them. Returns when they are closed.
    func release() async {
        let held = state.withLock { state in
            defer { state.held = [:] }
            return state.held.sorted { $0.key < $1.key }.map(\.value.connection)
        }
        for connection in held {
            guard let opened = try? await connection.get() else { continue }
            opened.close()
            try? await opened.closed.get()
        }
    }
}
