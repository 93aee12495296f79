/// What the boot servers could not do.
package enum BootError: Error, Hashable, CustomStringConvertible {
    /// A system call failed: what it was for, and the system's words.
    case system(String, String)
    /// Another program listens there.
    case taken(port: Int, interface: String)
    case forbidden(String)
    /// The servers are ending.
    case ending

    package var description: String {
        switch self {
        case .system(let what, let why): "could not \(what): \(why)"
        case .taken(let port, let interface):
            "port \(port) on \(interface) is taken: another boot or DHCP server runs on this host; end it, or keep it off \(interface)"
        case .forbidden(let what): "not permitted to \(what): run the server as root, or with CAP_NET_RAW and CAP_NET_BIND_SERVICE"
        case .ending: "the boot servers are ending"
        }
    }
}
