import Testing

@testable import QEMU

/// A machine with one of everything.
func exampleMachine() -> MachineDefinition {
    MachineDefinition(
        name: "node01", uuid: "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b", cpus: 2, memoryBytes: 805_306_368, accelerator: .tcg,
        firmware: .uefi(code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variablesTemplate: "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        drives: [
            .init(path: "/data/disks/a,b.qcow2", serial: "root", bootIndex: 0),
            .init(path: "/data/disks/data.img", format: "raw", serial: "data"),
        ],
        interfaces: [
            .init(mac: "52:54:00:00:00:01", backend: .multicast(group: "230.0.0.1:1234", localAddress: "127.0.0.1"), bootIndex: 1),
            .init(mac: "52:54:00:00:00:02", backend: .tap("tap1")),
            .init(mac: "52:54:00:00:00:03", backend: .user(forwards: [8080: 80, 2222: 22])),
        ],
        directory: "/data/machines/node01")
}

@Suite struct `The command line` {
    @Test func `every field has its arguments`() {
        let lines = exampleMachine().arguments().map { "\($0.field): \($0.arguments.joined(separator: " "))" }
        #expect(lines == """
            name: -name guest=node01
            uuid: -uuid 7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b
            machine: -nodefaults -no-user-config -machine q35,graphics=off
            accelerator: -accel tcg,thread=multi,tb-size=256 -cpu Nehalem
            cpus: -smp cpus=2
            memory: -m size=768M
            firmware: -drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd -drive if=pflash,unit=1,format=raw,file=/data/machines/node01/OVMF_VARS.fd
            drives[0]: -drive if=none,id=disk0,format=qcow2,discard=unmap,file=/data/disks/a,,b.qcow2 -device virtio-blk-pci,id=disk0-device,drive=disk0,serial=root,bootindex=0,addr=0x10
            drives[1]: -drive if=none,id=disk1,format=raw,discard=unmap,file=/data/disks/data.img -device virtio-blk-pci,id=disk1-device,drive=disk1,serial=data,addr=0x11
            interfaces[0]: -netdev socket,id=net0,mcast=230.0.0.1:1234,localaddr=127.0.0.1 -device virtio-net-pci,id=net0-device,netdev=net0,mac=52:54:00:00:00:01,bootindex=1,addr=0x2
            interfaces[1]: -netdev tap,id=net1,ifname=tap1,script=no,downscript=no -device virtio-net-pci,id=net1-device,netdev=net1,mac=52:54:00:00:00:02,addr=0x3
            interfaces[2]: -netdev user,id=net2,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80 -device virtio-net-pci,id=net2-device,netdev=net2,mac=52:54:00:00:00:03,addr=0x4
            devices: -object rng-random,id=entropy,filename=/dev/urandom -device virtio-rng-pci,rng=entropy,id=rng,addr=0xa -device pcie-root-port,id=port0,chassis=1,addr=0xb -device pcie-root-port,id=port1,chassis=2,addr=0xc -device pcie-root-port,id=port2,chassis=3,addr=0xd -device pcie-root-port,id=port3,chassis=4,addr=0xe
            console: -display none -chardev socket,id=console,path=/data/machines/node01/console.sock,server=on,wait=off,logfile=/data/machines/node01/serial.log,logappend=on -serial chardev:console
            control: -qmp unix:/data/machines/node01/qmp.sock,server=on,wait=off -pidfile /data/machines/node01/pid -daemonize
            """.split(separator: "\n").map(String.init))
    }

    @Test func `with a kernel given nothing else is booted`() {
        var machine = exampleMachine()
        machine.firmware = .bios
        machine.accelerator = .kvm
        machine.kernel = .init(kernel: "/boot/vmlinuz", initrd: "/boot/initrd", commandLine: "console=ttyS0 quiet")
        let groups = machine.arguments()
        #expect(groups.contains(ArgumentGroup(
            field: "kernel", arguments: ["-kernel", "/boot/vmlinuz", "-initrd", "/boot/initrd", "-append", "console=ttyS0 quiet"])))
        #expect(groups.contains(ArgumentGroup(field: "accelerator", arguments: ["-accel", "kvm", "-cpu", "host"])))
        #expect(!groups.contains { $0.field == "firmware" || $0.arguments.contains { $0.contains("bootindex") } })
    }

    @Test func `memory is rounded up to whole MiB`() {
        var machine = exampleMachine()
        machine.memoryBytes = (512 << 20) + 1
        #expect(machine.arguments().contains(ArgumentGroup(field: "memory", arguments: ["-m", "size=513M"])))
    }

    /// The guest names drives by their places: they are in the order of the list, however many there are.
    @Test(arguments: [1, 15, 16, 25, 26]) func `drives have places in their order`(_ count: Int) throws {
        var machine = exampleMachine()
        machine.drives = (0..<count).map { .init(path: "/d\($0)", serial: "d\($0)") }
        let groups = machine.arguments()
        let places = try (0..<count).map { index in
            let device = try #require(groups.first { $0.field == "drives[\(index)]" }?.arguments.last)
            let options = device.split(separator: ",").map(String.init)
            let place = try #require(options.first { $0.hasPrefix("addr=") }?.dropFirst(5).split(separator: ".").map { Int($0.dropFirst(2), radix: 16) ?? -1 })
            let isShared = count > 15 && index % 2 == 0 && index + 1 < count
            #expect(options.contains("multifunction=on") == isShared, "\(index)")
            return place[0] * 8 + (place.count > 1 ? place[1] : 0)
        }
        #expect(places == places.sorted() && Set(places).count == count && places.first == 0x80 && (places.last ?? 0) < 0x1f * 8)
    }

    @Test func `another subnet than QEMU's own is told with its addresses`() {
        var machine = exampleMachine()
        let subnet = MachineDefinition.Interface.UserSubnet(subnet: "192.168.76.0/24", host: "192.168.76.1", dns: "192.168.76.3", guest: "192.168.76.10")
        machine.interfaces = [.init(mac: "52:54:00:00:00:03", backend: .user(forwards: [2222: 22], subnet: subnet))]
        #expect(machine.arguments().first { $0.field == "interfaces[0]" }?.arguments[1]
            == "user,id=net0,net=192.168.76.0/24,host=192.168.76.1,dns=192.168.76.3,dhcpstart=192.168.76.10,hostfwd=tcp:127.0.0.1:2222-192.168.76.10:22")
    }
}

@Suite struct `Differences of the command line` {
    private func run(_ machine: MachineDefinition) -> [String] {
        ["/usr/bin/qemu-system-x86_64"] + machine.arguments().flatMap(\.arguments)
    }

    private func words(_ wanted: MachineDefinition, _ running: [String]) -> [String] {
        differences(wanted: wanted.arguments(), running: running).map { "\($0)" }
    }

    @Test func `an unchanged machine has none, in whatever order its options stand`() {
        let machine = exampleMachine()
        #expect(words(machine, run(machine)) == [])
        let groups = machine.arguments().reversed()
        #expect(words(machine, ["qemu"] + groups.flatMap(\.arguments)) == [])
    }

    @Test func `a changed value is named after its field`() {
        var seen = exampleMachine()
        seen.cpus = 4
        seen.memoryBytes = 1 << 30
        seen.drives[1].serial = "other"
        seen.accelerator = .kvm
        #expect(words(exampleMachine(), run(seen)) == [
            "accelerator: runs with -accel kvm, wanted is -accel tcg,thread=multi,tb-size=256",
            "accelerator: runs with -cpu host, wanted is -cpu Nehalem",
            "cpus: runs with -smp cpus=4, wanted is -smp cpus=2",
            "memory: runs with -m size=1024M, wanted is -m size=768M",
            "drives[1]: runs with -device virtio-blk-pci,id=disk1-device,drive=disk1,serial=other,addr=0x11, "
                + "wanted is -device virtio-blk-pci,id=disk1-device,drive=disk1,serial=data,addr=0x11",
        ])
    }

    @Test func `what is missing and what nobody wants are named`() {
        var seen = exampleMachine()
        let removed = seen.drives.removeLast()
        #expect(words(exampleMachine(), run(seen)).count == 2)
        #expect(words(exampleMachine(), run(seen)).allSatisfy { $0.hasPrefix("drives[1]: runs without it, wanted is ") })
        seen.drives.append(removed)
        seen.drives.append(.init(path: "/extra", serial: "extra"))
        #expect(words(exampleMachine(), run(seen) + ["-S", "-device", "usb-ehci"]) == [
            "drives[2]: runs with -drive if=none,id=disk2,format=qcow2,discard=unmap,file=/extra, not wanted",
            "drives[2]: runs with -device virtio-blk-pci,id=disk2-device,drive=disk2,serial=extra,addr=0x12, not wanted",
            "arguments: runs with -S, not wanted",
            "arguments: runs with -device usb-ehci, not wanted",
        ])
    }

    @Test func `an option given twice is a difference`() {
        let machine = exampleMachine()
        #expect(words(machine, run(machine) + ["-smp", "cpus=2"]) == ["arguments: runs with -smp cpus=2, not wanted"])
    }

    @Test func `a kernel's command line may begin with a dash`() {
        var machine = exampleMachine()
        machine.kernel = .init(kernel: "/k", commandLine: "-x")
        #expect(words(machine, run(machine)) == [])
    }

    @Test func `a process that is no QEMU of ours differs in everything`() {
        let wanted = exampleMachine().arguments()
        let fields = Set(differences(wanted: wanted, running: ["sleep", "600"]).map(\.field))
        #expect(fields == Set(wanted.map(\.field) + ["arguments"]))
        #expect(differences(wanted: wanted, running: []).count > 20)
    }
}
