import Manifest
import NetBoot
import Reconcile
import Resource
import ServiceLifecycle

extension NetBoot {
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        /// Linux takes no more (`COMMAND_LINE_SIZE` of x86).
        private static let commandLineBytesMax = 2048

        private let servers: BootServers
        private let fetched: FetchedFiles
        private let authorizedKeys: @Sendable () async throws -> [String]

        /// - Parameters:
        ///   - fetched: what artefacts with a URL become.
        ///   - authorizedKeys: SSH public keys that an installer lets in.
        package init(servers: BootServers, fetched: FetchedFiles, authorizedKeys: @escaping @Sendable () async throws -> [String]) {
            self.servers = servers
            self.fetched = fetched
            self.authorizedKeys = authorizedKeys
        }

        package func observe(_ goal: Goal<NetBoot>, _ reader: Reader) async throws -> Sight {
            let netBoot = goal.resource
            let network = netBoot.spec.network.scalarText
            let there = servers.observe(network)
            let isOurs = there?.service.name == netBoot.name
            var orders: [FetchedFiles.Order] = []
            var seen = Sight(
                served: isOurs ? there : nil, elsewhere: servers.networks(servedFor: netBoot.name).filter { $0 != network },
                occupant: isOurs ? nil : there?.service.name, kernel: await look(at: netBoot.spec.kernel, "kernel", of: netBoot.name, &orders))
            if let initrd = netBoot.spec.initrd { seen.initrd = await look(at: initrd, "initrd", of: netBoot.name, &orders) }
            if let file = netBoot.spec.commandLineFile?.path {
                let text = await servers.artefacts.text(of: file, bytesMax: Self.commandLineBytesMax)
                seen.commandLine = text.map { .words($0) } ?? .unfit("spec.commandLineFile: \(file) cannot be read, or is no text of at most \(Self.commandLineBytesMax) bytes")
            }
            if case .absent = goal { orders = [] }
            seen.leftovers = fetched.leftovers(of: netBoot.name, keeping: orders)
            let missing = servers.missingLoaders
            if !missing.names.isEmpty {
                seen.notes.append(
                    "\(missing.names.joined(separator: " and ")) not found in \(missing.directories.joined(separator: ", ")), so that firmware without iPXE cannot boot; install Debian's package ipxe")
            }
            do {
                seen.authorizedKeys = try await authorizedKeys()
            } catch {
                seen.notes.append("the installer gets no SSH key: \(error)")
            }
            return seen
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .serve(let service): try await servers.apply(service)
            case .stop(let network): await servers.stop(network)
            case .fetch(let order):
                // A server that ends does not wait for a download: the next one begins it anew.
                do { try await cancelWhenGracefulShutdown { try await fetched.fetch(order) } } catch is CancellationError {}
            case .discard(let paths): fetched.discard(paths)
            }
        }

        /// Names of objects of which there is news.
        package func wakes() -> AsyncStream<String> { servers.wakes() }

        /// - Parameter orders: what it has a URL for is added.
        private func look(at artifact: Artifact, _ use: String, of owner: String, _ orders: inout [FetchedFiles.Order]) async -> Sight.File {
            let field = "spec.\(use)", place = artifact.path?.path ?? artifact.url?.scalarText ?? ""
            var wanted = artifact.digest?.hexadecimal
            if let file = artifact.digestFile?.path {
                guard let text = await servers.artefacts.text(of: file, bytesMax: ChecksumFile.bytesMax) else {
                    return .unfit("\(field).digestFile: \(file) cannot be read")
                }
                wanted = ChecksumFile.digest(of: place, in: text)
                if wanted == nil { return .unfit("\(field).digestFile: \(file) has no SHA-256 of \(place)") }
            }
            guard let wanted else { return .unfit("\(field) has no digest") }
            guard let url = artifact.url?.scalarText else { return await examine(PinnedFile(path: place, digest: wanted), field) }
            let order = fetched.order(url, digest: wanted, for: use, of: owner)
            orders.append(order)
            if let mistake = fetched.mistake(in: order) { return .unfit("\(field).url: \(mistake)") }
            // What became another file since it was fetched is fetched again.
            let file = await examine(PinnedFile(path: order.path, digest: wanted), field)
            if case .sound = file { return file }
            return .absent(order)
        }

        private func examine(_ artefact: PinnedFile, _ field: String) async -> Sight.File {
            switch await servers.artefacts.examine(artefact) {
            case .sound: .sound(artefact)
            case .unreadable(let why): .unfit("\(field): \(why)")
            case .differs(let actual):
                .unfit("\(field): \(artefact.path) has the digest sha256:\(actual), and sha256:\(artefact.digest) is expected; nothing is offered until they agree")
            }
        }
    }
}
