import Crypto
import Foundation
import X509

/// Who the server is to its HTTPS clients: a certificate, its key, and the authority that clients trust.
///
/// The authority is made once and kept, so that the CA file a client was given stays good; the server's certificate
/// is renewed when a third of its life is left or when its names change.
package struct ServerIdentity: Hashable, Sendable {
    /// The authority's certificate, PEM: what clients are given.
    package var authority: String
    /// The server's certificate, PEM.
    package var certificate: String
    /// The server's private key, PEM (PKCS #8).
    package var key: String

    static let authorityLifetime = TimeInterval(10 * 365 * 86_400)
    /// As long as browsers accept (CA/Browser Forum, 398 days at most).
    static let certificateLifetime = TimeInterval(397 * 86_400)

    /// Reads the identity kept in a directory, or makes what is missing, expired or for other names. All files have
    /// mode 0600: `ca.crt`, `ca.key`, `server.crt`, `server.key`.
    /// - Parameter names: DNS names and IP addresses that clients use; `localhost` and `127.0.0.1` are always among them.
    /// - Throws: `PKIError`.
    package static func load(in directory: String, names: [String], now: Date = Date()) throws(PKIError) -> ServerIdentity {
        let names = Set(names + ["localhost", "127.0.0.1"]).sorted()
        let files = IdentityFiles(directory: directory)
        try files.makeDirectory()
        let authority: Authority
        if let kept = try files.authority(now) {
            authority = kept
            if let kept = try files.identity(of: authority, names: names, now) { return kept }
        } else {
            authority = try Authority.make(now)
            try files.write(authority)
        }
        let identity = try authority.issue(names: names, now)
        try files.write(identity)
        return identity
    }
}
