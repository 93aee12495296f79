import API
import ArgumentParser
import Foundation
import Manifest
import Resource
import Synchronization

struct ConsoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Connects this terminal with the serial console of a machine.",
        discussion: """
            Every key goes to the machine; Ctrl-] leaves. Works on the machine's own host only, and for one person at \
            a time. A node means its virtual machine.

            EXAMPLES
              plasma console node01

            EXIT CODES
              0  left, or the machine closed the console
              1  not there, not running, or on another host
            """)

    @Argument(help: ArgumentHelp("[vm/|node/]NAME.", valueName: "machine")) var machine: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let place = try connection.connection()
        let path = try await connection.withClient { client in
            let object = try await Machine.find(machine, client: client)
            return try ConsoleCommand.socket(of: object, server: place.server)
        }
        // Raw mode hands Ctrl-C to the machine; the socket and the terminal are given back at the end.
        signal(SIGINT, SIG_DFL)
        let socket = try ConsoleSocket.connected(to: path)
        Output.complain("Connected to the console of \(machine). Ctrl-] leaves.")
        try ConsoleSession.run(socket)
        Output.complain("\r\nLeft the console of \(machine).")
    }

    /// - Throws: `Failure` saying why there is no console to connect to.
    static func socket(of object: any AnyResource, server: String) throws -> String {
        if server.hasPrefix("https://") {
            throw Failure(
                "\(object.reference) runs where \(server) is: use console on that host, or read along with plasma logs -f \(slug(object.reference))"
            )
        }
        let json = try object.json()
        guard let path = json.at("status.console")?.string, !path.isEmpty else {
            let phase = object.summary?.phase ?? "Pending"
            throw Failure("\(object.reference) has no console now: it is \(phase); see plasma describe \(slug(object.reference))")
        }
        return path
    }
}

/// A connection to a Unix socket, closed with this value.
struct ConsoleSocket: ~Copyable {
    let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// - Throws: `Failure` saying why the console cannot be reached.
    static func connected(to path: String) throws -> ConsoleSocket {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure("the console's path is too long for a socket: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("no socket can be made: \(String(cString: strerror(errno)))") }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if status != 0 {
            let why = String(cString: strerror(errno))
            close(descriptor)
            throw Failure("the console \(path) cannot be reached: \(why); is the machine running, and may you open its socket?")
        }
        return ConsoleSocket(descriptor)
    }

    deinit { close(descriptor) }
}

/// Somebody asked this process to end.
private let wasEnded = Atomic<Bool>(false)

/// Copies between the terminal and the console until either ends.
enum ConsoleSession {
    /// Ctrl-], as in telnet.
    static let escape: UInt8 = 0x1D

    static func run(_ socket: borrowing ConsoleSocket) throws {
        let raw = RawTerminal.made(of: STDIN_FILENO)
        var buffer = [UInt8](repeating: 0, count: 4096)
        // A signal ends the wait, so that the terminal is given back before the process goes.
        for number in [SIGTERM, SIGHUP] { signal(number) { _ in wasEnded.store(true, ordering: .relaxed) } }
        // The signal may be taken by another thread: it is looked for.
        while !wasEnded.load(ordering: .relaxed) {
            var ready = [
                pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&ready, 2, 250) < 0, errno != EINTR { break }
            if ready[0].revents != 0 {
                let count = read(socket.descriptor, &buffer, buffer.count)
                if count <= 0 { break }
                Output.write(Array(buffer[..<count]))
            }
            if ready[1].revents != 0 {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count <= 0 { break }
                let (send, isLeaving) = split(buffer[..<count])
                guard sendAll(send, to: socket.descriptor) else { break }
                if isLeaving { break }
            }
        }
        _ = consume raw
    }

    /// What goes to the machine, and whether the person leaves after it.
    static func split(_ typed: ArraySlice<UInt8>) -> (send: [UInt8], isLeaving: Bool) {
        guard let end = typed.firstIndex(of: escape) else { return (Array(typed), false) }
        return (Array(typed[..<end]), true)
    }

    private static func sendAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
