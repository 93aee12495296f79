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
        if let ca {
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
}
