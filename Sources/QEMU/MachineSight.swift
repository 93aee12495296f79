import Host

/// A QEMU process that is certainly the machine it is taken for.
package struct RunningMachine: Hashable, Sendable {
    package var name: String
    package var identity: ProcessIdentity
    package var commandLine: [String]
    /// From the command line; checked against the one QMP tells.
    package var uuid: String
    /// QMP's RunState: "running", "paused", "shutdown", …
    package var status: String
    /// It was asked to power down, by us or by anyone, while this process watched.
    package var isPoweringDown: Bool
    /// When that was first seen; `nil` when it was not.
    package var poweringDownSince: Instant?

    package init(
        name: String, identity: ProcessIdentity, commandLine: [String], uuid: String, status: String,
        poweringDownSince: Instant? = nil
    ) {
        self.name = name
        self.identity = identity
        self.commandLine = commandLine
        self.uuid = uuid
        self.status = status
        self.isPoweringDown = poweringDownSince != nil
        self.poweringDownSince = poweringDownSince
    }

    package var pid: Int32 { identity.pid }
    package var startTime: UInt64 { identity.startTime }
}

/// What is there of a machine.
package enum MachineSight: Hashable, Sendable {
    /// No process and no directory.
    case absent
    /// No process, but these files (names inside the machine's directory, sorted; may be empty). A machine
    /// that was powered off looks like this too: its disk variables and log stay for the next start.
    case leftovers([String])
    case running(RunningMachine)
    /// The process lives, but QMP does not tell its state; the reason names the pid.
    case unreachable(String)
}

/// A machine under our directory that nobody declared.
package struct Stray: Hashable, Sendable {
    package var name: String
    package var sight: MachineSight

    package init(name: String, sight: MachineSight) {
        self.name = name
        self.sight = sight
    }
}

package struct MachineEvent: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A running machine was found and is now listened to.
        case attached
        /// The guest or the host ended it; `reason` is QMP's ("guest-shutdown", "host-qmp-quit", …).
        case shutdown(byGuest: Bool, reason: String)
        case reset(byGuest: Bool)
        /// The guest was asked to power down.
        case powerDown
        case stop
        case resume
        /// The process is gone.
        case exited
        /// Any other QMP event, by its name.
        case other(String)
    }

    package var name: String
    package var kind: Kind

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}
