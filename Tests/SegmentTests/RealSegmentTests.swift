import CHost
import Foundation
import Glibc
import Host
import Logging
import Testing

@testable import Segment

/// Whether devices may be made here. Only in a network namespace of the tests' own: nothing but `lo`.
enum RealNetwork {
    static let obstacle: String? = {
        if ProcessInfo.processInfo.environment["PLASMA_REAL"] != "1" { return "PLASMA_REAL=1 is not set" }
        if geteuid() != 0 { return "it needs root" }
        var names: Set<String> = [], list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return "the interfaces cannot be listed" }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            names.insert(String(cString: entry.pointee.ifa_name))
            next = entry.pointee.ifa_next
        }
        return names == ["lo"] ? nil : "it needs a network namespace with nothing but lo: unshare -n"
    }()

    static let guestObstacle: String? = obstacle ?? {
        let files = FileManager.default
        let programs = ["/usr/bin/qemu-system-x86_64", "/usr/bin/busybox", "/usr/bin/cpio"]
        if let missing = programs.first(where: { !files.isExecutableFile(atPath: $0) }) { return "\(missing) is missing" }
        return kernel == nil ? "hack/demo-image has not been run" : nil
    }()

    /// The demo's, and its modules beside it.
    static var kernel: String? {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path + "/.build/demo/vmlinuz"
        return FileManager.default.isReadableFile(atPath: path) ? path : nil
    }
}

@Suite(.serialized, .enabled(if: RealNetwork.obstacle == nil, "real segments are skipped: \(RealNetwork.obstacle ?? "")"))
struct `A real segment` {
    private let segments = Segments(logger: Logger(label: "test"))
    private let processes = SystemProcesses()

    private func multicast(_ group: String = "230.0.0.1:1234") -> SegmentDefinition {
        SegmentDefinition(name: "lab", driver: .multicast(group: group), interface: "pt0", address: "10.77.0.1", prefixLength: 24)
    }

    @Test func `multicast: made once, changed in place, gone without a trace`() async throws {
        var segment = multicast()
        #expect(try await segments.observe(segment) == nil)
        try await segments.create(segment)
        try await segments.create(segment)
        var sight = try #require(try await segments.observe(segment))
        #expect(sight.device == .tap && sight.isUp && sight.mtu == 1500 && sight.address == "10.77.0.1/24")
        #expect(sight.relay?.isRunning == true && sight.relay?.group == "230.0.0.1:1234")

        segment.address = "10.78.0.1"
        segment.prefixLength = 20
        segment.mtu = 1400
        segment.driver = .multicast(group: "230.0.0.2:1234")
        try await segments.create(segment)
        sight = try #require(try await segments.observe(segment))
        #expect(sight.address == "10.78.0.1/20" && sight.mtu == 1400 && sight.relay?.group == "230.0.0.2:1234")
        segment.address = nil
        try await segments.create(segment)
        #expect(try await segments.observe(segment)?.address == nil)

        let other = Segments(logger: Logger(label: "test"))
        await #expect { try await other.create(segment) } throws: { "\($0)".contains("pt0") }
        try await segments.remove(segment)
        try await segments.remove(segment)
        #expect(try await segments.observe(segment) == nil)
    }

    @Test func `multicast: the device ends with run`() async throws {
        try await segments.create(multicast())
        let running = Task { try await segments.run() }
        running.cancel()
        try await running.value
        #expect(try await segments.observe(multicast()) == nil)
    }

    /// On loopback, and where the guests were told another address of this host.
    @Test(arguments: ["127.0.0.1", "10.76.0.5"])
    func `multicast: frames go both ways, own ones do not come back`(_ address: String) async throws {
        let wire = SegmentDefinition(name: "wire", driver: .bridge, interface: "pbr3", address: "10.76.0.5")
        if address != SegmentDefinition.loopback { try await segments.create(wire) }
        var multicast = self.multicast()
        multicast.driver = .multicast(group: "230.0.0.1:1234", localAddress: address)
        try await segments.create(multicast)
        var port: UInt16 = 0, source: UInt32 = 0
        let group: UInt32 = 0xE600_0001, local = try #require(parseIPv4(address))
        let guest = (hears: chost_multicast_receiver(group, 1234, local), says: chost_multicast_sender(group, 1234, local, &port))
        try #require(guest.hears >= 0 && guest.says >= 0)
        defer { close(guest.hears); close(guest.says) }

        // The host asks by ARP for a guest that does not answer.
        _ = try await processes.run(Program("busybox", ["ping", "-c", "1", "-W", "1", "10.77.0.9"]), limit: .seconds(20))
        var frame = [UInt8](repeating: 0, count: 2000), asked = false
        while case let count = chost_receive(guest.hears, &frame, frame.count, &source, &port), count > 0 {
            if count >= 42, frame[12...13] == [8, 6], Array(frame[38..<42]) == [10, 77, 0, 9] { asked = true }
        }
        #expect(asked)

        // A broadcast frame of the guest's reaches the host.
        let sent: [UInt8] = [UInt8](repeating: 0xFF, count: 6) + [0x52, 0x54, 0, 0, 0, 9, 0x88, 0xB5] + [UInt8](repeating: 7, count: 46)
        #expect(send(guest.says, sent, sent.count, 0) == sent.count)
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline, try await segments.observe(multicast)?.relay?.counters.framesIn == 0 {
            try await Task.sleep(for: .milliseconds(5))
        }
        let counters = try #require(try await segments.observe(multicast)?.relay?.counters)
        #expect(counters.framesIn == 1 && counters.bytesIn == 60, "\(counters)")
        #expect(counters.framesOut > 0 && counters.echoes == counters.framesOut, "\(counters)")
        try await segments.remove(multicast)
        try await segments.remove(wire)
    }

    @Test func `bridge: persistent, with ports, and not mistaken for another device`() async throws {
        let segment = SegmentDefinition(name: "lab", driver: .bridge, interface: "pbr0", address: "10.79.0.1", mtu: 1450)
        try await segments.create(segment)
        try await segments.create(segment)
        let sight = try #require(try await segments.observe(segment))
        #expect(sight == SegmentSight(interface: "pbr0", device: .bridge, address: "10.79.0.1/24", mtu: 1450, isUp: true))
        let hardware = hardwareAddress("pbr0")
        try await segments.addTap("ptap1", to: "pbr0")
        try await segments.addTap("ptap1", to: "pbr0")
        // Lower than any that a bridge makes up, so that one without an address of its own would take it.
        #expect(chost_interface_set_hardware("ptap1", [0, 0, 0, 0, 0, 1]) == 0)
        #expect(hardwareAddress("pbr0") == hardware)
        let tap = try #require(try NetworkInterface("ptap1").sight())
        #expect(tap.device == .tap && tap.isUp && tap.mtu == 1450)
        #expect(chost_bridge_has_port("pbr0", "ptap1") == 1)

        var second = segment
        second.interface = "pbr1"
        try await segments.create(second)
        // A machine holds it: as a cable is moved, so is it.
        let machine = chost_tap_open("ptap1", 1)
        #expect(machine >= 0 && segments.bridge(of: "ptap1") == "pbr0")
        try await segments.addTap("ptap1", to: "pbr1")
        #expect(segments.bridge(of: "ptap1") == "pbr1" && chost_bridge_has_port("pbr0", "ptap1") == 0)
        #expect(segments.bridge(of: "ptap2") == nil && segments.bridge(of: "pbr0") == "")
        close(machine)
        second.interface = "ptap1"
        await #expect(throws: SegmentError.self) { try await segments.create(second) }
        await #expect(throws: SegmentError.self) { try await segments.remove(second) }
        await #expect(throws: SegmentError.self) { try await segments.removeTap("pbr0") }

        try await segments.removeTap("ptap1")
        try await segments.removeTap("ptap1")
        #expect(hardwareAddress("pbr0") == hardware)
        second.interface = "pbr1"
        for bridge in [segment, second] {
            try await segments.remove(bridge)
            try await segments.remove(bridge)
            #expect(try await segments.observe(bridge) == nil)
        }
        #expect(!NetworkInterface("ptap1").exists)
    }

    private func hardwareAddress(_ interface: String) -> [UInt8] {
        var hardware = [UInt8](repeating: 0, count: 6)
        return chost_interface_hardware(interface, &hardware) == 0 ? hardware : []
    }

    @Test(.enabled(if: RealNetwork.guestObstacle == nil, "the guest is skipped: \(RealNetwork.guestObstacle ?? "")"))
    func `a guest on the multicast segment answers the host`() async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/ps-" + UUID().uuidString.prefix(8)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let kernel = try #require(RealNetwork.kernel)
        try await pack(directory, modules: (kernel as NSString).deletingLastPathComponent + "/modules")
        try await segments.create(multicast())
        let qemu = try processes.spawn(
            Program("qemu-system-x86_64", [
                "-nodefaults", "-no-user-config", "-machine", "q35,graphics=off", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "Nehalem",
                "-m", "256", "-display", "none", "-serial", "file:\(directory)/serial", "-kernel", kernel, "-initrd", directory + "/initrd",
                "-append", "console=ttyS0 quiet panic=-1", "-netdev", "socket,id=n0,mcast=230.0.0.1:1234,localaddr=127.0.0.1",
                "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:09",
            ]), output: directory + "/qemu")
        defer { _ = try? processes.signal(qemu, SIGKILL) }
        let deadline = ContinuousClock.now + .seconds(40)
        let ask = #"exec 3<>/dev/tcp/10.77.0.2/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && cat <&3"#
        var answer = "", lastWords = ""
        while answer != "hello from the guest\n", ContinuousClock.now < deadline {
            let result = try await processes.run(
                Program("bash", ["-c", ask]), limit: .seconds(30))
            answer = String(result.output.suffix(21))
            lastWords = result.errorText
            if !result.isSuccess { try await Task.sleep(for: .milliseconds(200)) }
        }
        let serial = FileManager.default.contents(atPath: directory + "/serial").map { String(decoding: $0, as: UTF8.self) } ?? ""
        let seen = try await segments.observe(multicast())
        try #require(answer == "hello from the guest\n", "\(String(describing: seen)) \(lastWords) \(serial.suffix(1500))")
        let ping = try await processes.run(Program("busybox", ["ping", "-c", "3", "-s", "1472", "10.77.0.2"]), limit: .seconds(30))
        #expect(ping.isSuccess, "\(ping.output)\(ping.errorText)")
        let counters = try #require(try await segments.observe(multicast())?.relay?.counters)
        #expect(counters.framesIn > 5 && counters.dropped == 0, "\(counters)")
        try await segments.remove(multicast())
    }

    private func pack(_ directory: String, modules: String) async throws {
        let script = """
            set -e; mkdir -p '\(directory)/root/bin' '\(directory)/root/modules' '\(directory)/root/www'; cd '\(directory)/root'
            cp /usr/bin/busybox bin/; echo 'hello from the guest' > www/index.html
            for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
              find '\(modules)' -name $module.ko -exec cp {} modules/ ';'
            done
            cat > init <<'END'
            #!/bin/busybox sh
            /bin/busybox mkdir -p /proc /sys /dev
            /bin/busybox mount -t proc proc /proc
            /bin/busybox mount -t devtmpfs dev /dev
            /bin/busybox mount -t sysfs sys /sys
            for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
              /bin/busybox insmod /modules/$module.ko
            done
            /bin/busybox ip address add 10.77.0.2/24 dev eth0
            /bin/busybox ip link set eth0 up
            /bin/busybox httpd -h /www
            /bin/busybox ip address
            echo GUEST-READY
            while true; do /bin/busybox sleep 3600; done
            END
            chmod 755 init; find . | cpio --quiet -o -H newc > ../initrd
            """
        let result = try await processes.run(Program("/bin/sh", ["-c", script]), limit: .seconds(60))
        try #require(result.isSuccess, "\(result.errorText)")
    }
}
