import Host
import Logging
import Raft
import Simulation
import Synchronization
import Testing
@testable import Replica

/// Three replicas with their threads, and a wire that loses nothing. Time stands still unless it is moved, so that nothing happens
/// because it passed.
private final class Trio: Sendable {
    private final class End: Transport {
        let id: UInt64
        let wire: Wire

        init(_ id: UInt64, _ wire: Wire) {
            self.id = id
            self.wire = wire
        }

        func start(
            _ identity: PeerIdentity, admit: @escaping @Sendable (PeerHello) -> PeerRefusal?,
            refused: @escaping @Sendable (PeerRefusal) -> Void, met: @escaping @Sendable (UInt64) -> Void,
            receive: @escaping @Sendable ([PeerMessage]) -> Void, lost: @escaping @Sendable (UInt64) -> Void
        ) { wire.join(id, met: met, receive: receive) }

        func send(_ messages: [PeerMessage]) { wire.carry(messages) }
        func isConnected(to member: UInt64) -> Bool { true }
        func setPeers(_ peers: [Peer]) {}
        func disconnect(_ member: UInt64) {}
        func stop() {}
    }

    private final class Wire: Sendable {
        private struct Ear {
            var met: @Sendable (UInt64) -> Void
            var receive: @Sendable ([PeerMessage]) -> Void
        }
        private let ears = Mutex<[UInt64: Ear]>([:])

        func join(_ id: UInt64, met: @escaping @Sendable (UInt64) -> Void, receive: @escaping @Sendable ([PeerMessage]) -> Void) {
            let all = ears.withLock { ears in
                ears[id] = Ear(met: met, receive: receive)
                return ears
            }
            for (other, ear) in all where other != id {
                met(other)
                ear.met(id)
            }
        }

        func carry(_ messages: [PeerMessage]) {
            let all = ears.withLock { $0 }
            for message in messages { all[message.to]?.receive([message]) }
        }
    }

    let time = ManualTime()
    let replicas: [Replica<Notebook>]

    init() throws {
        let wire = Wire()
        let time = time
        replicas = try (1...3).map { (id: UInt64) in
            var options = small()
            options.id = id
            return try Replica(
                directory: "/log", disk: SimulatedDisk(seed: id), machine: Notebook(), options: options,
                membership: .bootstrap(Configuration(voters: [1, 2, 3])), time: time, transport: End(id, wire),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
    }

    /// - Parameter body: is given the leader and the others, who know it.
    func running(_ body: (Replica<Notebook>, [Replica<Notebook>]) async throws -> Void) async throws {
        let runs = replicas.map { replica in Task { try await replica.run() } }
        defer { for run in runs { run.cancel() } }
        try await eventually(moving: .milliseconds(50)) {
            let leaders = Set(replicas.map(\.status.leader))
            return leaders.count == 1 && leaders.first.flatMap(\.self) != nil
        }
        let leader = try #require(replicas.first { $0.status.role == .leader })
        let others = replicas.filter { $0 !== leader }
        // Who waits for ever is refused in the end.
        let guardian = Task {
            try await Task.sleep(for: .seconds(30))
            Issue.record("it waits for time to pass")
            for run in runs { run.cancel() }
        }
        defer { guardian.cancel() }
        try await body(leader, others)
    }

    /// Looks for half a minute at most. Replicas look at the time at least once a tick, and may not find that many have passed.
    func eventually(moving step: Duration = .zero, _ holds: () -> Bool) async throws {
        let pause = step + .milliseconds(2)
        for _ in 0..<Int(.seconds(30) / pause) {
            if holds() { return }
            time.advance(by: step)
            try await Task.sleep(for: pause)
        }
        Issue.record("it never came to that")
    }
}

@Suite(.timeLimit(.minutes(2))) struct TrioTests {
    @Test func `a commit that is held back reaches everybody without a heartbeat`() async throws {
        let trio = try Trio()
        try await trio.running { leader, others in
            for number in 0..<20 { _ = try await leader.propose(command(number, bytes: 10)) }
            let last = leader.status.appliedIndex
            // The next entries would bring it, and none come.
            try await Task.sleep(for: .milliseconds(20))
            #expect(others.contains { $0.status.appliedIndex < last })
            trio.time.advance(by: HeldNotices.waitMax)
            try await trio.eventually { others.allSatisfy { $0.status.appliedIndex == last } }
        }
    }

    @Test func `who waits at a follower does not wait for time to pass`() async throws {
        let trio = try Trio()
        try await trio.running { leader, others in
            for number in 0..<20 {
                // Entries follow one another: what is committed is held back from whoever waits for nothing.
                _ = try await leader.propose(command(number, bytes: 10))
                _ = try await others[0].propose(command(100 + number, bytes: 10))
                try await others[1].read()
                #expect(others[1].status.appliedIndex >= others[0].status.appliedIndex)
            }
        }
    }
}
