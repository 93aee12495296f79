import Host
import Logging
import Synchronization

/// The boot servers of this host, one set for each network. Any number of copies share one state.
package struct BootServers: Sendable {
    package let artefacts: PinnedFiles
    private let loaders: Loaders
    private let leases: String?
    private let time: any Time
    private let logger: Logger
    private let table = Table()

    private final class Table: Sendable {
        struct State {
            var segments: [String: BootSegment] = [:]
            var books: [String: LeaseBook] = [:]
            var listeners = Listeners<String>()
            var isEnding = false
        }

        let state = Mutex(State())

        func tell(_ name: String) { state.withLock { $0.listeners.tell(name) } }
    }

    /// - Parameter leases: the directory where the addresses that were given are remembered; nil: they are forgotten with this process.
    package init(loaders: Loaders = Loaders(), leases: String? = nil, time: any Time, logger: Logger) {
        self.loaders = loaders
        self.leases = leases
        self.time = time
        self.logger = logger
        artefacts = PinnedFiles()
    }

    /// Serves this on its network from now on; again: changes nothing. What only concerns what is said is exchanged
    /// under way: a machine that is booting does not notice.
    package func apply(_ service: BootService) async throws(BootError) {
        let old = table.state.withLock { $0.segments[service.network] }
        if let old {
            let sight = old.sight
            if sight.fault == nil, sight.service.standsWhere(service) {
                if sight.service.loaders != service.loaders { try await old.readLoaders(of: service) }
                return old.change(to: service)
            }
            await stop(service.network)
        }
        let segment = BootSegment(service, loaders: loaders, artefacts: artefacts, book: book(of: service.network), time: time, logger: logger, tell: { [table] in table.tell($0) })
        try await segment.readLoaders(of: service)
        do {
            try await segment.start()
        } catch let error as BootError {
            throw error
        } catch {
            throw .system("serve on \(service.interface)", "\(error)")
        }
        let isKept = table.state.withLock { state in
            guard !state.isEnding, state.segments[service.network] == nil else { return false }
            state.segments[service.network] = segment
            return true
        }
        if !isKept {
            await segment.stop()
            throw .ending
        }
    }

    private func book(of network: String) -> LeaseBook {
        table.state.withLock { state in
            let book = state.books[network] ?? LeaseBook(leases.map { "\($0)/\(network).json" }, time: time, logger: logger)
            state.books[network] = book
            return book
        }
    }

    /// Fine when nothing is served there.
    package func stop(_ network: String) async {
        let segment = table.state.withLock { $0.segments.removeValue(forKey: network) }
        await segment?.stop()
    }

    /// nil: nothing is served there.
    package func observe(_ network: String) -> BootSight? { table.state.withLock { $0.segments[network] }?.sight }

    /// The networks that this NetBoot serves, in order.
    package func networks(servedFor name: String) -> [String] {
        table.state.withLock { $0.segments.filter { $0.value.service.name == name }.keys.sorted() }
    }

    /// Names of boot loaders that are not on this host, and where was looked for them.
    package var missingLoaders: (names: [String], directories: [String]) { (loaders.missing, loaders.directories) }

    /// Names of NetBoots of which there is news: a machine came further, an unknown one asked, a server failed.
    package func wakes() -> AsyncStream<String> { table.state.withLock { $0.listeners.add(keeping: .bufferingNewest(256)) } }

    /// Until its task is cancelled; then stops all.
    package func run() async throws {
        // Never yields: ends when the task is cancelled.
        for await _ in AsyncStream(Never.self, { _ in }) {}
        let ending = table.state.withLock { state in
            state.isEnding = true
            defer { state.segments = [:] }
            return state.segments.sorted { $0.key < $1.key }.map(\.value)
        }
        for segment in ending { await segment.stop() }
    }

    /// For tests, which let the system choose the ports.
    func segment(_ network: String) -> BootSegment? { table.state.withLock { $0.segments[network] } }
}
