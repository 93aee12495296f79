import Foundation
import NIOCore
import NetBoot

struct BootResult: Sendable {
    static let steps = ["dhcp", "tftp", "iPXE dhcp", "script", "kernel", "initrd", "whole"]

    var milliseconds: [String: Double] = [:]
    /// By step.
    var repeated: [String: Int] = [:]
    var failure: String?
}

struct BootFailure: Error { var why: String }

/// One machine.
struct BootClient {
    let number: Int
    let options: Options
    let exchange: LeaseExchange
    let group: any EventLoopGroup

    init(number: Int, _ options: Options, _ exchange: LeaseExchange, _ group: any EventLoopGroup) {
        self.number = number
        self.options = options
        self.exchange = exchange
        self.group = group
    }

    /// As hack/bench/boot has it in its manifest.
    private var address: String { "10.78.\(number / 250).\(number % 250 + 1)" }
    private var hardware: HardwareAddress { HardwareAddress(number: 0x5254_0100_0000 + UInt64(number)) }

    func boot() async -> BootResult {
        var result = BootResult()
        let began = ContinuousClock.now
        func step<T>(_ name: String, _ body: () async throws -> T) async throws -> T {
            let start = ContinuousClock.now
            let value = try await body()
            result.milliseconds[name] = (ContinuousClock.now - start) / .milliseconds(1)
            return value
        }
        do {
            try await step("dhcp") { try await lease(0, isIPXE: false, &result) }
            let loaded = try await step("tftp") { try await LoaderFetch.run(group, from: address, server: options.server, "ipxe.efi") }
            result.repeated["tftp", default: 0] += loaded.repeated
            guard loaded.bytes == options.loader else { throw BootFailure(why: "the boot loader has \(loaded.bytes) bytes") }
            try await step("iPXE dhcp") { try await lease(1, isIPXE: true, &result) }
            let script = try await step("script") { try await FileFetch.run(group, from: address, server: options.server, "GET", "/boot.ipxe?mac=\(dashed)", digests: true) }
            guard script.text.hasPrefix("#!ipxe\nkernel http://") else { throw BootFailure(why: "the script is \(script.text.prefix(40))") }
            // One of twenty is looked at byte by byte.
            let digests = number.isMultiple(of: 20)
            for (name, size, digest) in [("kernel", options.kernel, options.kernelDigest), ("initrd", options.initrd, options.initrdDigest)] {
                let file = try await step(name) {
                    try await FileFetch.run(group, from: address, server: options.server, "GET", "/artifacts/\(digest)/\(name)?mac=\(dashed)", digests: digests)
                }
                guard file.bytes == size, !digests || file.digest == digest else { throw BootFailure(why: "the \(name) has \(file.bytes) bytes and the digest \(file.digest)") }
            }
            _ = try await FileFetch.run(group, from: address, server: options.server, "POST", "/progress?mac=\(dashed)&phase=installer", digests: false)
            result.milliseconds["whole"] = (ContinuousClock.now - began) / .milliseconds(1)
        } catch let failure as BootFailure {
            result.failure = failure.why
        } catch {
            result.failure = "\(error)"
        }
        return result
    }

    private var dashed: String { hardware.description.replacing(":", with: "-") }

    private func lease(_ turn: UInt32, isIPXE: Bool, _ result: inout BootResult) async throws {
        func packet(_ kind: DHCPPacket.Kind, _ step: UInt32) -> DHCPPacket {
            var packet = DHCPPacket(.request, hardware: hardware)
            packet.transaction = UInt32(number) << 8 | turn << 4 | step
            packet.wantsBroadcast = true
            packet.set(DHCPPacket.Code.messageType, [kind.rawValue])
            packet.set(DHCPPacket.Code.vendorClass, Array("PXEClient:Arch:00007:UNDI:003016".utf8))
            packet.set(DHCPPacket.Code.architecture, [0, 7])
            if isIPXE {
                packet.set(DHCPPacket.Code.userClass, Array("iPXE".utf8))
                packet.set(DHCPPacket.Code.iPXE, [1, 1, 1])
            }
            return packet
        }
        let step = isIPXE ? "iPXE dhcp" : "dhcp"
        let offered = await exchange.ask(packet(.discover, 1))
        result.repeated[step, default: 0] += offered.repeated
        guard let offer = offered.answer, offer.yours.description == address else { throw BootFailure(why: "no offer came, or of another address") }
        var request = packet(.request, 2)
        request.set(DHCPPacket.Code.requestedAddress, offer[DHCPPacket.Code.requestedAddress] ?? octets(offer.yours))
        if let server = offer[DHCPPacket.Code.serverIdentifier] { request.set(DHCPPacket.Code.serverIdentifier, server) }
        let given = await exchange.ask(request)
        result.repeated[step, default: 0] += given.repeated
        guard let lease = given.answer, lease.kind == .acknowledge, !lease.file.isEmpty else { throw BootFailure(why: "no lease came, or one without a boot file") }
    }

    private func octets(_ address: Address4) -> [UInt8] { address.description.split(separator: ".").compactMap { UInt8($0) } }
}
