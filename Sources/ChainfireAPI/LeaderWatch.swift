import Chainfire
import GRPC
import Host
import Synchronization

/// Ends the streams of clients that want to be served by a member with a leader only (metadata `hasleader`, clientv3's
/// `WithRequireLeader`), when there has been none for some time: a watch on a member that was cut off would be silent
/// for ever (etcd `v3rpc/interceptor.go`).
final class LeaderWatch: Sendable {
    private static let interval = Duration.milliseconds(500)
    /// Looks without a leader before streams are ended: three elections' time, as in etcd.
    private static let patience = 3

    private let hasLeader: @Sendable () -> Bool
    private let calls = Mutex<[ServerCall]>([])

    init(hasLeader: @escaping @Sendable () -> Bool) { self.hasLeader = hasLeader }

    private static func isAsked(_ call: ServerCall) -> Bool { call.metadata(metadata) == "true" }

    /// What a client asks by.
    static let metadata = "hasleader"

    /// Whether the call must be refused now.
    func refuses(_ call: ServerCall) -> Bool { Self.isAsked(call) && !hasLeader() }

    /// Ends the stream when the leader is gone, if its client wants that.
    func watch(_ call: ServerCall) { if Self.isAsked(call) { calls.withLock { $0.append(call) } } }

    /// Until the task is cancelled.
    func run(_ time: any Time) async {
        var without = 0
        while true {
            do { try await time.sleep(for: Self.interval) } catch { return }
            without = hasLeader() ? 0 : without + 1
            let given = calls.withLock { calls in
                calls.removeAll { $0.isClosed }
                guard without >= Self.patience else { return [ServerCall]() }
                defer { calls = [] }
                return calls
            }
            for call in given { call.abort(.noLeader) }
        }
    }
}
