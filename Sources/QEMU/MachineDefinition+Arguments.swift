/// Arguments that come from one field of a machine, so that a difference can be named after it.
package struct ArgumentGroup: Hashable, Codable, Sendable {
    /// "cpus", "memory", "drives[0]", …
    package var field: String
    package var arguments: [String]
    /// What a change of it asks for: "restart", for QEMU reads its command line once.
    package var impact: String

    package init(field: String, arguments: [String], impact: String = "restart") {
        self.field = field
        self.arguments = arguments
        self.impact = impact
    }
}

extension MachineDefinition {
    /// QEMU's command line without the program's name: qemu-system-x86_64(1).
    ///
    /// Interfaces and drives sit at fixed PCI addresses, so that the guest's names for them (`enp0s2`) stay
    /// when something else is added.
    package func arguments() -> [ArgumentGroup] {
        let files = MachineFiles(directory: directory)
        var groups = [
            ArgumentGroup(field: "name", arguments: ["-name", "guest=" + escaped(name)]),
            ArgumentGroup(field: "uuid", arguments: ["-uuid", uuid]),
            ArgumentGroup(field: "machine", arguments: ["-nodefaults", "-no-user-config", "-machine", "q35,graphics=off"]),
            accelerated,
            ArgumentGroup(field: "cpus", arguments: ["-smp", "cpus=\(cpus)"]),
            ArgumentGroup(field: "memory", arguments: ["-m", "size=\((memoryBytes + (1 << 20) - 1) >> 20)M"]),
        ]
        if case .uefi(let code, _) = firmware {
            groups.append(ArgumentGroup(field: "firmware", arguments: [
                "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + escaped(code),
                "-drive", "if=pflash,unit=1,format=raw,file=" + escaped(files.variables),
            ]))
        }
        groups += drives.indices.map(drive)
        groups += interfaces.indices.map(interface)
        if let kernel {
            var direct = ["-kernel", kernel.kernel]
            if let initrd = kernel.initrd { direct += ["-initrd", initrd] }
            if !kernel.commandLine.isEmpty { direct += ["-append", kernel.commandLine] }
            groups.append(ArgumentGroup(field: "kernel", arguments: direct))
        }
        groups.append(ArgumentGroup(field: "devices", arguments: [
            "-object", "rng-random,id=entropy,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=entropy,id=rng,addr=0xa",
        ] + (0..<4).flatMap { ["-device", "pcie-root-port,id=port\($0),chassis=\($0 + 1),addr=0x\(hex(0xb + $0))"] }))
        groups.append(ArgumentGroup(field: "console", arguments: [
            "-display", "none", "-chardev",
            "socket,id=console,path=\(escaped(files.console)),server=on,wait=off,"
                + "logfile=\(escaped(files.serialLog)),logappend=on",
            "-serial", "chardev:console",
        ]))
        groups.append(ArgumentGroup(field: "control", arguments: [
            "-qmp", "unix:\(escaped(files.qmp)),server=on,wait=off", "-pidfile", files.pid, "-daemonize",
        ]))
        return groups
    }

    private var accelerated: ArgumentGroup {
        switch accelerator {
        case .kvm: ArgumentGroup(field: "accelerator", arguments: ["-accel", "kvm", "-cpu", "host"])
        // Under TCG a plain old model is faster than `max` (crypto, zstd) and every kernel knows it.
        case .tcg: ArgumentGroup(field: "accelerator", arguments: ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem"])
        }
    }

    private func drive(_ index: Int) -> ArgumentGroup {
        let drive = drives[index]
        return ArgumentGroup(field: "drives[\(index)]", arguments: [
            "-drive", "if=none,id=disk\(index),format=\(drive.format),discard=unmap,file=" + escaped(drive.path),
            "-device", "virtio-blk-pci,id=disk\(index)-device,drive=disk\(index),serial=" + escaped(drive.serial)
                + boot(drive.bootIndex) + address(ofDrive: index),
        ])
    }

    private func interface(_ index: Int) -> ArgumentGroup {
        let interface = interfaces[index]
        let backend =
            switch interface.backend {
            case .multicast(let group, let localAddress):
                "socket,id=net\(index),mcast=\(escaped(group)),localaddr=\(escaped(localAddress))"
            case .tap(let device):
                "tap,id=net\(index),ifname=\(escaped(device)),script=no,downscript=no"
            case .user(let forwards, let subnet):
                "user,id=net\(index)" + (subnet.map { $0.arguments } ?? "") + forwards.sorted { $0.key < $1.key }
                    .map { ",hostfwd=tcp:127.0.0.1:\($0.key)-\(subnet?.guest ?? ""):\($0.value)" }.joined()
            }
        return ArgumentGroup(field: "interfaces[\(index)]", arguments: [
            "-netdev", backend,
            "-device", "virtio-net-pci,id=net\(index)-device,netdev=net\(index),mac=\(interface.mac)"
                + boot(interface.bootIndex) + address(ofInterface: index),
        ])
    }

    /// With a kernel given, QEMU itself takes boot index 0 for its loader and refuses a second one.
    private func boot(_ index: Int?) -> String {
        guard let index, kernel == nil else { return "" }
        return ",bootindex=\(index)"
    }

    /// From 0x10 to 0x1e, in their order, for the guest names them by it. More than fifteen are two to a slot, all of them.
    private func address(ofDrive index: Int) -> String {
        if drives.count <= 15 { return ",addr=0x" + hex(0x10 + index) }
        let isFirstOfTwo = index % 2 == 0 && index + 1 < drives.count
        return ",addr=0x\(hex(0x10 + index / 2)).0x\(index % 2)" + (isFirstOfTwo ? ",multifunction=on" : "")
    }

    /// From 0x2 to 0x9. QEMU gives the ninth the first that is free, which is 1; the tenth has what is left.
    private func address(ofInterface index: Int) -> String {
        switch index {
        case ..<8: ",addr=0x" + hex(0x2 + index)
        case 8: ""
        default: ",addr=0xf"
        }
    }
}

private func hex(_ number: Int) -> String { String(number, radix: 16) }

/// A comma inside an option's value is written twice (qemu-options).
package func escaped(_ text: String) -> String { text.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,") }
