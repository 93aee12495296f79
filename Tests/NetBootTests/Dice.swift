import Foundation
import Host

@testable import NetBoot

/// SplitMix64: a seed replays a run.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(count))
    }

    /// Some bytes changed, taken out, doubled or cut off.
    mutating func spoiled(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &self) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &self)
            switch Int.random(in: 0..<6, using: &self) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &self)
            case 1: bytes[at] = [0, 1, 127, 128, 255].randomElement(using: &self) ?? 0
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(bytes[at], at: at)
            case 4: bytes.removeLast(bytes.count - at)
            default: bytes += Array(bytes[at...].prefix(300))
            }
        }
        return bytes
    }
}

/// PLASMA_FUZZ=1000000 asks for so many inputs of each decoder instead of the everyday number.
func fuzzCount(_ usual: Int) -> Int { ProcessInfo.processInfo.environment["PLASMA_FUZZ"].flatMap(Int.init) ?? usual }

func at(_ seconds: Double) -> Instant { Instant(sinceStart: .milliseconds(Int64(seconds * 1000))) }

func address(_ text: String) -> Address4 { Address4(text) ?? .any }
func mac(_ text: String) -> HardwareAddress { HardwareAddress(text) ?? HardwareAddress(number: 0) }

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
