import Foundation
import Manifest
import Resource

/// A member of a cluster: a machine, its disks, its system and its services.
package enum Node: Kind {
    package static let name = "Node"
    package static let plural = "nodes"
    package static let shortNames = ["no"]
    package static let summary = "A machine of a cluster, virtual or metal: its addresses, disks, system and services."
    package static let columns = [
        Column("ROLE", "spec.role"), Column("ADDRESS", "spec.interfaces[0].address"), Column("MACHINE", "status.machine"),
        Column("MAC", "spec.interfaces[0].mac", wide: true), Column("SYSTEM", "status.system", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        var hostname: DNSName
        var domain: DNSName?
        var role: Role
        /// The first one is the primary: its address is the node's.
        var interfaces: [Interface]
        var machine: Machine
        var disks: [NodeDisk]
        var system: System?
        /// Services that run here, beside those that name this node themselves or come with its Cluster.
        var services: [ObjectName]

        /// "node01.plasma.local", or the hostname alone.
        var fullName: String { hostname.scalarText + (domain.map { "." + $0.scalarText } ?? "") }
    }

    package enum Role: String, Codable, Hashable, Sendable, CaseIterable { case controlPlane = "control-plane", worker }

    package struct Interface: Codable, Hashable, Sendable {
        /// Names a Network.
        var network: ObjectName
        /// nil: given by DHCP, or by QEMU's user networking.
        var address: IPv4Address?
        var mac: MACAddress
        var forwards: [VirtualMachine.Forward]
    }

    package enum Machine: Hashable, Sendable {
        case virtual(Virtual)
        case metal(Metal)

        var firmware: VirtualMachine.Firmware {
            switch self {
            case .virtual(let machine): machine.firmware
            case .metal(let machine): machine.firmware
            }
        }

        /// As a manifest has it.
        var name: String {
            switch self {
            case .virtual: "virtual"
            case .metal: "metal"
            }
        }
    }

    /// The machine is a VirtualMachine of the node's name, made as its child.
    package struct Virtual: Codable, Hashable, Sendable {
        var cpus: Int
        var memory: ByteCount
        var firmware: VirtualMachine.Firmware
        var uuid: UUIDText?
        var bootOrder: [VirtualMachine.BootDevice]
        var boot: VirtualMachine.DirectBoot?
        var runPolicy: VirtualMachine.RunPolicy
        var stopTimeout: TimeSpan
        var updatePolicy: VirtualMachine.UpdatePolicy
        var host: ObjectName?
    }

    /// The machine is real: it is not made, and its disks are its own.
    package struct Metal: Codable, Hashable, Sendable {
        var firmware: VirtualMachine.Firmware
        /// What switches it; nil: a person does.
        var bmc: BMC?
    }

    package struct BMC: Codable, Hashable, Sendable {
        package enum Driver: String, Codable, Hashable, Sendable, CaseIterable { case redfish, ipmi }

        package struct Credentials: Codable, Hashable, Sendable {
            var username: String
            /// The password itself is never in a manifest.
            var passwordFile: FilePathText
        }

        /// A URL for redfish, host or host:port for ipmi.
        var address: String
        var `protocol`: Driver
        var credentials: Credentials
        var disableCertificateVerification: Bool
    }

    /// A disk of the node; for a virtual machine made as a Disk `<node>-<vda>`, its child.
    package struct NodeDisk: Codable, Hashable, Sendable {
        /// "/dev/vda"
        var device: AbsolutePath
        var size: ByteCount
        var format: Disk.Format
        var backing: Disk.Backing?
        var layout: Layout?
        var wipePolicy: Disk.WipePolicy
        var deletionPolicy: Disk.DeletionPolicy
        var path: FilePathText?
        var serial: String?

        /// "vda" of "/dev/vda", "nvme0n1" of "/dev/nvme0n1".
        var deviceName: String { device.scalarText.split(separator: "/").last.map(String.init) ?? "" }
    }

    package struct System: Codable, Hashable, Sendable {
        /// URI of the flake: "github:example/cluster", "path:/etc/plasma"; nil: the one that plasma renders.
        var flake: String?
        /// `nixosConfigurations.<attribute>`; nil: the node's name.
        var attribute: String?
        /// The program that installs it: "nixos-anywhere".
        var installer: ProgramText
        /// Names the NetBoot that brings a blank machine to the installer.
        var netBoot: ObjectName?
        /// As those of an Installation; nil: its usual ones.
        var target: Installation.Target?
        var diskoMode: Installation.DiskoMode?
        var phases: [Installation.Phase]?
        var deadlines: Installation.Deadlines?
        var retries: Int?
        var images: [Installation.Image]?
    }

    package struct Status: Codable, Hashable, Sendable {
        /// "virtual" or "metal".
        var machine: String?
        var addresses: [String] = []
        /// The system that runs on it, as far as known.
        var system: String?
        /// Names of its Disks.
        var disks: [String] = []

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let spec = Spec(
            hostname: fields.checked("hostname", { $0.required("hostname", DNSName.self, "Host name, without the domain.") }) {
                name in
                name.labels.count == 1 ? nil : "\"\(name.scalarText)\" has a dot; write what follows the first dot as domain"
            },
            domain: fields.optional("domain", "DNS domain: plasma.local."),
            role: fields.choice("role", default: .worker, "What the node is to its cluster."),
            interfaces: fields.list("interfaces", 1...VirtualMachine.interfacesMax, "Network interfaces; the first is the primary.", readInterface),
            machine: fields.oneOf(
                "machine", "What the node is made of.",
                [
                    .init("virtual", "A QEMU virtual machine, made as the node's child.") { .virtual(readVirtual(&$0)) },
                    .init("metal", "A real machine. It is installed like the others; without a bmc a person switches it on.") { .metal(readMetal(&$0)) },
                ]),
            disks: fields.list("disks", 0...26, "Its disks.", readDisk),
            system: fields.optionalObject("system", "The NixOS system that is installed on it.", readSystem),
            services: fields.scalars("services", ObjectName.self, "Services that run on it."))
        if fields.problems.isEmpty, !fields.isDrawing { for index in spec.disks.indices { check(spec, index, &fields) } }
        return spec
    }

    /// A virtual machine's disks are images with virtio's names; a real one's are what is plugged in.
    private static func check(_ spec: Spec, _ index: Int, _ fields: inout Fields) {
        let disk = spec.disks[index], device = disk.device.scalarText
        switch spec.machine {
        case .virtual:
            guard VirtualMachine.isDevice(device.dropFirst(5)), device.hasPrefix("/dev/") else {
                return fields.note("\"\(device)\" is not a virtio device of a virtual machine: /dev/vda to /dev/vdz", at: "disks[\(index)].device")
            }
            if let problem = VirtualMachine.deviceProblem(spec.disks.map(\.deviceName), index, directory: "/dev/") { fields.note(problem, at: "disks[\(index)].device") }
        case .metal:
            if !device.hasPrefix("/dev/") { fields.note("\"\(device)\" is not a device: /dev/nvme0n1, /dev/disk/by-id/…", at: "disks[\(index)].device") }
            if disk.path != nil { fields.note("is for virtual machines: a real disk is no file of this host", at: "disks[\(index)].path") }
            if disk.backing != nil { fields.note("is for virtual machines: a real disk has no image below it", at: "disks[\(index)].backing") }
        }
    }

    private static func readInterface(_ fields: inout Fields) -> Interface {
        Interface(
            network: fields.required("network", "Names a Network."),
            address: fields.optional("address", "Its address; by DHCP when absent."), mac: VirtualMachine.readMAC(&fields),
            forwards: fields.list(
                "forwards", 0...64, "Ports of the host that lead to the node; user networks only.", VirtualMachine.readForward))
    }

    private static func readVirtual(_ fields: inout Fields) -> Virtual {
        Virtual(
            cpus: fields.integer("cpus", 1...256, default: 1, "Virtual CPUs."),
            memory: fields.size("memory", VirtualMachine.memoryRange, "Memory: 2GiB, 512MiB."),
            firmware: readFirmware(&fields),
            uuid: fields.optional("uuid", "The machine's UUID; made from its host and name when absent, and kept."),
            bootOrder: VirtualMachine.readBootOrder(&fields),
            boot: fields.optionalObject(
                "boot", "Starts this kernel directly, without a boot loader.", VirtualMachine.readDirectBoot),
            runPolicy: VirtualMachine.readRunPolicy(&fields), stopTimeout: VirtualMachine.readStopTimeout(&fields),
            updatePolicy: VirtualMachine.readUpdatePolicy(&fields),
            host: fields.optional("host", "The Host it runs on; this one when absent."))
    }

    private static func readFirmware(_ fields: inout Fields) -> VirtualMachine.Firmware {
        fields.choice("firmware", default: .uefi, "The firmware.")
    }

    private static func readMetal(_ fields: inout Fields) -> Metal {
        Metal(
            firmware: readFirmware(&fields),
            bmc: fields.optionalObject("bmc", "The board management controller; a person switches the machine when absent.") { fields in
                BMC(
                    address: fields.required("address", "URL for redfish; host or host:port for ipmi."),
                    protocol: fields.choice("protocol", default: .redfish, "What it speaks."),
                    credentials: fields.object("credentials", "How to log in.") { fields in
                        BMC.Credentials(
                            username: fields.required("username", "User name."),
                            passwordFile: fields.required("passwordFile", "Path of a file on the host that holds the password."))
                    },
                    disableCertificateVerification: fields.value(
                        "disableCertificateVerification", default: false, "Accepts any certificate of the controller."))
            })
    }

    private static func readDisk(_ fields: inout Fields) -> NodeDisk {
        let device = fields.required("device", AbsolutePath.self, "The node's name of the disk: /dev/vda.")
        let size = Disk.readSize(&fields)
        let format = Disk.readFormat(&fields)
        return NodeDisk(
            device: device, size: size, format: format,
            backing: Disk.readBacking(&fields, format: format), layout: Disk.readLayout(&fields),
            wipePolicy: Disk.readWipePolicy(&fields), deletionPolicy: Disk.readDeletionPolicy(&fields),
            path: Disk.readPath(&fields),
            serial: VirtualMachine.readSerial(&fields))
    }

    private static func readSystem(_ fields: inout Fields) -> System {
        var system = System(
            flake: fields.optional(
                "flake", "URI of the flake: github:example/cluster, path:/etc/plasma; the one that plasma renders when absent."),
            attribute: fields.optional("attribute", "nixosConfigurations.<attribute>; the node's name when absent."),
            installer: fields.value(
                "installer", default: .usual, "The program that installs it: a name that is looked for along PATH, or a path."),
            netBoot: fields.optional("netBoot", "Names the NetBoot that brings a blank machine to the installer."))
        system.target = Installation.readTarget(&fields)
        system.diskoMode = fields.optionalChoice("diskoMode", Installation.diskoModeHelp)
        system.phases = Installation.readPhases(&fields)
        system.deadlines = Installation.readDeadlines(&fields)
        system.retries = fields.optionalInteger("retries", Installation.retriesRange, Installation.retriesHelp)
        system.images = Installation.readImages(&fields)
        return system
    }
}

extension Node.Machine: Codable {
    private enum CodingKeys: String, CodingKey { case virtual, metal }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        if let machine = try fields.decodeIfPresent(Node.Virtual.self, forKey: .virtual) {
            self = .virtual(machine)
        } else {
            self = .metal(try fields.decode(Node.Metal.self, forKey: .metal))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .virtual(let machine): try fields.encode(machine, forKey: .virtual)
        case .metal(let machine): try fields.encode(machine, forKey: .metal)
        }
    }
}

extension Node.Status {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        machine = try fields.decodeIfPresent(String.self, forKey: .machine)
        addresses = try fields.decodeIfPresent([String].self, forKey: .addresses) ?? []
        system = try fields.decodeIfPresent(String.self, forKey: .system)
        disks = try fields.decodeIfPresent([String].self, forKey: .disks) ?? []
    }
}
