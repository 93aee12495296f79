import Manifest
import NetBoot
import Reconcile
import Resource

extension NetBoot {
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let servers: BootServers
        private let authorizedKeys: @Sendable () async throws -> [String]

        /// - Parameter authorizedKeys: SSH public keys that an installer lets in.
        package init(servers: BootServers, authorizedKeys: @escaping @Sendable () async throws -> [String]) {
            self.servers = servers
            self.authorizedKeys = authorizedKeys
        }

        package func observe(_ goal: Goal<NetBoot>, _ reader: Reader) async throws -> Sight {
            let netBoot = goal.resource
            let network = netBoot.spec.network.scalarText
            let there = servers.observe(network)
            let isOurs = there?.service.name == netBoot.name
            var seen = Sight(
                served: isOurs ? there : nil, elsewhere: servers.networks(servedFor: netBoot.name).filter { $0 != network },
                occupant: isOurs ? nil : there?.service.name, kernel: await look(at: netBoot.spec.kernel, "spec.kernel"))
            if let initrd = netBoot.spec.initrd { seen.initrd = await look(at: initrd, "spec.initrd") }
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
            }
        }

        /// Names of objects of which there is news.
        package func wakes() -> AsyncStream<String> { servers.wakes() }

        private func look(at artifact: Artifact, _ field: String) async -> Sight.File {
            guard let path = artifact.path?.path else {
                return .unfit("\(field).url: fetching by URL is not there yet; download \(artifact.url?.scalarText ?? "it") and give its path")
            }
            var wanted = artifact.digest?.hexadecimal
            if let file = artifact.digestFile?.path {
                guard let text = await servers.artefacts.text(of: file, bytesMax: ChecksumFile.bytesMax) else {
                    return .unfit("\(field).digestFile: \(file) cannot be read")
                }
                wanted = ChecksumFile.digest(of: path, in: text)
                if wanted == nil { return .unfit("\(field).digestFile: \(file) has no SHA-256 of \(path)") }
            }
            guard let wanted else { return .unfit("\(field) has no digest") }
            let artefact = PinnedFile(path: path, digest: wanted)
            switch await servers.artefacts.examine(artefact) {
            case .sound: return .sound(artefact)
            case .unreadable(let why): return .unfit("\(field): \(why)")
            case .differs(let actual): return .unfit("\(field): \(path) has the digest sha256:\(actual), and sha256:\(wanted) is expected; nothing is offered until they agree")
            }
        }
    }
}
