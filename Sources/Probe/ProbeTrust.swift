import NIOSSL

/// Whom a probe trusts and what it shows; all PEM. Never printed: it may hold a key.
package struct ProbeTrust: Hashable, Sendable {
    /// Certificates of the authorities; empty: the system's.
    package var authorities: String
    /// What is shown where a certificate is asked for, with its key; both or none.
    package var certificate: String?
    package var key: String?

    /// Whom this machine's system trusts.
    package static let system = ProbeTrust(authorities: "")

    package init(authorities: String, certificate: String? = nil, key: String? = nil) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }

    /// - Throws: `ProbeFailure.impossible` when these are no certificates.
    func context(_ protocols: [String]) throws(ProbeFailure) -> NIOSSLContext {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = protocols
            if !authorities.isEmpty { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authorities.utf8))) }
            if let certificate, let key {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ProbeFailure(.impossible, "the certificates to probe with cannot be used: \(error)")
        }
    }
}
