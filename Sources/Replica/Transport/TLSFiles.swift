/// The PEM files of one member's certificate. All are read again when they change.
package struct TLSFiles: Hashable, Sendable {
    /// The member's own certificate first, then those between it and the CA. It is shown when dialling too, so its
    /// extended key usage must allow both server and client.
    package var certificate: String
    package var key: String
    /// One or more certificates; the other side's must lead to one of them.
    package var ca: String
    /// Revocation lists of those authorities: whom they name is refused. nil: none.
    package var crl: String?

    package init(certificate: String, key: String, ca: String, crl: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.ca = ca
        self.crl = crl
    }
}
