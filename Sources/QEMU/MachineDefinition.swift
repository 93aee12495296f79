/// All that QEMU's command line depends on. Two equal definitions give the same command line, byte for byte.
package struct MachineDefinition: Hashable, Codable, Sendable {
    package enum Accelerator: String, Hashable, Codable, Sendable, CaseIterable { case kvm, tcg }

    package enum Firmware: Hashable, Codable, Sendable {
        /// SeaBIOS, as QEMU brings it.
        case bios
        /// OVMF: `code` is shared and read-only, the template is copied once to `directory/OVMF_VARS.fd`. Both raw.
        case uefi(code: String, variablesTemplate: String)
    }

    package struct Drive: Hashable, Codable, Sendable {
        package var path: String
        /// "qcow2" or "raw".
        package var format: String
        /// What the guest finds under /dev/disk/by-id as `virtio-SERIAL`; virtio-blk keeps 20 bytes of it.
        package var serial: String
        /// Lower boots first; `nil`: never booted from.
        package var bootIndex: Int?

        package init(path: String, format: String = "qcow2", serial: String, bootIndex: Int? = nil) {
            self.path = path
            self.format = format
            self.serial = serial
            self.bootIndex = bootIndex
        }
    }

    package struct Interface: Hashable, Codable, Sendable {
        package enum Backend: Hashable, Codable, Sendable {
            /// Every guest and the host share a multicast group: `group` "230.0.0.1:1234", `localAddress` "127.0.0.1".
            case multicast(group: String, localAddress: String)
            /// A persistent TAP device, a bridge's port.
            case tap(String)
            /// QEMU's user networking; TCP ports of the host's loopback lead to ports of the guest. `subnet` nil: QEMU's own, 10.0.2.0/24.
            case user(forwards: [Int: Int], subnet: UserSubnet? = nil)
        }

        /// Another subnet of QEMU's user networking than its own.
        package struct UserSubnet: Hashable, Codable, Sendable {
            /// "192.168.76.0/24"
            package var subnet: String
            /// Where the guest finds the host.
            package var host: String
            /// Where the guest finds the name server.
            package var dns: String
            /// The guest's own address, which it is given by DHCP, and where ports lead to.
            package var guest: String

            package init(subnet: String, host: String, dns: String, guest: String) {
                self.subnet = subnet
                self.host = host
                self.dns = dns
                self.guest = guest
            }

            /// QEMU's own.
            package static let usual = UserSubnet(subnet: "10.0.2.0/24", host: "10.0.2.2", dns: "10.0.2.3", guest: "10.0.2.15")

            var arguments: String { ",net=\(subnet),host=\(host),dns=\(dns),dhcpstart=\(guest)" }
        }

        package var mac: String
        package var backend: Backend
        package var bootIndex: Int?

        package init(mac: String, backend: Backend, bootIndex: Int? = nil) {
            self.mac = mac
            self.backend = backend
            self.bootIndex = bootIndex
        }
    }

    /// A kernel that QEMU loads itself. No drive or interface is booted from then.
    package struct DirectBoot: Hashable, Codable, Sendable {
        package var kernel: String
        package var initrd: String?
        package var commandLine: String

        package init(kernel: String, initrd: String? = nil, commandLine: String = "") {
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
        }
    }

    package var name: String
    /// Lower-case, as RFC 9562 writes it.
    package var uuid: String
    package var cpus: Int
    /// Rounded up to whole MiB.
    package var memoryBytes: UInt64
    package var accelerator: Accelerator
    package var firmware: Firmware
    package var drives: [Drive]
    package var interfaces: [Interface]
    package var kernel: DirectBoot?
    /// Absolute; holds qmp.sock, console.sock, serial.log, serial.log.1, pid and OVMF_VARS.fd.
    package var directory: String

    package init(
        name: String, uuid: String, cpus: Int, memoryBytes: UInt64, accelerator: Accelerator, firmware: Firmware = .bios,
        drives: [Drive] = [], interfaces: [Interface] = [], kernel: DirectBoot? = nil, directory: String
    ) {
        self.name = name
        self.uuid = uuid
        self.cpus = cpus
        self.memoryBytes = memoryBytes
        self.accelerator = accelerator
        self.firmware = firmware
        self.drives = drives
        self.interfaces = interfaces
        self.kernel = kernel
        self.directory = directory
    }
}
