import Host
import Logging

@testable import NetBoot

func at(_ seconds: Double) -> Instant { Instant(sinceStart: .milliseconds(Int64(seconds * 1000))) }

func address(_ text: String) -> Address4 { Address4(text) ?? .any }
func mac(_ text: String) -> HardwareAddress { HardwareAddress(text) ?? HardwareAddress(number: 0) }

/// Leases that no file keeps.
func noBook() -> LeaseBook { LeaseBook(nil, time: SystemTime(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) }

/// Two named machines, of which node01 is offered a kernel.
func service(_ change: (inout BootService) -> Void = { _ in }) -> BootService {
    var service = BootService(
        network: "lan", name: "installer", interface: "br0", server: address("192.168.100.1"), prefixLength: 24,
        gateway: address("192.168.100.1"), dns: [address("192.168.100.2")],
        machines: [
            BootMachine(node: "node01", hostname: "node01", mac: mac("52:54:00:00:01:01"), address: address("192.168.100.11"), boots: true),
            BootMachine(node: "node02", hostname: "node02", mac: mac("52:54:00:00:01:02"), address: address("192.168.100.12"), boots: false),
        ],
        kernel: PinnedFile(path: "/boot/vmlinuz", digest: String(repeating: "a", count: 64)),
        initrd: PinnedFile(path: "/boot/initrd", digest: String(repeating: "b", count: 64)), commandLine: "console=ttyS0")
    change(&service)
    return service
}

/// What sends a message: the five ways that a machine asks for its address.
enum Sender: String, CaseIterable { case bios, uefi, ipxe, http, system }

func message(_ kind: DHCPPacket.Kind, from sender: Sender, _ hardware: String = "52:54:00:00:01:01", _ change: (inout DHCPPacket) -> Void = { _ in }) -> DHCPPacket {
    var packet = DHCPPacket(.request, hardware: mac(hardware))
    packet.transaction = 0xCAFE_0001
    packet.set(DHCPPacket.Code.messageType, [kind.rawValue])
    switch sender {
    case .bios:
        packet.set(DHCPPacket.Code.vendorClass, "PXEClient:Arch:00000:UNDI:002001")
        packet.set(DHCPPacket.Code.architecture, [0, 0])
    case .uefi:
        packet.wantsBroadcast = true
        packet.set(DHCPPacket.Code.vendorClass, "PXEClient:Arch:00007:UNDI:003000")
        packet.set(DHCPPacket.Code.architecture, [0, 7])
    case .ipxe:
        packet.set(DHCPPacket.Code.vendorClass, "PXEClient:Arch:00007:UNDI:003010")
        packet.set(DHCPPacket.Code.architecture, [0, 7])
        packet.set(DHCPPacket.Code.userClass, "iPXE")
        packet.set(DHCPPacket.Code.iPXE, [1, 1, 1])
    case .http:
        packet.set(DHCPPacket.Code.vendorClass, "HTTPClient:Arch:00016:UNDI:003001")
        packet.set(DHCPPacket.Code.architecture, [0, 16])
    case .system:
        packet.set(DHCPPacket.Code.vendorClass, "udhcp 1.35.0")
    }
    change(&packet)
    return packet
}
