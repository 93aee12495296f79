import Foundation
import Glibc

/// The service manager that started this process, when it wants to be told how far the process is: systemd does, for
/// a unit of `Type=notify` (sd_notify(3)).
package struct ServiceManager: Sendable {
    package enum Notice: Hashable, Sendable {
        /// What waits for this service may start.
        case ready
        /// One line for `systemctl status`.
        case status(String)

        var line: String {
            switch self {
            case .ready: "READY=1"
            case .status(let text): "STATUS=" + text.replacing("\n", with: " ")
            }
        }
    }

    /// Its socket: a path, or a name of the abstract namespace after "@". Nil: nobody wants to be told.
    private let socket: String?

    package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        socket = environment["NOTIFY_SOCKET"]
    }

    /// Says it without waiting.
    /// - Returns: whether it was taken; false too where nobody listens. A service runs the same either way.
    @discardableResult package func tell(_ notices: Notice...) -> Bool {
        guard let socket, var address = Self.address(socket) else { return false }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let text = Array(notices.map(\.line).joined(separator: "\n").utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + socket.utf8.count)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, length) == text.count
            }
        }
    }

    private static func address(_ socket: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socket.utf8)
        guard let first = name.first, name.count < MemoryLayout.size(ofValue: address.sun_path), !name.contains(0) else { return nil }
        switch first {
        case UInt8(ascii: "@"): name[0] = 0
        case UInt8(ascii: "/"): break
        default: return nil
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        return address
    }
}
