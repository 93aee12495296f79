import Host
import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import NetBoot

@Suite struct RouterTests {
    private final class Scene {
        let segment: BootSegment
        let channel = EmbeddedChannel()
        var sent: [[UInt8]] = []

        init(_ mode: BootService.Mode) throws {
            segment = BootSegment(
                service {
                    $0.interface = "lo"
                    $0.mode = mode
                }, loaders: Loaders(in: []), artefacts: PinnedFiles(), book: noBook(), time: SystemTime(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                tell: { _ in })
            let handler = RouterHandler(segment, interface: "lo") { [unowned self] bytes in
                sent.append(bytes)
                return 0
            }
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }
    }

    private static let hardware: [UInt8] = [1, 1, 0, 0, 0, 0, 0, 0]

    @Test func `the only server of a network tells its MTU now and then, as it is now, and no hop limit`() throws {
        let scene = try Scene(.server)
        scene.segment.change(to: service { $0.mtu = 9000 })
        scene.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        let first: [UInt8] = [134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + Self.hardware + [5, 1, 0, 0, 0, 0, 5, 220]
        #expect(scene.sent == [first, first.dropLast(2) + [35, 40]])
    }

    @Test func `beside another server only who asks is answered, and told nothing that it would take for its own`() throws {
        let scene = try Scene(.proxy)
        scene.channel.embeddedEventLoop.advanceTime(by: .seconds(600))
        #expect(scene.sent.isEmpty)
        let solicitation = ByteBuffer(bytes: [133, 0, 0, 0, 0, 0, 0, 0])
        try scene.channel.writeInbound(AddressedEnvelope(remoteAddress: SocketAddress(ipAddress: "::1", port: 0), data: solicitation))
        #expect(scene.sent == [[134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + Self.hardware])
    }

    @Test func `an MTU that carries no IPv6 is not told`() {
        #expect(RouterAdvertisement(hardware: nil, mtu: 576).bytes.count == 16)
    }
}
