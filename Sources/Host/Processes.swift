/// One process and no other: a pid may be given to a new process, its start time may not.
package struct ProcessIdentity: Hashable, Codable, Sendable, CustomStringConvertible {
    package var pid: Int32
    /// Clock ticks since the machine's boot: field 22 of `/proc/PID/stat` (proc(5)).
    package var startTime: UInt64

    package init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    package var description: String { "pid \(pid) (started at tick \(startTime))" }
}

/// What `/proc` tells of a live process. A zombie is not live.
package struct ProcessSight: Hashable, Sendable {
    package var identity: ProcessIdentity
    package var parent: Int32
    /// Its process group: the pid of the group's first process.
    package var group: Int32
    /// The arguments it was started with, the program's name first; empty for a kernel thread.
    package var commandLine: [String]
    /// The file it runs; nil where we may not look. Ends with " (deleted)" when the file is gone.
    package var executable: String?

    package init(identity: ProcessIdentity, parent: Int32, group: Int32 = 0, commandLine: [String], executable: String?) {
        self.identity = identity
        self.parent = parent
        self.group = group
        self.commandLine = commandLine
        self.executable = executable
    }
}

/// A program to start and all it is given.
package struct Program: Hashable, Sendable {
    /// With a slash: that file. Without: looked for along this process's PATH.
    package var path: String
    /// Without the program's own name.
    package var arguments: [String]
    /// `nil`: this process's environment.
    package var environment: [String: String]?
    /// `nil`: this process's directory.
    package var directory: String?
    package var standardInput: [UInt8]

    package init(
        _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil,
        directory: String? = nil, standardInput: [UInt8] = []
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.standardInput = standardInput
    }
}

/// How a program ended and what it wrote.
package struct ProgramResult: Hashable, Sendable {
    package enum End: Hashable, Sendable {
        case exited(Int32)
        case signaled(Int32)
    }

    package var end: End
    package var standardOutput: [UInt8]
    package var standardError: [UInt8]
    /// More was written than was asked to be kept; the beginning is kept, the rest was read and dropped.
    package var isTruncated: Bool

    package init(end: End, standardOutput: [UInt8] = [], standardError: [UInt8] = [], isTruncated: Bool = false) {
        self.end = end
        self.standardOutput = standardOutput
        self.standardError = standardError
        self.isTruncated = isTruncated
    }

    package var isSuccess: Bool { end == .exited(0) }
    package var output: String { String(decoding: standardOutput, as: UTF8.self) }
    package var errorText: String { String(decoding: standardError, as: UTF8.self) }
}

package enum ProcessError: Error, Hashable, CustomStringConvertible {
    /// It never ran.
    case couldNotStart(program: String, reason: String)
    /// It was ended with SIGKILL because its time was up; what it had written until then.
    case tookTooLong(program: String, limit: Duration, output: String)
    /// The waiting task was cancelled; the program was ended with SIGKILL.
    case cancelled(program: String)
    /// A signal could not be sent although the process is there.
    case couldNotSignal(ProcessIdentity, reason: String)
    /// `/proc` could not be read.
    case cannotLook(reason: String)

    package var description: String {
        switch self {
        case .couldNotStart(let program, let reason): "could not start \(program): \(reason)"
        case .tookTooLong(let program, let limit, let output):
            "\(program) was ended because it did not finish within \(limit)" + (output.isEmpty ? "" : "; it wrote: \(output)")
        case .cancelled(let program): "\(program) was ended because nobody waits for it any more"
        case .couldNotSignal(let identity, let reason): "could not signal \(identity): \(reason)"
        case .cannotLook(let reason): "could not look at the processes of this machine: \(reason)"
        }
    }
}

/// The processes of this machine.
package protocol Processes: Sendable {
    /// Runs a program to its end. Nonzero exit codes are results, not errors.
    /// - Parameters:
    ///   - limit: after this the program is ended with SIGKILL.
    ///   - outputMax: bytes kept of each of standard output and standard error.
    func run(_ program: Program, limit: Duration, outputMax: Int) async throws(ProcessError) -> ProgramResult

    /// Starts a program that outlives this process, in a session of its own. What it writes is appended to
    /// the file `output`, or dropped. `standardInput` must be empty.
    func spawn(_ program: Program, output: String?) throws(ProcessError) -> ProcessIdentity

    /// `nil` when there is no such process, or only its zombie.
    func inspect(_ pid: Int32) throws(ProcessError) -> ProcessSight?

    /// Every live process, by pid. Those that end while being looked at are left out.
    func list() throws(ProcessError) -> [ProcessSight]

    /// Sends a signal to this very process, never to a later owner of its pid.
    /// - Returns: false when it is gone.
    @discardableResult
    func signal(_ identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool

    /// Sends a signal to this very process and to all others of its process group. Our own group is refused.
    /// - Returns: false when the process is gone: then nothing is known of a group, and nothing was sent.
    @discardableResult
    func signalGroup(of identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool
}

extension Processes {
    package func run(_ program: Program, limit: Duration) async throws(ProcessError) -> ProgramResult {
        try await run(program, limit: limit, outputMax: 1 << 20)
    }

    package func isAlive(_ identity: ProcessIdentity) throws(ProcessError) -> Bool {
        try inspect(identity.pid)?.identity == identity
    }
}
