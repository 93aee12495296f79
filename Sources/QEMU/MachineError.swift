/// The one error of this room.
package enum MachineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The definition cannot be started as it is.
    case invalid(name: String, String)
    case alreadyRunning(name: String, pid: Int32)
    case notRunning(name: String)
    /// QEMU ended with an error; its own words.
    case couldNotStart(name: String, String)
    /// A file of the machine could not be made or removed.
    case file(path: String, String)
    /// The process lives but QMP could not be used.
    case unreachable(name: String, String)
    /// QMP answered a command with an error.
    case refused(command: String, class: String, String)
    /// Even SIGKILL did not end it in time.
    case couldNotEnd(name: String, pid: Int32)
    /// qemu-img's own words.
    case image(path: String, String)
    /// A host program could not be run.
    case program(String)

    package var description: String {
        switch self {
        case .invalid(let name, let why): "machine \(name) cannot be started: \(why)"
        case .alreadyRunning(let name, let pid): "machine \(name) already runs as pid \(pid)"
        case .notRunning(let name): "machine \(name) does not run"
        case .couldNotStart(let name, let why): "machine \(name) could not be started: \(why)"
        case .file(let path, let why): "\(path): \(why)"
        case .unreachable(let name, let why): "machine \(name) cannot be reached: \(why)"
        case .refused(let command, let kind, let why): "QEMU refused \(command): \(why) (\(kind))"
        case .couldNotEnd(let name, let pid): "machine \(name) (pid \(pid)) did not end, not even by SIGKILL"
        case .image(let path, let why): "disk image \(path): \(why)"
        case .program(let why): why
        }
    }
}
