import AsyncHTTPClient
import Foundation
import Manifest
import NIOCore
import NIOSSL
import Resource

/// Speaks with a plasma server. Many tasks may use one client at once. It must be closed before it is let go.
package struct Client: Sendable {
    package let endpoint: Endpoint
    /// How long an answer may take, where the caller does not say.
    let patience: Duration
    let http: HTTPClient

    /// - Throws: `ClientError.usage` when the CA is not a PEM certificate.
    package init(_ endpoint: Endpoint, patience: Duration = .seconds(60)) throws(ClientError) {
        self.endpoint = endpoint
        self.patience = patience
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(10)
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        // A watch holds its connection, and one process may hold many watches.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        configuration.connectionPool.retryConnectionEstablishment = false
        if case .https(_, let pem?, _) = endpoint {
            var tls = TLSConfiguration.makeClientConfiguration()
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)))
            } catch {
                throw .usage("the CA certificate for \(endpoint) is not PEM: \(error)")
            }
            configuration.tlsConfiguration = tls
        }
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    package func close() async {
        // A failure leaves nothing that could be given back; the process's end closes the sockets.
        try? await http.shutdown()
    }

    // MARK: Objects

    /// All objects of a kind that the selector picks, in name order, read at one revision.
    package func list(
        _ kind: AnyKind, selector: LabelSelector? = nil
    ) async throws -> (items: [any AnyResource], resourceVersion: String) {
        var items: [any AnyResource] = []
        let version = try await pages(Paths.list(kind.plural), selector: selector) { items.append(try Self.decode($0, kind)) }
        return (items, version)
    }

    /// nil when there is no such object.
    package func get(_ kind: AnyKind, _ name: String) async throws -> (any AnyResource)? {
        do {
            return try Self.decode(try await json("GET", Paths.object(kind.plural, name)), kind)
        } catch ClientError.notFound {
            return nil
        }
    }

    /// - Parameters:
    ///   - uid: deletes only this very object, not a later one of the same name.
    /// - Throws: `ClientError.notFound`, `.conflict` when a precondition does not hold.
    package func delete(
        _ kind: AnyKind, _ name: String, uid: String? = nil, resourceVersion: String? = nil, dryRun: Bool = false
    ) async throws -> DeleteResult {
        var preconditions: [String: JSON] = [:]
        if let uid { preconditions["uid"] = .string(uid) }
        if let resourceVersion { preconditions["resourceVersion"] = .string(resourceVersion) }
        let answer = try await json(
            "DELETE", Paths.object(kind.plural, name), query: dryRun ? [("dryRun", "All")] : [],
            body: JSON.object(preconditions.isEmpty ? [:] : ["preconditions": .object(preconditions)]).encoded())
        return DeleteResult(
            reference: Reference(kind: kind.name, name: name), isGone: answer["kind"]?.string == "Status")
    }

    /// Sets annotations; nil removes one. Neither spec nor generation change.
    /// - Parameter resourceVersion: what was read, and must still stand; nil: whatever stands there.
    /// - Throws: `ClientError.conflict` when it does not.
    package func patchAnnotations(
        _ kind: AnyKind, _ name: String, _ annotations: [String: String?], resourceVersion: String? = nil
    ) async throws -> any AnyResource {
        var metadata: [String: JSON] = ["annotations": .object(annotations.mapValues { $0.map(JSON.string) ?? .null })]
        if let resourceVersion { metadata["resourceVersion"] = .string(resourceVersion) }
        let patch = JSON.object(["metadata": .object(metadata)])
        let answer = try await json(
            "PATCH", Paths.object(kind.plural, name), body: patch.encoded(), contentType: "application/merge-patch+json")
        return try Self.decode(answer, kind)
    }

    // MARK: Manifests

    /// - Parameter workingDirectory: absolute; relative paths within a manifest start from its file's directory,
    ///   and relative file names from here.
    package func apply(
        _ manifest: [(file: String, bytes: [UInt8])], options: ApplyOptions = ApplyOptions(), workingDirectory: String? = nil,
        within limit: Duration = .seconds(120)
    ) async throws -> ApplyResult {
        var query = [("fieldManager", options.fieldManager)]
        if options.dryRun { query.append(("dryRun", "All")) }
        if options.prune { query.append(("prune", "true")) }
        if options.force { query.append(("force", "true")) }
        let body = try Wire.encode(ManifestBody(files: Self.files(manifest), workingDirectory: workingDirectory))
        let answer = try await bytes("POST", Paths.apply, query: query, body: body, deadline: TimeAmount(limit))
        return try Wire.decode(ApplyResult.self, from: answer)
    }

    /// - Parameter manifest: nil compares the store's own desired state with the world.
    package func diff(
        _ manifest: [(file: String, bytes: [UInt8])]?, selection: DiffSelection = DiffSelection(),
        workingDirectory: String? = nil, within limit: Duration = .seconds(1800)
    ) async throws -> DiffReport {
        let files = try manifest.map(Self.files)
        let body = try Wire.encode(ManifestBody(files: files, selection: selection, workingDirectory: workingDirectory))
        let answer = try await bytes("POST", Paths.diff, body: body, deadline: TimeAmount(limit))
        return try Wire.decode(DiffReport.self, from: answer)
    }

    // MARK: The rest

    /// Oldest first.
    package func events(about reference: Reference? = nil) async throws -> [EventRecord] {
        var events: [EventRecord] = []
        _ = try await pages(Paths.events, fieldSelector: reference.map(Paths.fieldSelector)) {
            events.append(try Wire.decode(EventRecord.self, from: $0.encoded()))
        }
        return events.sorted { ($0.lastTimestamp, $0.metadata.name) < ($1.lastTimestamp, $1.metadata.name) }
    }

    package func version() async throws -> VersionInfo {
        try Wire.decode(VersionInfo.self, from: try await bytes("GET", "/version"))
    }

    /// Why the server is not ready; empty when it is.
    package func unreadiness() async throws -> [String] {
        do {
            _ = try await bytes("GET", "/readyz")
            return []
        } catch ClientError.server(503, let message) {
            return message.split(separator: "\n").map(String.init)
        }
    }

    private static func files(_ manifest: [(file: String, bytes: [UInt8])]) throws -> [ManifestBody.File] {
        try manifest.map { file, bytes in
            guard let content = String(validating: bytes, as: UTF8.self) else {
                throw ClientError.usage("\(file) is not UTF-8 text")
            }
            return ManifestBody.File(name: file, content: content)
        }
    }

    static func decode(_ object: JSON, _ kind: AnyKind) throws -> any AnyResource {
        let version = object.at("metadata.resourceVersion")?.string.flatMap(Int64.init) ?? 0
        return try kind.decode(object.encoded(), version)
    }
}
