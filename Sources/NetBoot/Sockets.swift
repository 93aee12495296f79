import CHost
import Glibc
import NIOCore

/// A socket that no channel owns yet.
struct BootSocket: ~Copyable {
    private var descriptor: Int32?

    /// UDP on one interface alone; see `chost_device_socket`.
    init(_ interface: String, _ address: Address4, port: Int, isShared: Bool = false) throws(BootError) {
        let number = chost_device_socket(interface, address.number, UInt16(truncatingIfNeeded: port), isShared ? 1 : 0)
        if number == -EADDRINUSE { throw .taken(port: port, interface: interface) }
        try self.init(number, "listen on UDP port \(port) of \(interface)")
    }

    /// For router solicitations; see `chost_router_socket`.
    init(routerOn interface: String) throws(BootError) {
        try self.init(chost_router_socket(interface), "listen for router solicitations on \(interface)")
    }

    private init(_ number: Int32, _ what: String) throws(BootError) {
        if number == -EPERM || number == -EACCES { throw .forbidden("to \(what)") }
        guard number >= 0 else { throw .system(what, errnoText(-number)) }
        descriptor = number
    }

    /// Whoever takes it closes it.
    mutating func take() -> Int32 {
        guard let number = descriptor else { preconditionFailure("a socket was taken twice") }
        descriptor = nil
        return number
    }

    deinit { if let descriptor { close(descriptor) } }
}

/// Sends through a socket that a channel reads from. A channel would close with the first datagram that cannot be sent,
/// and a client chooses where its answer goes.
struct BootSender {
    var descriptor: Int32

    /// - Returns: 0, or -errno.
    @discardableResult
    func send(_ bytes: [UInt8], to address: Address4, port: Int) -> Int32 {
        guard let port = UInt16(exactly: port) else { return -EINVAL }
        return chost_send(descriptor, address.number, port, bytes, bytes.count)
    }

    /// - Returns: 0, or -errno.
    func sendToNodes(_ bytes: [UInt8]) -> Int32 { chost_send_to_nodes(descriptor, bytes, bytes.count) }
}

func errnoText(_ code: Int32) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
}

extension SocketAddress {
    init(_ address: Address4, port: Int) {
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        place.sin_addr.s_addr = address.number.bigEndian
        self.init(place)
    }

    var address4: Address4? {
        guard case .v4(let place) = self else { return nil }
        return Address4(number: UInt32(bigEndian: place.address.sin_addr.s_addr))
    }
}
