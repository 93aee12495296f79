import Bytes
import Foundation
import Logging
import NIOSSL
import Synchronization

/// A certificate that changes while it is used: the files are looked at now and then, and what is made of them
/// serves the connections that come after. Files that cannot be used change nothing.
package final class TLSReloader: Sendable {
    package struct Contexts: Sendable {
        /// Asks the other side for a certificate and follows it to the CA. TLS 1.2 and later.
        package var server: NIOSSLContext
        /// Also wants the other side's certificate to be valid for the host that was dialled.
        package var client: NIOSSLContext
        /// When our own certificate ends.
        package var notAfter: Date
        /// Who is refused, though an authority signed it.
        package var revoked = RevocationLists()
    }

    private struct Watch {
        var stamps: [FileStamp?]
        /// The files have changed since they were last seen twice alike.
        var isSettling = true
        var failure: String?
    }

    private let files: TLSFiles
    private let logger: Logger
    private let contexts: Mutex<Contexts>
    private let watch: Mutex<Watch>

    /// Reads the files, which blocks.
    /// - Throws: `.tls` with the file that is missing, not PEM, or does not go with the others.
    package init(_ files: TLSFiles, logger: Logger) throws(TransportError) {
        self.files = files
        self.logger = logger
        watch = Mutex(Watch(stamps: Self.stamps(files)))
        let first = try Self.load(files)
        contexts = Mutex(first)
        warn(first)
    }

    /// For the next connection.
    package var current: Contexts { contexts.withLock { $0 } }

    /// Reads the files again when one was changed or replaced, and once more when they have come to rest, as
    /// certificate and key are seldom replaced in one step. Blocks; to be called every second or so.
    /// - Returns: whether `current` is new.
    @discardableResult package func look() -> Bool {
        watch.withLock { watch in
            let stamps = Self.stamps(files)
            let isChanged = stamps != watch.stamps
            guard isChanged || watch.isSettling else { return false }
            watch.stamps = stamps
            watch.isSettling = isChanged
            do throws(TransportError) {
                let new = try Self.load(files, orKeep: current.revoked) { [logger] error in
                    if isChanged { logger.error("the changed revocation lists cannot be used, those before stay in use: \(error)") }
                }
                contexts.withLock { $0 = new }
                if isChanged || watch.failure != nil {
                    logger.info("the certificate \(files.certificate) was read again; new connections use it")
                    warn(new)
                }
                watch.failure = nil
                return true
            } catch {
                if watch.failure != error.description {
                    logger.error("the changed certificate cannot be used, the one before stays in use: \(error)")
                }
                watch.failure = error.description
                return false
            }
        }
    }

    private func warn(_ contexts: Contexts) {
        guard contexts.notAfter < Date() else { return }
        logger.warning("the certificate \(files.certificate) expired on \(contexts.notAfter); no peer will accept it")
    }

    private static func stamps(_ files: TLSFiles) -> [FileStamp?] {
        [files.certificate, files.key, files.ca, files.crl].map { $0.flatMap(FileStamp.init(of:)) }
    }

    /// - Parameter lists: stay in use where new ones cannot be used; nil: then nothing can.
    private static func load(
        _ files: TLSFiles, orKeep lists: RevocationLists? = nil, complain: (TransportError) -> Void = { _ in }
    ) throws(TransportError) -> Contexts {
        let chain = try certificates(files.certificate)
        let roots = try certificates(files.ca)
        let revoked: RevocationLists
        do throws(TransportError) { revoked = try readLists(files.crl) } catch {
            guard let lists else { throw error }
            complain(error)
            revoked = lists
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: contents(files.key), format: .pem)
        } catch let error as TransportError {
            throw error
        } catch {
            throw .tls(file: files.key, "is not an unencrypted private key in PEM")
        }
        var server = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key), trustRoots: .certificates(roots))
        server.minimumTLSVersion = .tlsv12
        var client = TLSConfiguration.makeClientConfiguration()
        client.minimumTLSVersion = .tlsv12
        client.certificateChain = server.certificateChain
        client.privateKey = server.privateKey
        client.trustRoots = server.trustRoots
        // The same for both: a peer that has vanished does not hold a closing connection.
        server.shutdownTimeout = .seconds(1)
        client.shutdownTimeout = .seconds(1)
        do {
            var contexts = Contexts(
                server: try NIOSSLContext(configuration: server), client: try NIOSSLContext(configuration: client),
                notAfter: Date(timeIntervalSince1970: TimeInterval(chain[0].notValidAfter)))
            contexts.revoked = revoked
            return contexts
        } catch {
            throw .tls(file: files.certificate, "does not go with the key \(files.key): \(error)")
        }
    }

    private static func readLists(_ path: String?) throws(TransportError) -> RevocationLists {
        guard let path else { return RevocationLists() }
        let pem = try contents(path)
        do throws(RevocationLists.Problem) { return try RevocationLists(pem: pem) } catch { throw .tls(file: path, "\(error)") }
    }

    private static func certificates(_ path: String) throws(TransportError) -> [NIOSSLCertificate] {
        let bytes = try contents(path)
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw .tls(file: path, "holds no certificate in PEM, or a damaged one")
        }
        return certificates
    }

    private static func contents(_ path: String) throws(TransportError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            let why = FileStamp(of: path) == nil ? "no such file" : error.localizedDescription
            throw .tls(file: path, "cannot be read: \(why)")
        }
    }
}
