import Foundation
import Host

extension Hypervisor {
    /// Until QEMU has opened its files and devices and gone into the background; it boots nothing before that.
    static let startLimit = Duration.seconds(30)

    /// Starts a machine that outlives this process. Each step leaves something that `observe` names: the
    /// directory, then the firmware's variables, then a process.
    package func start(_ definition: MachineDefinition) async throws(MachineError) {
        let name = definition.name
        try checkName(name)
        let files = files(of: name)
        guard definition.directory == files.directory else {
            throw .invalid(name: name, "its directory must be \(files.directory), not \(definition.directory)")
        }
        if let socket = files.overlongSocket {
            throw .invalid(
                name: name,
                "the socket path \(socket) has \(socket.utf8.count) bytes, \(MachineFiles.socketPathMax) are possible; "
                    + "use a shorter data directory or machine name")
        }
        if let running = try find(name) { throw .alreadyRunning(name: name, pid: running.identity.pid) }
        try refuseTwin(of: definition)
        try prepare(definition, files)
        let arguments = definition.arguments().flatMap(\.arguments)
        let result: ProgramResult
        do throws(ProcessError) {
            result = try await processes.run(Program(program, arguments), limit: Self.startLimit, outputMax: 64 * 1024)
        } catch {
            // The foreground process is gone; what it left in the background is not a machine yet.
            if let half = try find(name) { _ = try looking { () throws(ProcessError) in try processes.signal(half.identity, SIGKILL) } }
            throw .couldNotStart(name: name, "\(error)")
        }
        let words = result.errorText.trimmingCharacters(in: .whitespacesAndNewlines)
        guard result.isSuccess else {
            throw .couldNotStart(name: name, words.isEmpty ? "QEMU ended with \(result.end) and said nothing" : words)
        }
        if !words.isEmpty { logger.info("QEMU said at start: \(words)", metadata: ["machine": "\(name)"]) }
        guard let process = try find(name) else {
            throw .couldNotStart(name: name, "QEMU went into the background and ended there; see \(files.serialLog)")
        }
        // From its first moment on; whether it works is what `observe` will tell.
        _ = try? await hold(name, process)
    }

    /// One that was started through another path of the data directory has another pid file by its command line, and so is not found as ours: its
    /// sockets must not be taken away, nor its disks be opened twice.
    private func refuseTwin(of definition: MachineDefinition) throws(MachineError) {
        for process in try listProcesses() where uuid(of: process).lowercased() == definition.uuid.lowercased() {
            guard let place = pidFile(of: process) else { continue }
            throw .invalid(
                name: definition.name,
                "pid \(process.identity.pid) runs with its UUID \(definition.uuid) already, and its pid file is \(place); if that lies in this data directory "
                    + "by another name, start the server with that name, otherwise end that process")
        }
    }

    private func prepare(_ definition: MachineDefinition, _ files: MachineFiles) throws(MachineError) {
        let manager = FileManager.default
        do {
            try manager.createDirectory(
                atPath: files.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw .file(path: files.directory, "could not be made: \(error.localizedDescription)") }
        for stale in [files.pid, files.qmp, files.console] where unlink(stale) != 0 && errno != ENOENT {
            throw .file(path: stale, "is left from an earlier run and could not be removed: \(errnoText(errno))")
        }
        guard case .uefi(let code, let template) = definition.firmware else { return }
        guard manager.isReadableFile(atPath: code) else { throw .file(path: code, "the firmware cannot be read; install OVMF") }
        guard !manager.fileExists(atPath: files.variables) else { return }
        // Whole or not at all: half a variable store would never be replaced.
        let draft = files.variables + ".new"
        do {
            if manager.fileExists(atPath: draft) { try manager.removeItem(atPath: draft) }
            try manager.copyItem(atPath: template, toPath: draft)
            try manager.setAttributes([.posixPermissions: 0o600], ofItemAtPath: draft)
            try manager.moveItem(atPath: draft, toPath: files.variables)
        } catch {
            throw .file(path: template, "could not be copied to \(files.variables): \(error.localizedDescription)")
        }
    }
}
