import Causes
import Logging
import NIOCore
import NIOPosix

/// Keeps one connection to one member, or brings it back. Lives on the transport's event loop.
final class PeerDialer {
    private enum State {
        case idle
        case waiting(Scheduled<Void>)
        case dialling
        case connected(PeerConnection, upSince: NIODeadline?)
        case stopped
    }

    /// A connection that held so long owes nothing to the attempts before it.
    private static let steadyAfter = TimeAmount.seconds(1)

    let peer: UInt64
    let lane: Lane
    var addresses: [PeerAddress] = []
    /// The address of the last dial.
    private(set) var dialled: PeerAddress?
    private let hub: PeerHub
    private var state = State.idle
    private var backoff: Backoff
    private var random = SystemRandomNumberGenerator()
    private var attempts = 0
    /// Since it was connected last.
    private(set) var hasFailed = false
    /// What was last said about this member; said once.
    private var news: String?
    private var lastUse = NIODeadline.now()

    init(peer: UInt64, lane: Lane, hub: PeerHub) {
        self.peer = peer
        self.lane = lane
        self.hub = hub
        backoff = Backoff(first: hub.options.redialMin, most: hub.options.redialMax)
    }

    var connection: PeerConnection? {
        if case .connected(let connection, _) = state { connection } else { nil }
    }

    /// There is something to say.
    func want() {
        lastUse = .now()
        if case .idle = state { wait() }
    }

    func stop() {
        if case .waiting(let timer) = state { timer.cancel() }
        let before = connection
        state = .stopped
        before?.close(quietly: true)
    }

    /// - Returns: false when the connection is of no use any more.
    func opened(_ connection: PeerConnection) -> Bool {
        guard case .dialling = state else { return false }
        state = .connected(connection, upSince: nil)
        return true
    }

    func cameUp(_ connection: PeerConnection) {
        state = .connected(connection, upSince: .now())
        hasFailed = false
        lastUse = .now()
        guard lane == .raft else { return }
        hub.logger.info("connected to member \(String(peer, radix: 16)) at \(place)")
        news = nil
    }

    func closed(_ connection: PeerConnection) {
        guard case .connected(let mine, let upSince) = state, mine === connection else { return }
        state = .idle
        if let upSince {
            if .now() - upSince >= Self.steadyAfter { backoff.reset() }
        } else {
            hasFailed = true
            tell(connection.reason ?? "it closed the connection at once")
        }
        again()
    }

    /// Closes what has had no use for long, when it is not for Raft.
    func tick() {
        guard lane == .bulk, case .connected(let connection, _?) = state,
            .now() - lastUse > TimeAmount(hub.options.bulkIdleMax)
        else { return }
        connection.close(quietly: true)
    }

    private func again() {
        if lane == .raft || hub.hasWaiting(peer, lane) { wait() }
    }

    private func wait() {
        guard !addresses.isEmpty else { return }
        let delay = TimeAmount(backoff.next(using: &random))
        let timer = hub.loop.assumeIsolated().scheduleTask(in: delay) { self.dial() }
        state = .waiting(timer)
    }

    private func dial() {
        guard case .waiting = state else { return }
        state = .dialling
        let address = addresses[attempts % addresses.count]
        attempts += 1
        dialled = address
        let loop = hub.loop
        let bound = NIOLoopBound((hub, self), eventLoop: loop)
        PeerTransport.configured(ClientBootstrap(group: loop))
            .connectTimeout(TimeAmount(hub.options.dialTimeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (hub, dialer) = bound.value
                    try hub.install(on: channel, dialer: dialer)
                }
            }
            .connect(host: address.host, port: address.port)
            .assumeIsolated().whenFailure { self.failed($0) }
    }

    private func failed(_ error: any Error) {
        guard case .dialling = state else { return }
        state = .idle
        hasFailed = true
        tell(explain(error, host: dialled?.host))
        again()
    }

    private func tell(_ reason: String) {
        let text = "no connection to member \(String(peer, radix: 16)) at \(place): \(reason)"
        guard lane == .raft, !hub.isStopped, news != text else { return }
        news = text
        hub.logger.warning("\(text)")
    }

    private var place: String { dialled.map { "\($0)" } ?? "nowhere" }
}
