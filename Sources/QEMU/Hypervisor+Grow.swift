extension Hypervisor {
    /// Grows a disk that a running machine has open; the guest is told of the new size.
    /// QMP `block_resize` (QEMU QMP reference).
    /// - Parameters:
    ///   - path: the image's path, as the machine was started with it.
    ///   - bytes: the new size, not smaller than the present one.
    package func growDrive(of name: String, path: String, to bytes: UInt64) async throws(MachineError) {
        try checkName(name)
        guard let process = try find(name) else { throw .notRunning(name: name) }
        let file = "file=" + escaped(path)
        guard let drive = process.commandLine.first(where: { $0.hasPrefix("if=none,") && $0.hasSuffix(file) }),
            let id = drive.split(separator: ",").first(where: { $0.hasPrefix("id=") })?.dropFirst("id=".count)
        else { throw .image(path: path, "machine \(name) does not have it open") }
        let command = "block_resize"
        do {
            let arguments = QMPValue.object(["device": .string(String(id)), "size": .integer(Int64(bytes))])
            _ = try await hold(name, process).execute(command, arguments).get()
        } catch QMPFault.refused(_, let kind, let why) {
            throw .refused(command: command, class: kind, why)
        } catch {
            throw .unreachable(name: name, "\(error)")
        }
    }
}
