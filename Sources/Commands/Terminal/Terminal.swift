import Foundation
import Synchronization

/// What the receiver of standard output can show.
struct Terminal: Sendable {
    var isColored: Bool
    /// Standard output is a terminal whose lines can be redrawn.
    var isInteractive: Bool

    /// - Parameter environment: `NO_COLOR` with any text turns colour off (no-color.org), as does `TERM=dumb`.
    init(noColor: Bool, isTerminal: Bool, environment: [String: String]) {
        isInteractive = isTerminal && environment["TERM"] != "dumb"
        isColored = isInteractive && !noColor && (environment["NO_COLOR"] ?? "").isEmpty
    }

    static func standard(noColor: Bool) -> Terminal {
        Terminal(noColor: noColor, isTerminal: isatty(STDOUT_FILENO) == 1, environment: ProcessInfo.processInfo.environment)
    }

    /// Asked anew each time, because windows are resized.
    var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}

/// The two streams of a command. Output that nobody reads any more ends the process quietly, as
/// SIGPIPE would.
enum Output {
    /// What a process ends with that could not write its output: an error's. `diff` has another one.
    static let failureCode = Atomic<Int32>(1)

    static func write(_ text: String) { write(Array(text.utf8), to: STDOUT_FILENO) }
    static func write(_ bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }
    static func complain(_ text: String) { write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8), to: STDERR_FILENO) }

    /// Runs what tells of changes whenever they come, and ends the process when nobody reads them any more, though none comes.
    static func following(_ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while true {
                    try await Task.sleep(for: .seconds(1))
                    var reader = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
                    if poll(&reader, 1, 0) > 0, reader.revents & Int16(POLLERR) != 0 { exit(128 + SIGPIPE) }
                }
            }
            defer { tasks.cancelAll() }
            try await body()
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, 1000)
            } else if errno != EINTR {
                if errno == EPIPE { exit(128 + SIGPIPE) }
                if descriptor == STDOUT_FILENO { complain("plasma: standard output could not be written: \(String(cString: strerror(errno)))") }
                exit(failureCode.load(ordering: .relaxed))
            }
        }
    }
}

/// Ctrl-C ends a client at once and cleanly: it holds nothing that must be given back, but for a file that it said.
enum Interrupt {
    static func endsTheProcess() {
        signal(SIGINT) { _ in
            if let file = Interrupt.file { unlink(file) }
            _exit(128 + SIGINT)
        }
    }

    /// The one that is half written when it comes. Set once, before anything is written.
    nonisolated(unsafe) private static var file: UnsafeMutablePointer<CChar>?

    static func removesFirst(_ path: String) { file = strdup(path) }
}
