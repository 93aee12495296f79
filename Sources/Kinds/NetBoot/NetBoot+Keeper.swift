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
            for (name, loader) in [(Loaders.uefi, netBoot.spec.loaders?.uefi), (Loaders.bios, netBoot.spec.loaders?.bios)] {
                guard let loader else { continue }
                seen.loaders[name] = await look(at: loader, name == Loaders.uefi ? "loaders.uefi" : "loaders.bios", of: netBoot.name, bytesMax: Loaders.bytesMax, &orders)
            }
            if case .absent = goal { orders = [] }
            seen.leftovers = fetched.leftovers(of: netBoot.name, keeping: orders)
            let missing = servers.missingLoaders
            let lacking = missing.names.filter { seen.loaders[$0] == nil }
            if !lacking.isEmpty {
                seen.notes.append(
                    "\(lacking.joined(separator: " and ")) not found in \(missing.directories.joined(separator: ", ")), so that firmware without iPXE cannot boot; install Debian's package ipxe, or name others in spec.loaders")
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
        private func look(
            at artifact: Artifact, _ use: String, of owner: String, bytesMax: Int = PinnedFiles.bytesMax, _ orders: inout [FetchedFiles.Order]
        ) async -> Sight.File {
            let field = "spec.\(use)"
            let wanted: String
            switch await servers.artefacts.digest(of: artifact.path?.path ?? artifact.url?.scalarText ?? "", artifact.digest, artifact.digestFile, field) {
            case .success(let digest): wanted = digest
            case .failure(let unfit): return .unfit(unfit.why)
            }
            guard let url = artifact.url?.scalarText else { return await examine(PinnedFile(path: artifact.path?.path ?? "", digest: wanted), field, bytesMax) }
            let order = fetched.order(url, digest: wanted, for: use, of: owner)
            orders.append(order)
            if let mistake = fetched.mistake(in: order) { return .unfit("\(field).url: \(mistake)") }
            // What became another file since it was fetched is fetched again; not what is itself, and of no use.
            let artefact = PinnedFile(path: order.path, digest: wanted), file = await examine(artefact, field, bytesMax)
            if case .sound = file { return file }
            if case .sound = await servers.artefacts.examine(artefact) { return file }
            return .absent(order)
        }

        private func examine(_ artefact: PinnedFile, _ field: String, _ bytesMax: Int) async -> Sight.File {
            await servers.artefacts.objection(to: artefact, field, bytesMax: bytesMax, else: "nothing is offered").map { .unfit($0) } ?? .sound(artefact)
        }
    }
}
