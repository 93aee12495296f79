import ArgumentParser
import Etcd
import Foundation
import GRPC
import Logging
import ServiceLifecycle
import Store

/// A Chainfire or etcd cluster that keeps the desired state.
struct RemoteStore: Hashable, Sendable, CustomStringConvertible {
    var endpoints: [MemberURL]
    var tls: ClientTLS?
    /// Before every key; neither empty nor with a slash at its end.
    var prefix: String

    var description: String { endpoints.map(\.scalarText).joined(separator: ",") + prefix }

    /// - Parameter holder: who works on it; another server waits.
    func open(for holder: StoreClaim.Holder, logger: Logger) throws -> (store: any Store, services: [any ServiceLifecycle.Service]) {
        let client = try EtcdClient(endpoints: endpoints.map(\.scalarText), tls: tls, logger: logger)
        let claim = StoreClaim(client, key: Key(prefix + "/server"), holder: holder, logger: logger)
        return (ClaimedStore(base: PrefixStore(EtcdStore(client), prefix: Key(prefix)), claim: claim), [HangUp(client: client), claim])
    }

    /// Closes the connections when the server ends.
    private struct HangUp: ServiceLifecycle.Service {
        var client: EtcdClient

        func run() async throws {
            try? await gracefulShutdown()
            await client.close()
        }
    }
}

/// `--store` and what belongs to it.
struct RemoteStoreOptions: ParsableArguments {
    @Option(
        name: .customLong("store"),
        help: ArgumentHelp(
            "Keep the desired state in this Chainfire or etcd cluster: client URLs with commas between. One server works on it; another waits until that has ended.",
            valueName: "urls"))
    var endpoints: String?

    @Option(
        name: .customLong("store-ca-file"), help: ArgumentHelp("PEM file of the authority of its certificates.", valueName: "file"),
        completion: .file())
    var caFile: String?

    @Option(
        name: .customLong("store-cert-file"), help: ArgumentHelp("PEM file of the certificate to show it.", valueName: "file"),
        completion: .file())
    var certificateFile: String?

    @Option(
        name: .customLong("store-key-file"), help: ArgumentHelp("PEM file of that certificate's key.", valueName: "file"), completion: .file())
    var keyFile: String?

    @Option(name: .customLong("store-prefix"), help: ArgumentHelp("Before each key there.", valueName: "prefix"))
    var givenPrefix: String?
    var prefix: String { givenPrefix ?? "/plasma.cloud" }

    func remoteStore() throws -> RemoteStore? {
        guard let endpoints else {
            if let stray = [("--store-ca-file", caFile), ("--store-cert-file", certificateFile), ("--store-key-file", keyFile), ("--store-prefix", givenPrefix)]
                .first(where: { $0.1 != nil }) { throw Failure("\(stray.0) stands alone: name the cluster with --store") }
            return nil
        }
        guard (certificateFile == nil) == (keyFile == nil) else { throw Failure("--store-cert-file and --store-key-file go together: give both") }
        for file in [caFile, certificateFile, keyFile].compactMap({ $0 }) where !FileManager.default.isReadableFile(atPath: file) {
            throw Failure("\(file) cannot be read: is it there, and yours to read?")
        }
        var plain = prefix
        while plain.hasSuffix("/") { plain.removeLast() }
        guard plain.hasPrefix("/") else {
            throw Failure("--store-prefix \"\(prefix)\" is not a prefix such as /plasma.cloud: begin it with / and name something")
        }
        let urls: [MemberURL]
        do { urls = try EndpointOptions.urls(endpoints, environment: [:]) } catch {
            throw Failure("\(error)".replacingOccurrences(of: "--endpoints", with: "--store"))
        }
        let isSecure = urls.contains { $0.isSecure == true }
        guard isSecure || (caFile == nil && certificateFile == nil) else { throw Failure("--store \(endpoints) is not https, but certificates were given") }
        return RemoteStore(
            endpoints: urls, tls: isSecure ? ClientTLS(ca: caFile, certificate: certificateFile, key: keyFile) : nil, prefix: plain)
    }
}
