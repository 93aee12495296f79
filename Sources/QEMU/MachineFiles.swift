/// The files of one machine. QEMU makes all but the directory and the firmware's variables.
package struct MachineFiles: Hashable, Sendable {
    package var directory: String

    package init(directory: String) { self.directory = directory }

    package var pid: String { directory + "/pid" }
    package var qmp: String { directory + "/qmp.sock" }
    package var console: String { directory + "/console.sock" }
    /// All that the guest's first serial port ever wrote; appended to across restarts.
    package var serialLog: String { directory + "/serial.log" }
    package var variables: String { directory + "/OVMF_VARS.fd" }

    /// `sun_path` holds 108 bytes with the NUL at the end (unix(7)); QEMU refuses longer ones.
    static let socketPathMax = 107

    /// The first socket path that the kernel would not take.
    var overlongSocket: String? { [qmp, console].first { $0.utf8.count > Self.socketPathMax } }
}
