import Bytes
import Foundation
import NIOCore
import NIOSSL

/// How a client speaks TLS; all files are PEM.
package struct ClientTLS: Sendable, Hashable {
    /// Of those who sign servers' certificates; nil trusts whom the system trusts.
    package var ca: String?
    /// What the client shows; both or none.
    package var certificate: String?
    package var key: String?
    /// The name the server's certificate must have, when it is not the host connected to.
    package var serverName: String?
    /// Takes any certificate: whoever sits between sees and changes everything.
    package var isInsecure: Bool
    /// Revocation lists of those who sign servers' certificates: a server that they name is told nothing. Of `HTTPCall` alone.
    package var crl: String?

    /// The same as PEM texts, which go before the files.
    package var texts: Texts?

    package struct Texts: Sendable, Hashable {
        var ca: String
        var certificate: String?
        var key: String?

        package init(ca: String, certificate: String? = nil, key: String? = nil) {
            self.ca = ca
            self.certificate = certificate
            self.key = key
        }
    }

    package init(texts: Texts) {
        isInsecure = false
        self.texts = texts
    }

    package init(
        ca: String? = nil, certificate: String? = nil, key: String? = nil, serverName: String? = nil, isInsecure: Bool = false
    ) {
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.serverName = serverName
        self.isInsecure = isInsecure
    }

    /// - Throws: `PortError.tls` naming the file.
    func readRevoked() throws(PortError) -> RevocationLists { try ServerTLS.readRevoked(crl) }

    /// - Throws: `PortError.tls` naming the file.
    func forConnection(to host: String, protocols: [String]) throws(PortError) -> (context: NIOSSLContext, name: String?) {
        let name = serverName ?? host
        // An address is no server name (RFC 6066 §3); it is compared with the certificate all the same.
        let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
        return (try makeContext(protocols), isAddress ? nil : name)
    }

    private func makeContext(_ protocols: [String]) throws(PortError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = protocols
        if let texts {
            do { try use(texts, in: &configuration) } catch { throw .tls("\(error)") }
        } else if let ca {
            configuration.trustRoots = .certificates(try ServerTLS.read(ca) { try NIOSSLCertificate.fromPEMFile($0) })
        }
        switch (certificate, key) {
        case (let certificate?, let key?):
            let chain = try ServerTLS.read(certificate) { try NIOSSLCertificate.fromPEMFile($0) }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(try ServerTLS.read(key) { try NIOSSLPrivateKey(file: $0, format: .pem) })
        case (nil, nil): break
        default: throw .tls("a client certificate needs its key, and a key its certificate: only one was given")
        }
        if isInsecure { configuration.certificateVerification = .none }
        do { return try NIOSSLContext(configuration: configuration) } catch { throw .tls("\(error)") }
    }

    private func use(_ texts: Texts, in configuration: inout TLSConfiguration) throws {
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(texts.ca.utf8)))
        guard let certificate = texts.certificate, let key = texts.key else { return }
        configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
    }
}
