import Host
import Logging

/// The QEMU machines of this host: one directory each under `machines`. Any number of copies share one state.
package struct Hypervisor: Sendable {
    let machines: String
    let program: String
    let processes: any Processes
    let time: any Time
    let logger: Logger
    let monitor: Monitor
    var serialLogBound = SerialLogBound()

    /// - Parameter program: QEMU's name (looked for along PATH) or path.
    package init(
        machines directory: String, processes: any Processes, time: any Time, logger: Logger,
        program: String = "qemu-system-x86_64"
    ) {
        self.machines = directory
        self.program = program
        self.processes = processes
        self.time = time
        self.logger = logger
        self.monitor = Monitor(time: time, logger: logger)
    }

    /// Where the machine's files are; what `MachineDefinition.directory` must be.
    package func directory(of name: String) -> String { machines + "/" + name }

    package func files(of name: String) -> MachineFiles { MachineFiles(directory: directory(of: name)) }

    /// What happens to machines from now on, for as long as `run()` runs. Each call gives a stream of its own;
    /// a reader that falls 1024 events behind loses the oldest.
    package func events() -> AsyncStream<MachineEvent> { monitor.events() }
}
