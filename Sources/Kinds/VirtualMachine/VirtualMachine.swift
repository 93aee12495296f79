import Foundation
import Manifest
import Resource

/// A QEMU virtual machine: what a Node of machine `virtual` becomes, or written by hand.
package enum VirtualMachine: Kind {
    package static let name = "VirtualMachine"
    package static let plural = "virtualmachines"
    package static let shortNames = ["vm", "vms"]
    /// Of one machine: as many find a place on its PCI bus.
    static let interfacesMax = 10
    package static let summary = "A QEMU virtual machine with its disks and network interfaces."
    package static let columns = [
        Column("CPUS", "spec.cpus"), Column("MEMORY", "spec.memory"), Column("ADDRESS", "status.addresses[0]"),
        Column("PID", "status.pid", wide: true), Column("ACCEL", "status.accelerator", wide: true),
        Column("STARTS", "status.starts", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// 1 to 256.
        var cpus: Int
        /// 64 MiB or more.
        var memory: ByteCount
        var firmware: Firmware
        /// The machine's identity towards its guest; nil: made from its host and name, and kept.
        var uuid: UUIDText?
        /// Which devices the firmware tries, in order. A `bootIndex` of a disk or interface overrides it.
        var bootOrder: [BootDevice]
        var disks: [AttachedDisk]
        var interfaces: [Interface]
        /// Starts a kernel directly, without firmware or boot loader.
        var boot: DirectBoot?
        var runPolicy: RunPolicy
        var updatePolicy: UpdatePolicy
        /// How long a guest may take to power off before it is ended.
        var stopTimeout: TimeSpan
        /// The Host it runs on; nil: this one.
        var host: ObjectName?
    }

    package enum Firmware: String, Codable, Hashable, Sendable, CaseIterable { case uefi, bios }

    package enum BootDevice: String, Codable, Hashable, Sendable, CaseIterable { case disk, network }

    package enum RunPolicy: String, Codable, Hashable, Sendable, CaseIterable { case always = "Always", halted = "Halted" }

    /// What happens when a field changes that QEMU reads only at its start.
    package enum UpdatePolicy: String, Codable, Hashable, Sendable, CaseIterable {
        case restart = "Restart", onNextBoot = "OnNextBoot"
    }

    package struct AttachedDisk: Codable, Hashable, Sendable {
        /// Names a Disk.
        var disk: ObjectName
        /// As the guest's virtio driver names it: "vda".
        var device: String
        var serial: String?
        var bootIndex: Int?
    }

    package struct Interface: Codable, Hashable, Sendable {
        /// Names a Network.
        var network: ObjectName
        var mac: MACAddress
        var address: IPv4Address?
        var bootIndex: Int?
        var forwards: [Forward]
    }

    /// A TCP port of the host's loopback that leads to one of the guest; user networks only.
    package struct Forward: Codable, Hashable, Sendable {
        var host: Int
        var guest: Int
    }

    package struct DirectBoot: Codable, Hashable, Sendable {
        var kernel: FilePathText
        var initrd: FilePathText?
        var commandLine: String?
    }

    package struct Status: Codable, Hashable, Sendable {
        var pid: Int?
        var uuid: String?
        var host: String?
        var accelerator: String?
        var startedAt: Moment?
        /// Path of the serial console's log.
        var serialLog: String?
        /// Path of the serial console's socket.
        var console: String?
        var addresses: [String] = []
        /// Names of the Disks that the running process holds open, also when the spec names them no more.
        var disks: [String] = []
        /// How often plasma started it.
        var starts: Int = 0
        /// Fields whose change takes effect with the next start.
        var pendingRestart: [String] = []
        var stopRequestedAt: Date?
        /// When its installation last asked for the boot that it was given.
        var bootedFor: Moment?

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        var spec = Spec(
            cpus: fields.integer("cpus", 1...256, default: 1, "Virtual CPUs."),
            memory: fields.size("memory", memoryRange, "Memory: 2GiB, 512MiB."),
            firmware: fields.choice("firmware", default: .uefi, "The firmware: OVMF or SeaBIOS."),
            uuid: fields.optional("uuid", "The machine's UUID; made from its host and name when absent, and kept."),
            bootOrder: readBootOrder(&fields),
            disks: fields.list("disks", 0...26, "The disks, in the order of their devices.", readDisk),
            interfaces: fields.list("interfaces", 0...interfacesMax, "The network interfaces.", readInterface),
            boot: fields.optionalObject("boot", "Starts this kernel directly, without a boot loader.", readDirectBoot),
            runPolicy: readRunPolicy(&fields),
            updatePolicy: readUpdatePolicy(&fields), stopTimeout: readStopTimeout(&fields),
            host: fields.optional("host", "The Host it runs on; this one when absent."))
        for index in spec.disks.indices where spec.disks[index].device.isEmpty { spec.disks[index].device = deviceName(index) }
        if fields.problems.isEmpty, !fields.isDrawing {
            for index in spec.disks.indices {
                if let problem = deviceProblem(spec.disks.map(\.device), index, directory: "") { fields.note(problem, at: "disks[\(index)].device") }
            }
        }
        return spec
    }

    /// Linux names virtio's disks in the order of their places, without gaps: another name would be that of another disk, whose policies are others.
    /// - Parameter directory: what is written before the names.
    static func deviceProblem(_ devices: [String], _ index: Int, directory: String) -> String? {
        let device = devices[index], real = deviceName(index)
        // One that is there twice is told of with the other's place.
        guard device != real, devices.firstIndex(of: device) == index else { return nil }
        return "\"\(directory)\(device)\" will be \(directory)\(real) in the guest: disks have their names by their order in the list, from vda and without gaps"
    }

    /// "vda" to "vdz".
    static func deviceName(_ index: Int) -> String {
        "vd" + String(UnicodeScalar(UInt8(ascii: "a") + UInt8(min(index, 25))))
    }

    // What VirtualMachine and the `virtual` machine of a Node have in common.

    static let memoryRange = ByteCount(64 << 20)...ByteCount(64 << 40)

    static func readBootOrder(_ fields: inout Fields) -> [BootDevice] {
        let order = fields.checked(
            "bootOrder",
            {
                $0.scalars(
                    "bootOrder", BootDevice.self, 0...2, "Which devices the firmware tries, in order. Default: disk, network.")
            }
        ) { Set($0).count < $0.count ? "names a device twice" : nil }
        return order.isEmpty ? [.disk, .network] : order
    }

    static func readRunPolicy(_ fields: inout Fields) -> RunPolicy {
        fields.choice("runPolicy", default: .always, "Always: it runs, and is started again when it ends. Halted: it does not run.")
    }

    static func readUpdatePolicy(_ fields: inout Fields) -> UpdatePolicy {
        fields.choice(
            "updatePolicy", default: .restart,
            "When a field changes that needs a restart. Restart: restart it now. OnNextBoot: wait until it next starts.")
    }

    static func readStopTimeout(_ fields: inout Fields) -> TimeSpan {
        fields.value("stopTimeout", default: .seconds(30), "How long the guest may take to power off before it is ended.")
    }

    static func readDirectBoot(_ fields: inout Fields) -> DirectBoot {
        DirectBoot(
            kernel: fields.required("kernel", "Path of the kernel on the host."),
            initrd: fields.optional("initrd", "Path of the initial RAM disk on the host."),
            commandLine: fields.optional("commandLine", "The kernel's command line."))
    }

    static func readForward(_ fields: inout Fields) -> Forward {
        Forward(
            host: fields.integer("host", 1...65535, "TCP port on the host's loopback."),
            guest: fields.integer("guest", 1...65535, "TCP port of the guest."))
    }

    private static func readDisk(_ fields: inout Fields) -> AttachedDisk {
        AttachedDisk(
            disk: fields.required("disk", "Names a Disk."),
            device: fields.checked(
                "device",
                {
                    $0.optional("device", String.self, "The guest's name of the device: vda to vdz; by position when absent.")
                }
            ) { $0.map(isDevice) ?? true ? nil : "\"\($0 ?? "")\" is not a virtio device: vda to vdz" } ?? "",
            serial: readSerial(&fields),
            bootIndex: fields.optionalInteger("bootIndex", 0...64, "Place in the boot order; lower is earlier."))
    }

    private static func readInterface(_ fields: inout Fields) -> Interface {
        Interface(
            network: fields.required("network", "Names a Network."),
            mac: readMAC(&fields),
            address: fields.optional("address", "The address that the guest is meant to have."),
            bootIndex: fields.optionalInteger("bootIndex", 0...64, "Place in the boot order; lower is earlier."),
            forwards: fields.list(
                "forwards", 0...64, "Ports of the host that lead to the guest; user networks only.", readForward))
    }

    private static let serial = TextForm(
        marks: "_.+-", firstMarks: "_.+-", count: 1...20, name: "a serial number: 1 to 20 letters, digits, or any of _ . + -")

    /// "vda" to "vdz".
    static func isDevice(_ name: some StringProtocol) -> Bool {
        name.utf8.count == 3 && name.hasPrefix("vd") && ("a"..."z").contains(name.last ?? "-")
    }

    /// virtio-blk carries 20 bytes.
    static func readSerial(_ fields: inout Fields) -> String? {
        fields.optionalText("serial", serial, "Serial number by which the disk is known, at most 20 characters.")
    }

    static func readMAC(_ fields: inout Fields) -> MACAddress {
        fields.checked("mac", { $0.required("mac", MACAddress.self, "The interface's MAC address: 52:54:00:00:01:01.") }) { mac in
            mac.isUnicast
                ? nil : "\"\(mac.scalarText)\" is no interface's address: its first octet must be even, as in 52:54:00:00:01:01"
        }
    }
}

extension VirtualMachine.BootDevice: Scalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard let device = Self(rawValue: text) else { throw ScalarProblem("is not one of disk, network") }
        self = device
    }
    package var scalarText: String { rawValue }
    package static var schema: JSON {
        .object(["type": .string("string"), "enum": .array(allCases.map { .string($0.rawValue) })])
    }
    package static var example: Self { .disk }
}

extension VirtualMachine.Status {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        pid = try fields.decodeIfPresent(Int.self, forKey: .pid)
        uuid = try fields.decodeIfPresent(String.self, forKey: .uuid)
        host = try fields.decodeIfPresent(String.self, forKey: .host)
        accelerator = try fields.decodeIfPresent(String.self, forKey: .accelerator)
        startedAt = try fields.decodeIfPresent(Moment.self, forKey: .startedAt)
        serialLog = try fields.decodeIfPresent(String.self, forKey: .serialLog)
        console = try fields.decodeIfPresent(String.self, forKey: .console)
        addresses = try fields.decodeIfPresent([String].self, forKey: .addresses) ?? []
        disks = try fields.decodeIfPresent([String].self, forKey: .disks) ?? []
        starts = try fields.decodeIfPresent(Int.self, forKey: .starts) ?? 0
        pendingRestart = try fields.decodeIfPresent([String].self, forKey: .pendingRestart) ?? []
        stopRequestedAt = try fields.decodeIfPresent(Date.self, forKey: .stopRequestedAt)
        bootedFor = try fields.decodeIfPresent(Moment.self, forKey: .bootedFor)
    }
}
