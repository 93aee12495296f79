/// Why members cannot be spoken with at all.
package enum TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    case cannotListen(PeerAddress, String)
    /// One of the certificate's files, and what is wrong with it.
    case tls(file: String, String)

    package var description: String {
        switch self {
        case .cannotListen(let address, let why): "cannot listen for peers on \(address): \(why)"
        case .tls(let file, let why): "\(file): \(why)"
        }
    }
}
