/// What iPXE is told to do.
package enum BootScript {
    /// - Parameter machine: nil: one that the manifest does not name.
    package static func text(for machine: BootMachine?, mac: HardwareAddress?, in service: BootService) -> String {
        guard let kernel = service.kernel, machine?.boots ?? service.servesUnknown else {
            return """
                #!ipxe
                echo Nothing is offered to this machine: going on to its next boot device.
                exit

                """
        }
        let query = mac.map { "?mac=\($0.dashed)" } ?? ""
        func url(_ artefact: PinnedFile, _ part: BootPath.Part) -> String {
            "\(service.url)/artifacts/\(artefact.digest)/\(part.rawValue)\(query)"
        }
        var words: [String] = []
        // EFI firmware finds the RAM disk by this name.
        if service.initrd != nil { words.append("initrd=initrd") }
        words.append(line(service.commandLine))
        words.append("plasma.server=\(service.url)")
        if let mac { words.append("plasma.mac=\(mac)") }
        if let machine { words.append("plasma.hostname=\(machine.hostname)") }
        var lines = ["#!ipxe", "kernel \(url(kernel, .kernel)) \(words.filter { !$0.isEmpty }.joined(separator: " "))"]
        if let initrd = service.initrd { lines.append("initrd --name initrd \(url(initrd, .initrd))") }
        lines.append("boot")
        return lines.joined(separator: "\n") + "\n"
    }

    /// A line break would begin another command.
    private static func line(_ text: String) -> String {
        text.split { $0.isWhitespace || $0.unicodeScalars.contains { $0.value < 0x20 } }.joined(separator: " ")
    }
}
