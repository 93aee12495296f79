import Foundation
import Host

@testable import QEMU

/// Whether real machines may be started here, and why not.
enum RealMachines {
    static let obstacle: String? = {
        if ProcessInfo.processInfo.environment["PLASMA_REAL"] != "1" { return "PLASMA_REAL=1 is not set" }
        if geteuid() != 0 { return "it needs root" }
        let programs = ["/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img", "/usr/bin/busybox", "/usr/bin/cpio"]
        if let missing = programs.first(where: { !FileManager.default.isExecutableFile(atPath: $0) }) { return "\(missing) is missing" }
        return GuestKernel.found == nil ? "there is no readable kernel under /boot, nor what hack/demo-image makes" : nil
    }()

    static var isPossible: Bool { obstacle == nil }
}

/// What guests boot: this host's newest kernel, or the one of the demo.
struct GuestKernel {
    var path: String
    /// Where its modules lie.
    var modules: String

    static let found: GuestKernel? = {
        if let own = AcceleratorProbe.findKernel() {
            let modules = "/lib/modules/" + URL(fileURLWithPath: own).lastPathComponent.dropFirst("vmlinuz-".count)
            if FileManager.default.fileExists(atPath: modules) { return GuestKernel(path: own, modules: modules) }
        }
        let demo = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path + "/.build/demo"
        guard FileManager.default.isReadableFile(atPath: demo + "/vmlinuz"), FileManager.default.fileExists(atPath: demo + "/modules") else { return nil }
        return GuestKernel(path: demo + "/vmlinuz", modules: demo + "/modules")
    }()
}

/// A Linux with one busybox that says it is ready and waits; the power button ends it.
struct TinyGuest {
    let kernel: String
    let initrd: String

    init(in room: Room) async throws {
        guard let found = GuestKernel.found else { throw MachineError.program("no kernel") }
        kernel = found.path
        initrd = room.path + "/initrd"
        try room.write("init", Self.script)
        let pack = """
            set -e; cd '\(room.path)'; mkdir -p root/bin root/modules; cp /usr/bin/busybox root/bin/busybox
            for module in button evdev; do find '\(found.modules)' -name $module.ko -exec cp {} root/modules/ ';'; done
            mv init root/init; chmod 755 root/init; cd root; find . | cpio --quiet -o -H newc > ../initrd
            """
        let result = try await SystemProcesses().run(Program("/bin/sh", ["-c", pack]), limit: .seconds(60))
        guard result.isSuccess else { throw MachineError.program(result.errorText) }
    }

    private static let script = """
        #!/bin/busybox sh
        /bin/busybox mkdir -p /proc /sys /dev
        /bin/busybox mount -t devtmpfs dev /dev
        for module in evdev button; do /bin/busybox insmod /modules/$module.ko; done
        for input in /dev/input/event*; do
        (/bin/busybox head -c 24 $input > /dev/null; echo BUTTON-PRESSED; /bin/busybox poweroff -f) &
        done
        echo GUEST-READY
        while true; do /bin/busybox sleep 3600; done

        """
}
