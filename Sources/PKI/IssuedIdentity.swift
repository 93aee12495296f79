/// A certificate with everything its holder needs. Its description tells no secret.
package struct IssuedIdentity: Codable, Hashable, Sendable {
    /// The certificate, then the intermediates between it and the root. PEM.
    package var certificatePEM: String
    /// Every root that its holder is to trust; during a change of authorities the old and the new. PEM.
    package var trustPEM: String
    /// The private key. PEM (PKCS #8; RSA: PKCS #1).
    package var keyPEM: String
    /// In hexadecimal, small, without colons.
    package var serial: String

    package init(certificatePEM: String, trustPEM: String, keyPEM: String, serial: String) {
        self.certificatePEM = certificatePEM
        self.trustPEM = trustPEM
        self.keyPEM = keyPEM
        self.serial = serial
    }
}

extension IssuedIdentity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "identity \(serial)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["serial": serial]) }
}
