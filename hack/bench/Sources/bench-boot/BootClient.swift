import Crypto
import Foundation
import NIOCore
import NIOPosix
import NetBoot

struct BootResult: Sendable {
    static let steps = ["dhcp", "tftp", "script", "kernel", "initrd", "whole"]

    var milliseconds: [String: Double] = [:]
    var repeated = 0
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
            result.repeated += loaded.repeated
            guard loaded.bytes == options.loader else { throw BootFailure(why: "the boot loader has \(loaded.bytes) bytes") }
            try await lease(1, isIPXE: true, &result)
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
        let offered = await exchange.ask(packet(.discover, 1))
        result.repeated += offered.repeated
        guard let offer = offered.answer, offer.yours.description == address else { throw BootFailure(why: "no offer came, or of another address") }
        var request = packet(.request, 2)
        request.set(DHCPPacket.Code.requestedAddress, offer[DHCPPacket.Code.requestedAddress] ?? octets(offer.yours))
        if let server = offer[DHCPPacket.Code.serverIdentifier] { request.set(DHCPPacket.Code.serverIdentifier, server) }
        let given = await exchange.ask(request)
        result.repeated += given.repeated
        guard let lease = given.answer, lease.kind == .acknowledge, !lease.file.isEmpty else { throw BootFailure(why: "no lease came, or one without a boot file") }
    }

    private func octets(_ address: Address4) -> [UInt8] { address.description.split(separator: ".").compactMap { UInt8($0) } }
}

/// One boot loader by TFTP, a block of 1468 bytes at a time, as UEFI firmware does.
enum LoaderFetch {
    static func run(_ group: any EventLoopGroup, from address: String, server: String, _ file: String) async throws -> (bytes: Int, repeated: Int) {
        let loop = group.next()
        let promise = loop.makePromise(of: (bytes: Int, repeated: Int).self)
        let place = try SocketAddress(ipAddress: server, port: 69)
        let channel = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Fetcher(promise, place, file)) } }
            .bind(host: address, port: 0).get()
        defer { channel.close(promise: nil) }
        return try await promise.futureResult.get()
    }

    private final class Fetcher: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        private let promise: EventLoopPromise<(bytes: Int, repeated: Int)>
        private let request: TFTPPacket
        private var peer: SocketAddress
        private var next: UInt16 = 0
        private var bytes = 0
        private var repeated = 0
        private var isOver = false
        private var last: TFTPPacket
        private var clock: Scheduled<Void>?

        init(_ promise: EventLoopPromise<(bytes: Int, repeated: Int)>, _ server: SocketAddress, _ file: String) {
            self.promise = promise
            peer = server
            request = .read(.init(file: file, mode: "octet", options: [.init(name: "tsize", value: "0"), .init(name: "blksize", value: "1468")]))
            last = request
        }

        func channelActive(context: ChannelHandlerContext) { send(context, request) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = Self.unwrapInboundIn(data)
            guard !isOver, let packet = TFTPPacket(Array(envelope.data.readableBytesView)) else { return }
            peer = envelope.remoteAddress
            switch packet {
            case .options:
                guard next == 0 else { return }
                next = 1
                send(context, .acknowledge(block: 0))
            case .data(let block, let content):
                guard block == next else { return }
                next &+= 1
                bytes += content.count
                send(context, .acknowledge(block: block))
                if content.count < 1468 { finish(.success((bytes, repeated))) }
            case .error(let code, let why): finish(.failure(BootFailure(why: "TFTP error \(code): \(why)")))
            default: break
            }
        }

        private func send(_ context: ChannelHandlerContext, _ packet: TFTPPacket) {
            last = packet
            context.writeAndFlush(Self.wrapOutboundOut(AddressedEnvelope(remoteAddress: peer, data: context.channel.allocator.buffer(bytes: packet.bytes))), promise: nil)
            clock?.cancel()
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            clock = context.eventLoop.scheduleTask(in: .seconds(4)) {
                let (fetcher, context) = bound.value
                guard !fetcher.isOver else { return }
                fetcher.repeated += 1
                if fetcher.repeated > 6 { return fetcher.finish(.failure(BootFailure(why: "TFTP fell silent"))) }
                fetcher.send(context, fetcher.last)
            }
        }

        private func finish(_ result: Result<(bytes: Int, repeated: Int), BootFailure>) {
            guard !isOver else { return }
            isOver = true
            clock?.cancel()
            switch result {
            case .success(let value): promise.succeed(value)
            case .failure(let failure): promise.fail(failure)
            }
        }
    }
}

/// One file by HTTP over a connection of its own.
enum FileFetch {
    struct File: Sendable {
        var bytes = 0
        var text = ""
        var digest = ""
    }

    static func run(_ group: any EventLoopGroup, from address: String, server: String, _ method: String, _ target: String, digests: Bool) async throws -> File {
        let loop = group.next()
        let promise = loop.makePromise(of: File.self)
        let request = "\(method) \(target) HTTP/1.1\r\nHost: boot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(.seconds(20))
                .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(promise, digests)) } }
                .bind(to: try SocketAddress(ipAddress: address, port: 0))
                .connect(host: server, port: 8080).get()
            channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
        } catch {
            promise.fail(error)
        }
        return try await promise.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let promise: EventLoopPromise<File>
        private let digests: Bool
        private var head: [UInt8] = []
        private var expected: Int?
        private var file = File()
        private var hash = SHA256()

        init(_ promise: EventLoopPromise<File>, _ digests: Bool) {
            self.promise = promise
            self.digests = digests
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var buffer = Self.unwrapInboundIn(data)
            if expected == nil {
                while expected == nil, let byte = buffer.readInteger(as: UInt8.self) {
                    head.append(byte)
                    if head.suffix(4) == [13, 10, 13, 10] { expected = length() }
                }
            }
            guard expected != nil else { return }
            file.bytes += buffer.readableBytes
            if digests {
                hash.update(data: Data(buffer.readableBytesView))
                if file.bytes <= 4096 { file.text += String(decoding: buffer.readableBytesView, as: UTF8.self) }
            }
        }

        /// nil: no answer that means success.
        private func length() -> Int {
            let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
            guard lines[0].hasPrefix("HTTP/1.1 200") else { return -1 }
            let field = lines.first { $0.lowercased().hasPrefix("content-length:") }
            return field.flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        }

        func channelInactive(context: ChannelHandlerContext) {
            guard let expected, expected == file.bytes else {
                return promise.fail(BootFailure(why: "an answer of \(file.bytes) of \(expected ?? 0) bytes: \(String(decoding: head.prefix(60), as: UTF8.self))"))
            }
            file.digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
            promise.succeed(file)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}
