import Foundation
import Host
import Testing

@testable import NetBoot

@Suite struct DHCPServerTests {
    private func ask(_ packet: DHCPPacket, _ service: BootService = NetBootTests.service(), atProxyPort: Bool = false) -> DHCPServer.Verdict {
        var server = DHCPServer(service)
        return server.receive(packet, atProxyPort: atProxyPort, from: (address("192.168.100.50"), 68), now: at(0))
    }

    @Test(arguments: [
        (Sender.bios, "undionly.kpxe"), (.uefi, "ipxe.efi"), (.ipxe, "http://192.168.100.1:8080/boot.ipxe?mac=52-54-00-00-01-01"),
        (.http, "http://192.168.100.1:8080/loaders/ipxe.efi"), (.system, nil),
    ] as [(Sender, String?)])
    func `a named machine is offered its address, and what its stage can load`(sender: Sender, file: String?) throws {
        let verdict = ask(message(.discover, from: sender))
        let reply = try #require(verdict.reply)
        let packet = reply.packet
        #expect(packet.kind == .offer)
        #expect(packet.yours == address("192.168.100.11"))
        #expect(packet.nextServer == address("192.168.100.1"))
        #expect(packet.transaction == 0xCAFE_0001)
        #expect(packet[DHCPPacket.Code.bootFile].map { String(decoding: $0, as: UTF8.self) } == file)
        #expect(packet.file == file ?? "")
        #expect(packet.address(DHCPPacket.Code.subnetMask) == address("255.255.255.0"))
        #expect(packet.address(DHCPPacket.Code.broadcastAddress) == address("192.168.100.255"))
        #expect(packet.address(DHCPPacket.Code.router) == address("192.168.100.1"))
        #expect(packet.address(DHCPPacket.Code.domainNameServers) == address("192.168.100.2"))
        #expect(packet[DHCPPacket.Code.hostName] == Array("node01".utf8))
        #expect(packet[DHCPPacket.Code.leaseTime] == [0, 0, 14, 16])
        #expect(packet[DHCPPacket.Code.renewalTime] == [0, 0, 7, 8])
        #expect(packet[DHCPPacket.Code.rebindingTime] == [0, 0, 12, 78])
        #expect((reply.address, reply.port) == (.everybody, 68), "it cannot answer ARP yet")
        #expect(packet.bytes.count <= 548, "RFC 2131: what every client must take")
        #expect(!verdict.isUnknown)
    }

    @Test func `a machine that is to boot from its disk gets its address and no file`() throws {
        for sender in Sender.allCases {
            let reply = try #require(ask(message(.discover, from: sender, "52:54:00:00:01:02")).reply)
            #expect(reply.packet.yours == address("192.168.100.12"))
            #expect(reply.packet[DHCPPacket.Code.bootFile] == nil && reply.packet.file == "", "\(sender)")
        }
    }

    @Test func `without a sound kernel nothing is offered, but addresses are given`() throws {
        let reply = try #require(ask(message(.discover, from: .ipxe), service { $0.kernel = nil }).reply)
        #expect(reply.packet.yours == address("192.168.100.11"))
        #expect(reply.packet[DHCPPacket.Code.bootFile] == nil)
    }

    @Test func `a machine that nobody named is noted and not answered`() {
        for kind in [DHCPPacket.Kind.discover, .request, .inform, .decline, .release] {
            let verdict = ask(message(kind, from: .uefi, "52:54:00:00:09:09"))
            #expect(verdict == DHCPServer.Verdict(isUnknown: true), "\(kind)")
        }
    }

    @Test func `what a relay forwards, what a server says and what has no kind is passed over`() {
        #expect(ask(message(.discover, from: .bios) { $0.relay = address("10.0.0.1") }) == DHCPServer.Verdict())
        #expect(ask(message(.discover, from: .bios) { $0.operation = .reply }) == DHCPServer.Verdict())
        #expect(ask(message(.offer, from: .bios)).reply == nil)
        #expect(ask(message(.discover, from: .bios) { $0.set(DHCPPacket.Code.messageType, [99]) }) == DHCPServer.Verdict())
        #expect(ask(message(.discover, from: .bios, "01:00:5e:00:00:01")) == DHCPServer.Verdict(), "a group address")
    }

    @Test func `a request is acknowledged, refused, or another server's`() throws {
        func request(_ change: (inout DHCPPacket) -> Void) -> DHCPServer.Verdict { ask(message(.request, from: .ipxe, "52:54:00:00:01:01", change)) }
        let right = request {
            $0.set(DHCPPacket.Code.serverIdentifier, address("192.168.100.1"))
            $0.set(DHCPPacket.Code.requestedAddress, address("192.168.100.11"))
        }
        #expect(right.reply?.packet.kind == .acknowledge)
        #expect(right.served == .iPXE)
        let wrong = request { $0.set(DHCPPacket.Code.requestedAddress, address("192.168.100.77")) }
        let refusal = try #require(wrong.reply)
        #expect(refusal.packet.kind == .refuse)
        #expect(refusal.packet.yours == .any)
        #expect(wrong.served == nil)
        let another = request {
            $0.set(DHCPPacket.Code.serverIdentifier, address("192.168.100.9"))
            $0.set(DHCPPacket.Code.requestedAddress, address("192.168.100.11"))
        }
        #expect(another.reply == nil)
        #expect(request { _ in }.reply == nil, "it does not say which")
    }

    @Test func `an answer of any kind names the client as it names itself`() throws {
        for (kind, wish) in [(DHCPPacket.Kind.discover, "192.168.100.11"), (.request, "192.168.100.11"), (.request, "192.168.100.77"), (.inform, "192.168.100.11")] {
            let packet = message(kind, from: .system) {
                if kind == .inform { $0.client = address(wish) } else { $0.set(DHCPPacket.Code.requestedAddress, address(wish)) }
                $0.set(DHCPPacket.Code.clientIdentifier, [255, 1, 2, 3, 4, 0, 1, 9])
            }
            let reply = try #require(ask(packet).reply)
            #expect(reply.packet[DHCPPacket.Code.clientIdentifier] == [255, 1, 2, 3, 4, 0, 1, 9], "\(kind) \(wish)")
        }
        let long = message(.discover, from: .system) { $0.set(DHCPPacket.Code.clientIdentifier, [UInt8](repeating: 1, count: 250)) }
        #expect(try #require(ask(long).reply).packet[DHCPPacket.Code.clientIdentifier] == nil, "there is no room for it")
    }

    @Test func `a renewal is answered to the address that is renewed`() throws {
        let reply = try #require(ask(message(.request, from: .system) { $0.client = address("192.168.100.11") }).reply)
        #expect(reply.packet.kind == .acknowledge)
        #expect((reply.address, reply.port) == (address("192.168.100.11"), 68))
    }

    @Test func `who only asks for the rest is told without an address or a lease`() throws {
        let reply = try #require(ask(message(.inform, from: .system) { $0.client = address("192.168.100.11") }).reply)
        #expect(reply.packet.yours == .any)
        #expect(reply.packet[DHCPPacket.Code.leaseTime] == nil)
        #expect(ask(message(.inform, from: .system)).reply == nil, "it has no address to send it to")
        for elsewhere in ["203.0.113.1", "192.168.100.255", "192.168.100.1", "192.168.100.0"] {
            #expect(ask(message(.inform, from: .system) { $0.client = address(elsewhere) }).reply == nil, "\(elsewhere) is no machine on the segment")
        }
    }

    @Test func `that somebody else has a machine's address is told`() {
        let verdict = ask(message(.decline, from: .system) { $0.set(DHCPPacket.Code.requestedAddress, address("192.168.100.11")) })
        #expect(verdict.trouble == "somebody else on the segment already has 192.168.100.11")
    }

    @Test func `beside another server only what booting needs is said`() throws {
        let proxy = service { $0.mode = .proxy }
        let offer = try #require(ask(message(.discover, from: .uefi) { $0.set(DHCPPacket.Code.machineIdentifier, [UInt8](repeating: 7, count: 17)) }, proxy).reply)
        #expect(offer.packet.kind == .offer)
        #expect(offer.packet.yours == .any)
        #expect(offer.packet[DHCPPacket.Code.leaseTime] == nil)
        #expect(offer.packet[DHCPPacket.Code.vendorClass] == Array("PXEClient".utf8))
        #expect(offer.packet[DHCPPacket.Code.machineIdentifier]?.count == 17)
        #expect(offer.packet.file == "52-54-00-00-01-01/ipxe.efi")
        #expect(offer.address == .everybody)
        #expect(ask(message(.request, from: .uefi), proxy).reply == nil, "the other server acknowledges")
        let second = try #require(ask(message(.request, from: .uefi), proxy, atProxyPort: true).reply)
        #expect(second.packet.kind == .acknowledge)
        #expect((second.address, second.port) == (address("192.168.100.50"), 68))
        #expect(ask(message(.discover, from: .system), proxy).reply == nil)
        #expect(ask(message(.discover, from: .uefi, "52:54:00:00:01:02"), proxy).reply == nil, "it is offered nothing")
        #expect(ask(message(.request, from: .uefi), atProxyPort: true).reply == nil, "a whole server has no second port")
    }

    @Test func `a machine without an address of its own gets one of the pool, and keeps it`() throws {
        var server = DHCPServer(service {
            $0.machines[0].address = nil
            $0.pool = [address("192.168.100.201"), address("192.168.100.202")]
        })
        func offered(_ packet: DHCPPacket, _ now: Double) -> Address4? {
            server.receive(packet, atProxyPort: false, from: (.any, 68), now: at(now)).reply?.packet.yours
        }
        let first = try #require(offered(message(.discover, from: .bios), 0))
        #expect(server.holder(of: first) == mac("52:54:00:00:01:01"))
        #expect(offered(message(.discover, from: .bios), 10) == first)
        _ = server.receive(message(.decline, from: .bios) { $0.set(DHCPPacket.Code.requestedAddress, first) }, atProxyPort: false, from: (.any, 68), now: at(20))
        let second = try #require(offered(message(.discover, from: .bios), 30))
        #expect(second != first, "somebody else has it")
        #expect(server.holder(of: first) == nil)
    }

    @Test func `unknown machines are served only when that is asked for, and only while the pool lasts`() {
        var server = DHCPServer(service {
            $0.servesUnknown = true
            $0.pool = (0..<8).map { Address4(number: address("192.168.100.200").number + $0) }
        })
        var given: [Address4] = []
        for number in 0..<20 {
            let packet = message(.discover, from: .ipxe, HardwareAddress(number: 0x5254_0000_0900 + UInt64(number)).description)
            let verdict = server.receive(packet, atProxyPort: false, from: (.any, 68), now: at(Double(number)))
            #expect(verdict.isUnknown)
            if let reply = verdict.reply {
                given.append(reply.packet.yours)
                #expect(reply.packet.file.hasSuffix("boot.ipxe?mac=\(packet.hardware.dashed)"))
            }
            if given.count == 8, verdict.reply == nil { #expect(verdict.trouble == "no address of the pool is free; it has 8") }
        }
        #expect(given.count == 8)
        #expect(Set(given).count == 8, "no address is given twice")
        let later = server.receive(message(.discover, from: .ipxe, "52:54:00:00:0a:0a"), atProxyPort: false, from: (.any, 68), now: at(4000))
        #expect(later.reply != nil, "leases end")
    }

    /// A server with one address in its pool, and what a client says to it.
    private final class Scene {
        var server: DHCPServer
        static let only = NetBootTests.address("192.168.100.200")
        static let first = "52:54:00:00:09:01", second = "52:54:00:00:09:02"

        init(given: [HardwareAddress: DHCPServer.Lease] = [:]) { server = DHCPServer(Scene.service(), given: given) }

        static func service(_ change: (inout BootService) -> Void = { _ in }) -> BootService {
            NetBootTests.service {
                $0.servesUnknown = true
                $0.pool = [only]
                change(&$0)
            }
        }

        func say(_ kind: DHCPPacket.Kind, _ hardware: String, now: Double, to server: String = "192.168.100.1") -> DHCPServer.Verdict {
            let packet = message(kind, from: .ipxe, hardware) {
                guard kind == .request else { return }
                $0.set(DHCPPacket.Code.serverIdentifier, NetBootTests.address(server))
                $0.set(DHCPPacket.Code.requestedAddress, Self.only)
            }
            return self.server.receive(packet, atProxyPort: false, from: (.any, 68), now: at(now))
        }
    }

    @Test func `an offer holds its address for a minute, an acknowledgement for the lease`() {
        let scene = Scene()
        #expect(scene.say(.discover, Scene.first, now: 0).reply != nil)
        let tooEarly = scene.say(.discover, Scene.second, now: 59)
        #expect(tooEarly.reply == nil && tooEarly.trouble == "no address of the pool is free; it has 1")
        #expect(scene.server.given.isEmpty)
        #expect(scene.say(.discover, Scene.second, now: 61).reply != nil)
        #expect(scene.say(.request, Scene.second, now: 62).reply?.packet.kind == .acknowledge)
        // To ask again makes it no shorter.
        #expect(scene.say(.discover, Scene.second, now: 63).reply != nil)
        #expect(scene.server.given.keys.map(\.description) == [Scene.second])
        #expect(scene.say(.discover, Scene.first, now: 3661).reply == nil)
        #expect(scene.say(.discover, Scene.first, now: 3663).reply != nil)
    }

    @Test func `what was offered is free when the client chose another server`() {
        let scene = Scene()
        #expect(scene.say(.discover, Scene.first, now: 0).reply != nil)
        #expect(scene.say(.request, Scene.first, now: 1, to: "192.168.100.9").reply == nil)
        #expect(scene.say(.discover, Scene.second, now: 2).reply != nil)
    }

    @Test func `a machine keeps its address when the server is another one`() {
        let before = Scene()
        _ = before.say(.request, Scene.first, now: 0)
        let scene = Scene(given: before.server.given)
        #expect(scene.say(.discover, Scene.second, now: 10).reply == nil)
        #expect(scene.say(.discover, Scene.first, now: 10).reply?.packet.yours == Scene.only)
    }

    @Test func `an address whose lease runs is not given to the machine that the manifest names for it since, until it ends or is refused`() {
        let named = Scene.service {
            $0.machines[0].address = Scene.only
            $0.pool = [address("192.168.100.201")]
        }
        let scene = Scene()
        _ = scene.say(.request, Scene.first, now: 0)
        scene.server.change(to: named)
        let withheld = scene.say(.discover, "52:54:00:00:01:01", now: 10)
        #expect(withheld.reply == nil)
        #expect(withheld.trouble == "192.168.100.200 was given to 52:54:00:00:09:01 before, whose lease has not ended; it is not given to two")
        let later = Scene(given: scene.server.given)
        later.server.change(to: named)
        #expect(later.say(.discover, "52:54:00:00:01:01", now: 3601).reply?.packet.yours == Scene.only)
        #expect(scene.say(.request, Scene.first, now: 20).reply?.packet.kind == .refuse)
        #expect(scene.say(.discover, "52:54:00:00:01:01", now: 21).reply?.packet.yours == Scene.only)
    }

    @Test func `that there is no address is told of who asked within the hour`() {
        var state = BootState(Scene.service { $0.pool = [] })
        func ask(_ hardware: String, _ now: Double) -> Bool {
            state.receive(message(.discover, from: .uefi, hardware), atProxyPort: false, from: (.any, 68), now: at(now), date: Date(timeIntervalSince1970: now)).isNews
        }
        #expect(ask(Scene.first, 0))
        #expect(!ask(Scene.first, 10), "it is told once")
        #expect(state.sight(now: at(20)).map(\.trouble) == ["no address of the pool is free; it has 0"])
        for number in 0..<200 { _ = ask(HardwareAddress(number: 0x5254_0000_0A00 + UInt64(number)).description, 30) }
        #expect(state.sight(now: at(40)).count == BootState.pendingMax)
        #expect(state.sight(now: at(3640)).isEmpty)
    }
}
