import Foundation
import Host
import NIOCore

extension Hypervisor {
    /// Looks, and changes nothing. A process is taken for the machine only when its command line names our pid
    /// file and a UUID, and QMP confirms that UUID; a pid alone proves nothing.
    package func observe(_ name: String) async throws(MachineError) -> MachineSight {
        try checkName(name)
        guard let process = try find(name) else { return try filesLeft(of: name) }
        do {
            let connection = try await hold(name, process)
            let answer = try await connection.execute("query-status").get()
            return .running(RunningMachine(
                name: name, identity: process.identity, commandLine: process.commandLine, uuid: uuid(of: process),
                status: answer["status"]?.string ?? "unknown",
                poweringDownSince: monitor.poweringDownSince(process.identity)))
        } catch {
            // It may have ended while it was asked.
            if try find(name)?.identity != process.identity { return try await observe(name) }
            return .unreachable("pid \(process.identity.pid) lives, but \(error)")
        }
    }

    /// Machines under our directory that are not in `known`: running, or only their files; by name.
    package func strays(known: Set<String>) async throws(MachineError) -> [Stray] {
        var names = Set(try directories())
        for process in try listProcesses() {
            guard let file = pidFile(of: process), file.hasPrefix(machines + "/"), file.hasSuffix("/pid") else { continue }
            let name = String(file.dropFirst(machines.count + 1).dropLast(4))
            if !name.contains("/") { names.insert(name) }
        }
        var strays: [Stray] = []
        for name in names.subtracting(known).sorted() {
            let sight = try await observe(name)
            if sight != .absent { strays.append(Stray(name: name, sight: sight)) }
        }
        return strays
    }

    /// The live process of a machine: the one its pid file names, else any whose command line names the pid
    /// file. While QEMU daemonizes there are two for a moment; the younger one stays.
    func find(_ name: String) throws(MachineError) -> ProcessSight? {
        if let process = try findByPidFile(name) { return process }
        return try listProcesses()
            .filter { isOurs($0, name) }
            .max { ($0.identity.startTime, $0.identity.pid) < ($1.identity.startTime, $1.identity.pid) }
    }

    func findByPidFile(_ name: String) throws(MachineError) -> ProcessSight? {
        guard let bytes = FileManager.default.contents(atPath: files(of: name).pid),
            let pid = Int32(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)),
            let process = try looking({ () throws(ProcessError) in try processes.inspect(pid) })
        else { return nil }
        return isOurs(process, name) ? process : nil
    }

    func hold(_ name: String, _ process: ProcessSight) async throws -> QMPConnection {
        try await monitor.connection(
            to: name, process.identity, uuid: uuid(of: process), socket: files(of: name).qmp
        ).get()
    }

    /// Names of the directories that may be machines; none when there is no directory at all.
    func directories() throws(MachineError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: machines)
                .filter { isDirectory(machines + "/" + $0) }.sorted()
        } catch CocoaError.fileReadNoSuchFile, CocoaError.fileNoSuchFile {
            return []
        } catch { throw .file(path: machines, "could not be listed: \(error.localizedDescription)") }
    }

    func filesLeft(of name: String) throws(MachineError) -> MachineSight {
        let directory = directory(of: name)
        guard isDirectory(directory) else { return .absent }
        do { return .leftovers(try FileManager.default.contentsOfDirectory(atPath: directory).sorted()) } catch {
            throw .file(path: directory, "could not be listed: \(error.localizedDescription)")
        }
    }

    /// A name becomes a directory: it must not lead out of ours.
    func checkName(_ name: String) throws(MachineError) {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0x2F || $0 == 0 }) else {
            throw .invalid(name: name.debugDescription, "a machine's name must be the name of a directory")
        }
    }

    func listProcesses() throws(MachineError) -> [ProcessSight] {
        try looking { () throws(ProcessError) in try processes.list() }
    }

    func looking<T>(_ look: () throws(ProcessError) -> T) throws(MachineError) -> T {
        do throws(ProcessError) { return try look() } catch { throw .program("\(error)") }
    }

    private func isOurs(_ process: ProcessSight, _ name: String) -> Bool {
        pidFile(of: process) == files(of: name).pid && process.commandLine.contains("-uuid")
    }

    func pidFile(of process: ProcessSight) -> String? { value(of: "-pidfile", in: process.commandLine) }

    func uuid(of process: ProcessSight) -> String { value(of: "-uuid", in: process.commandLine) ?? "" }

    private func value(of flag: String, in commandLine: [String]) -> String? {
        guard let index = commandLine.firstIndex(of: flag), index + 1 < commandLine.count else { return nil }
        return commandLine[index + 1]
    }

    private func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }
}
