/// Where a machine's SSH server is, and as whom it is spoken to.
package struct SSHTarget: Hashable, Sendable {
    /// A name or an IP address.
    package var address: String
    package var port: Int
    package var user: String

    package init(address: String, port: Int = 22, user: String = "root") {
        self.address = address
        self.port = port
        self.user = user
    }

    package var userAtAddress: String { "\(user)@\(address)" }
}
