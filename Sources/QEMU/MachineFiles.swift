/// The files of one machine. QEMU makes all but the directory, the firmware's variables and what is kept of an earlier log.
package struct MachineFiles: Hashable, Sendable {
    package var directory: String

    package init(directory: String) { self.directory = directory }

    package var pid: String { directory + "/pid" }
    package var qmp: String { directory + "/qmp.sock" }
    package var console: String { directory + "/console.sock" }
    /// What the guest's first serial port wrote; appended to across restarts, begun anew when it grew too long (`SerialLogBound`).
    package var serialLog: String { directory + "/serial.log" }
    /// The end of what was in it before it was begun anew.
    package var serialLogBefore: String { directory + "/serial.log.1" }
    package var variables: String { directory + "/OVMF_VARS.fd" }

    /// `sun_path` holds 108 bytes with the NUL at the end (unix(7)); QEMU refuses longer ones.
    static let socketPathMax = 107

    /// The first socket path that the kernel would not take.
    var overlongSocket: String? { [qmp, console].first { $0.utf8.count > Self.socketPathMax } }
}
