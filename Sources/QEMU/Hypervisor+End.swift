import Foundation
import Host
import NIOCore

extension Hypervisor {
    /// Presses the power button and returns at once. A guest without ACPI's button driver ignores it: wait with
    /// a deadline (`RunningMachine.poweringDownSince`), then `quit`.
    package func powerDown(_ name: String) async throws(MachineError) {
        let process = try await ask(name, "system_powerdown")
        monitor.notePowerDown(process.identity)
    }

    /// Lets a paused machine run on (QMP `cont`).
    package func resume(_ name: String) async throws(MachineError) {
        _ = try await ask(name, "cont")
    }

    /// Presses the reset button and returns at once.
    package func reset(_ name: String) async throws(MachineError) {
        _ = try await ask(name, "system_reset")
    }

    /// Ends the process, whatever the guest thinks of it: QMP `quit`, then SIGTERM, then SIGKILL, five seconds
    /// each. Fine when it is gone already. Its files stay; `clear` removes them. Of a cancelled task no stronger means come sooner: it throws
    /// `.couldNotEnd`, and who looks again goes on.
    package func quit(_ name: String) async throws(MachineError) {
        try checkName(name)
        guard let process = try find(name) else { return }
        let identity = process.identity
        // The reply may be cut off by the very end that was asked for: only the process's end counts.
        if let connection = try? await hold(name, process) { _ = try? await connection.execute("quit").get() }
        for signal in [nil, SIGTERM, SIGKILL] {
            if let signal {
                logger.warning("machine does not end, sending signal \(signal)", metadata: ["machine": "\(name)"])
                try looking { () throws(ProcessError) in _ = try processes.signal(identity, signal) }
            }
            if try await hasEnded(identity, within: .seconds(5)) { return }
            if Task.isCancelled { break }
        }
        throw .couldNotEnd(name: name, pid: identity.pid)
    }

    /// Removes the files of a machine that does not run, and its directory. A file that is not ours stops it.
    package func clear(_ name: String) async throws(MachineError) {
        try checkName(name)
        if let running = try find(name) { throw .alreadyRunning(name: name, pid: running.identity.pid) }
        let files = files(of: name)
        let own = [
            files.pid, files.qmp, files.console, files.serialLog, files.serialLogBefore, SerialLogBound.draft(of: files), files.variables,
            files.variables + ".new",
        ]
        for path in own where unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR {
            throw .file(path: path, "could not be removed: \(errnoText(errno))")
        }
        guard rmdir(files.directory) != 0, errno != ENOENT else { return }
        let why = errnoText(errno)
        guard case .leftovers(let others) = try filesLeft(of: name), !others.isEmpty else {
            throw .file(path: files.directory, "could not be removed: \(why)")
        }
        throw .file(path: files.directory, "holds files that are not the machine's: \(others.joined(separator: ", ")); move them away")
    }

    private func ask(_ name: String, _ command: String) async throws(MachineError) -> ProcessSight {
        try checkName(name)
        guard let process = try find(name) else { throw .notRunning(name: name) }
        do {
            _ = try await hold(name, process).execute(command).get()
            return process
        } catch QMPFault.refused(let command, let kind, let why) {
            throw .refused(command: command, class: kind, why)
        } catch { throw .unreachable(name: name, "\(error)") }
    }

    private func hasEnded(_ identity: ProcessIdentity, within limit: Duration) async throws(MachineError) -> Bool {
        let deadline = time.now() + limit
        while try looking({ () throws(ProcessError) in try processes.isAlive(identity) }) {
            guard time.now() < deadline else { return false }
            // Cancelled: looks once more and says what it sees.
            do { try await time.sleep(for: .milliseconds(20)) } catch { return false }
        }
        return true
    }
}
