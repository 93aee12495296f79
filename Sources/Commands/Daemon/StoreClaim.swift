import Etcd
import Foundation
import GRPC
import Logging
import ServiceLifecycle
import Store
import Synchronization

/// One server works on a store: it has a key there, bound to a lease, as long as it runs (etcd's recipe of a lock, `client/v3/concurrency`).
/// Another one waits until that is gone; what it is asked meanwhile is refused with the reason.
final class StoreClaim: ServiceLifecycle.Service {
    /// Who has it, as it stands under the key.
    struct Holder: Codable, Hashable, Sendable, CustomStringConvertible {
        var host: String
        var process: Int32
        var directory: String
        /// Where that process number means something: this run of the kernel, and its space of numbers.
        var kernel: String

        init(host: String, directory: String) {
            self.host = host
            self.directory = directory
            process = getpid()
            let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? UUID().uuidString
            let numbers = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? UUID().uuidString
            kernel = "\(boot.trimmingCharacters(in: .whitespacesAndNewlines)) \(numbers)"
        }

        /// One that ran here, and was killed: nobody need wait for its lease.
        func isGone(from own: Holder) -> Bool { kernel == own.kernel && kill(process, 0) != 0 && errno == ESRCH }

        var description: String { "of \(host) (process \(process), \(directory))" }
    }
    private enum State {
        case waiting(String)
        /// So long nobody else can have it.
        case held(lease: Int64, until: ContinuousClock.Instant)
    }

    /// Seconds from the end of a server that cannot say so to the beginning of the next.
    private static let seconds: Int64 = 15
    /// What of them is left unused: others' clocks may be faster, and what is on its way arrives later.
    private static let spare = Duration.seconds(4)
    private static let round = Duration.seconds(1)

    private let client: EtcdClient
    private let store: EtcdStore
    private let key: Key
    private let own: Holder
    private let logger: Logger
    private let state = Mutex(State.waiting("the store has not answered yet"))

    init(_ client: EtcdClient, key: Key, holder: Holder, logger: Logger) {
        self.client = client
        store = EtcdStore(client)
        self.key = key
        own = holder
        self.logger = logger
    }

    /// Returns when this server may work on the store.
    /// - Throws: `.unavailable` with the reason when it may not, and did not within two seconds.
    func admit() async throws(StoreError) {
        for _ in 0..<20 {
            let why = state.withLock { state -> String? in
                switch state {
                case .held(_, let until): until > .now ? nil : "its claim to the store was not renewed in time"
                case .waiting(let why): why
                }
            }
            guard let why else { return }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { throw .unavailable(why) }
        }
        throw .unavailable(state.withLock { if case .waiting(let why) = $0 { why } else { "its claim to the store was not renewed in time" } })
    }

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { [self] in
                while true {
                    await turn()
                    try await Task.sleep(for: Self.round)
                }
            }
        } catch is CancellationError {}
        // The next one need not wait.
        if case .held(let lease, _) = state.withLock({ $0 }) { await giveUp(lease) }
    }

    private func turn() async {
        let held = state.withLock { state -> (Int64, ContinuousClock.Instant)? in
            if case .held(let lease, let until) = state { (lease, until) } else { nil }
        }
        guard let (lease, until) = held else { return await take() }
        // A third of its time before that it is renewed, each second until it is.
        guard until - .now < .seconds(Self.seconds) * 2 / 3 - Self.spare else { return }
        let asked = ContinuousClock.now
        switch await renewed(lease) {
        case true?: hold(lease, since: asked)
        case false?:
            logger.warning("this server's claim to the store has ended; it stands still until it has it again")
            wait("its claim to the store has ended")
        case nil: break
        }
    }

    private func hold(_ lease: Int64, since: ContinuousClock.Instant) {
        state.withLock { $0 = .held(lease: lease, until: since + .seconds(Self.seconds) - Self.spare) }
    }

    private func wait(_ why: String) {
        let isNews = state.withLock { state in
            if case .waiting(why) = state { return false }
            state = .waiting(why)
            return true
        }
        if isNews { logger.notice("waiting for the store", metadata: ["why": "\(why)"]) }
    }

    private func take() async {
        // Who waits writes nothing.
        do throws(StoreError) {
            if let entry = try await store.get(key), let holder = holder(in: entry), !holder.isGone(from: own) { return wait(reason(holder)) }
        } catch {
            return wait("the store does not answer: \(error)")
        }
        let asked = ContinuousClock.now
        do throws(GRPCStatus) {
            let request = Etcdserverpb_LeaseGrantRequest.with { $0.ttl = Self.seconds }
            let granted: Etcdserverpb_LeaseGrantResponse = try await client.call("/etcdserverpb.Lease/LeaseGrant", request)
            if let holder = await claim(under: granted.id) {
                wait(holder)
                await giveUp(granted.id)
            } else {
                hold(granted.id, since: asked)
                logger.info("this server has the store", metadata: ["key": "\(key)"])
            }
        } catch {
            wait("the store does not answer: \(error.message)")
        }
    }

    /// - Returns: why it cannot be had now; nil: it is this server's.
    private func claim(under lease: Int64) async -> String? {
        do {
            let put = Operation.put(key, Array(try JSONEncoder().encode(own)), lease: lease)
            let look = Operation.range(RangeRequest(.single(key)))
            let done = try await store.commit(Transaction(if: [Compare(key, .equal, .createRevision(0))], then: [put], otherwise: [look]))
            if done.succeeded { return nil }
            guard case .range(let found)? = done.results.first, let entry = found.entries.first else { return "it changed just now" }
            let holder = holder(in: entry)
            if holder?.isGone(from: own) == true {
                let taken = try await store.commit(Transaction(if: [Compare(key, .equal, .modRevision(entry.modRevision))], then: [put]))
                if taken.succeeded { return nil }
            }
            return reason(holder)
        } catch {
            return "the store does not answer: \(error)"
        }
    }

    private func holder(in entry: Entry) -> Holder? { try? JSONDecoder().decode(Holder.self, from: Data(entry.value)) }

    private func reason(_ holder: Holder?) -> String {
        "the plasma server \(holder.map { "\($0)" } ?? "that has \(key)") works on it; this one goes on when that has ended (\(Self.seconds) s after it was killed)"
    }

    /// nil: nobody knows.
    private func renewed(_ lease: Int64) async -> Bool? {
        await withTaskGroup(of: Bool?.self) { [client] group in
            group.addTask {
                do throws(GRPCStatus) {
                    let stream: ClientStream<Etcdserverpb_LeaseKeepAliveRequest, Etcdserverpb_LeaseKeepAliveResponse> =
                        try await client.stream("/etcdserverpb.Lease/LeaseKeepAlive")
                    try await stream.send(.with { $0.id = lease })
                    do throws(GRPCStatus) {
                        guard let answer = try await stream.next() else { return nil }
                        return answer.ttl > 0
                    } catch {
                        await client.moveOn(from: stream.client)
                        return nil
                    }
                } catch {
                    return nil
                }
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(2))
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    /// Also where the task is cancelled: whoever waits for the store would wait for the lease's end. A store that does not answer is not waited for.
    private func giveUp(_ lease: Int64) async {
        let revoking = Task { [client] in
            let request = Etcdserverpb_LeaseRevokeRequest.with { $0.id = lease }
            _ = try? await client.call("/etcdserverpb.Lease/LeaseRevoke", request, as: Etcdserverpb_LeaseRevokeResponse.self)
        }
        let late = Task {
            try await Task.sleep(for: .seconds(3))
            revoking.cancel()
        }
        await revoking.value
        late.cancel()
    }
}

/// A store that only the server that has it works on.
struct ClaimedStore: Store {
    let base: any Store
    let claim: StoreClaim

    func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        try await claim.admit()
        return try await base.range(request)
    }

    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        try await claim.admit()
        return try await base.commit(transaction)
    }

    func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        try await claim.admit()
        return try await base.watch(range, from: revision)
    }

    func compact(through revision: Revision) async throws(StoreError) {
        try await claim.admit()
        try await base.compact(through: revision)
    }
}
