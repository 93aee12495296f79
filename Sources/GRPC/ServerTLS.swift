import Bytes
import Foundation
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// How a port speaks TLS. The files are read anew when they change; a change that cannot be used is logged and the
/// old one kept.
package struct ServerTLS: Sendable, Hashable {
    package enum ClientCertificates: Sendable, Hashable { case none, optional, required }

    /// PEM files.
    package var certificate: String
    package var key: String
    /// Of those who sign clients' certificates; needed when clients are asked for one.
    package var clientCA: String?
    package var clientCertificates: ClientCertificates
    /// Revocation lists of those: whom they name is refused. nil: none.
    package var clientCRL: String?

    package init(
        certificate: String, key: String, clientCA: String? = nil, clientCertificates: ClientCertificates = .none, clientCRL: String? = nil
    ) {
        self.certificate = certificate
        self.key = key
        self.clientCA = clientCA
        self.clientCertificates = clientCertificates
        self.clientCRL = clientCRL
    }

    /// - Throws: `PortError.tls` naming the file.
    func readRevoked() throws(PortError) -> RevocationLists { try Self.readRevoked(clientCRL) }

    /// - Throws: `PortError.tls` naming the file.
    static func readRevoked(_ path: String?) throws(PortError) -> RevocationLists {
        guard let path else { return RevocationLists() }
        let pem = try read(path) { Array(try Data(contentsOf: URL(fileURLWithPath: $0))) }
        do throws(RevocationLists.Problem) { return try RevocationLists(pem: pem) } catch { throw .tls("\(path) \(error)") }
    }

    /// - Throws: `PortError.tls` naming the file.
    func makeContext() throws(PortError) -> NIOSSLContext {
        let chain = try Self.read(certificate) { try NIOSSLCertificate.fromPEMFile($0) }
        let key = try Self.read(key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        // The server's order decides. gRPC's clients offer h2 alone; who can do both, as curl, wants the JSON gateway or a page,
        // and those are served over HTTP/1.1.
        configuration.applicationProtocols = ["http/1.1", "h2"]
        if clientCertificates != .none {
            guard let clientCA else { throw .tls("client certificates are asked for, but no CA is given that signs them") }
            configuration.trustRoots = .certificates(try Self.read(clientCA) { try NIOSSLCertificate.fromPEMFile($0) })
            configuration.certificateVerification =
                clientCertificates == .required ? .noHostnameVerification : .optionalVerification
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw .tls("\(certificate) and \(self.key) do not go together: \(error)")
        }
    }

    static func read<T>(_ path: String, _ body: (String) throws -> T) throws(PortError) -> T {
        guard FileManager.default.isReadableFile(atPath: path) else { throw .tls("\(path) cannot be read") }
        do { return try body(path) } catch { throw .tls("\(path) is not what it should be: \(error)") }
    }

    /// Tells one state of the files from another.
    fileprivate var stamp: [Int64] {
        [certificate, key, clientCA ?? "", clientCRL ?? ""].flatMap { path -> [Int64] in
            var status = stat()
            guard !path.isEmpty, stat(path, &status) == 0 else { return [0] }
            return [Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec), Int64(status.st_size), Int64(status.st_ino)]
        }
    }
}

/// The TLS context for the next connection.
final class ServerTLSSource: Sendable {
    private struct State {
        var context: NIOSSLContext
        var revoked: RevocationLists
        var stamp: [Int64]
        var lookedAt = ContinuousClock.now
        /// When a refusal was last told, and how many were not since.
        var toldAt: ContinuousClock.Instant?
        var untold = 0
    }
    private let files: ServerTLS
    private let logger: Logger
    private let state: Mutex<State>
    private let lookEvery: Duration

    init(_ files: ServerTLS, lookEvery: Duration = .seconds(1), logger: Logger) throws(PortError) {
        self.files = files
        self.logger = logger
        self.lookEvery = lookEvery
        let stamp = files.stamp
        state = Mutex(State(context: try files.makeContext(), revoked: try files.readRevoked(), stamp: stamp))
    }

    var context: NIOSSLContext {
        state.withLock { state in
            look(&state)
            return state.context
        }
    }

    /// Clients that are refused, though an authority signed them.
    var revoked: RevocationLists {
        state.withLock { state in
            look(&state)
            return state.revoked
        }
    }

    /// Says why a client is not let in: a line every ten seconds at most, as whoever is refused comes again.
    func noteRefusal(of peer: String, _ why: String) {
        let others: Int? = state.withLock { state in
            let now = ContinuousClock.now
            guard state.toldAt.map({ now - $0 >= .seconds(10) }) ?? true else {
                state.untold += 1
                return nil
            }
            defer { (state.toldAt, state.untold) = (now, 0) }
            return state.untold
        }
        guard let others else { return }
        var metadata: Logger.Metadata = ["peer": "\(peer)", "error": "\(why)"]
        if others > 0 { metadata["refused-since-last-told"] = "\(others)" }
        logger.notice("a client is refused", metadata: metadata)
    }

    private func look(_ state: inout State) {
        let now = ContinuousClock.now
        guard now - state.lookedAt >= lookEvery else { return }
        state.lookedAt = now
        let stamp = files.stamp
        guard stamp != state.stamp else { return }
        state.stamp = stamp
        do throws(PortError) {
            state.context = try files.makeContext()
            logger.notice("certificates were read anew", metadata: ["certificate": "\(files.certificate)"])
        } catch {
            logger.error("changed certificates cannot be used, the old ones stay", metadata: ["error": "\(error)"])
        }
        do throws(PortError) { state.revoked = try files.readRevoked() } catch {
            logger.error("changed revocation lists cannot be used, the old ones stay", metadata: ["error": "\(error)"])
        }
    }
}

package enum PortError: Error, Hashable, Sendable, CustomStringConvertible {
    case tls(String)
    case cannotListen(String, String)

    package var description: String {
        switch self {
        case .tls(let why): "TLS: \(why)"
        case .cannotListen(let place, let why): "cannot listen at \(place): \(why)"
        }
    }
}
