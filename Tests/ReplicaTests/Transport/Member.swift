import Foundation
import Logging
import Raft
import Simulation
import Synchronization
import Testing

@testable import Replica

/// A transport on loopback and all that it told.
final class Member: Sendable {
    struct Heard: Sendable {
        var messages: [PeerMessage] = []
        var met: [UInt64] = []
        var lost: [UInt64] = []
        var lostAt: [ContinuousClock.Instant] = []
        var hellos: [PeerHello] = []
        var refusals: [PeerRefusal] = []
    }

    let id: UInt64
    let port: Int
    let transport: PeerTransport
    let book: LogBook
    private let heard: Mutex<Heard>

    /// Listens and starts.
    init(
        _ id: UInt64, cluster: UInt64 = 7, incarnation: UInt64? = nil, port: Int = 0, host: String = "127.0.0.1", tls: TLSFiles? = nil,
        configure: (inout PeerTransportOptions) -> Void = { _ in },
        admit: @escaping @Sendable (PeerHello) -> PeerRefusal? = { _ in nil }
    ) async throws {
        var options = PeerTransportOptions(listen: PeerAddress(host: host, port: port), tls: tls)
        configure(&options)
        let book = LogBook()
        transport = try PeerTransport(options, logger: book.logger)
        self.book = book
        self.id = id
        self.port = try await transport.listen()
        heard = Mutex(Heard())
        transport.start(
            PeerIdentity(cluster: cluster, member: id, incarnation: incarnation ?? id * 100),
            admit: { [weak self] hello in
                self?.heard.withLock { $0.hellos.append(hello) }
                return admit(hello)
            },
            refused: { [weak self] refusal in self?.heard.withLock { $0.refusals.append(refusal) } },
            met: { [weak self] peer in self?.heard.withLock { $0.met.append(peer) } },
            receive: { [weak self] messages in self?.heard.withLock { $0.messages += messages } },
            lost: { [weak self] peer in
                self?.heard.withLock {
                    $0.lost.append(peer)
                    $0.lostAt.append(.now)
                }
            })
    }

    deinit { transport.stop() }

    var now: Heard { heard.withLock { $0 } }
    var counts: PeerCounts { transport.counts }

    /// Where others find it.
    func peer(at host: String = "127.0.0.1") -> Peer { Peer(id: id, addresses: [PeerAddress(host: host, port: port)]) }

    func send(_ commits: some Sequence<UInt64>, to: UInt64) {
        transport.send(commits.map { heartbeat($0, to: to) })
    }

    func heartbeat(_ commit: UInt64, to: UInt64) -> PeerMessage {
        PeerMessage(from: id, to: to, body: .raft(Message(from: id, to: to, term: 1, body: .heartbeat(commit: commit, round: 0))))
    }

    /// The commits of the heartbeats that arrived from a member.
    func commits(from: UInt64) -> [UInt64] {
        now.messages.compactMap { message in
            guard message.from == from, case .raft(let raft) = message.body, case .heartbeat(let commit, _) = raft.body else { return nil }
            return commit
        }
    }

    /// Says it until it has arrived, as Raft does.
    func reaches(_ other: Member, _ commit: UInt64) async -> Bool {
        await eventually {
            self.send([commit], to: other.id)
            return other.commits(from: self.id).contains(commit)
        }
    }
}

func connect(_ members: Member...) {
    for member in members { member.transport.setPeers(members.map { $0.peer() }) }
}

/// Looks until it is so, for at most half a minute.
func eventually(_ isSo: () -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if isSo() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return isSo()
}
