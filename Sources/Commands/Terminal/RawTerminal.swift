import Foundation

/// The terminal without line editing, echo and signals, until this value goes.
struct RawTerminal: ~Copyable {
    private let descriptor: Int32
    private let before: termios

    private init(_ descriptor: Int32, before: termios) {
        self.descriptor = descriptor
        self.before = before
    }

    /// nil when the descriptor is no terminal.
    static func made(of descriptor: Int32) -> RawTerminal? {
        var settings = termios()
        guard tcgetattr(descriptor, &settings) == 0 else { return nil }
        let before = settings
        cfmakeraw(&settings)
        guard tcsetattr(descriptor, TCSANOW, &settings) == 0 else { return nil }
        return RawTerminal(descriptor, before: before)
    }

    deinit {
        var settings = before
        _ = tcsetattr(descriptor, TCSAFLUSH, &settings)
    }
}
