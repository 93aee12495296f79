import Foundation
import Testing

@testable import NetBoot

@Suite struct TimelineTests {
    private func date(_ seconds: Double) -> Date { Date(timeIntervalSince1970: 1_000_000 + seconds) }

    @Test func `a boot through the firmware's own PXE is one boot`() {
        var timeline = Timeline()
        var news: [Bool] = []
        news.append(timeline.noteAddress(for: .firmware, at: date(0.7)))
        news.append(timeline.note(.tftp, at: date(1)))
        news.append(timeline.note(.tftp, at: date(2)))
        news.append(timeline.noteAddress(for: .iPXE, at: date(5)))
        news.append(timeline.note(.ipxe, at: date(6)))
        news.append(timeline.note(.kernel, at: date(7)))
        news.append(timeline.note(.initrd, at: date(8)))
        news.append(timeline.noteAddress(for: .system, at: date(20)))
        news.append(timeline.note(.installer, at: date(25.9)))
        #expect(news == [true, true, false, false, true, true, true, false, true])
        #expect(timeline.boots == 1)
        #expect(timeline.last == .installer)
        #expect(timeline.phases[.dhcp] == date(0.7) && timeline.phases[.installer] == date(25.9))
    }

    @Test func `the next boot begins with the next DHCP`() {
        var timeline = Timeline()
        for second in [0.0, 100] {
            _ = timeline.noteAddress(for: .iPXE, at: date(second))
            _ = timeline.note(.ipxe, at: date(second + 1))
            _ = timeline.note(.kernel, at: date(second + 2))
        }
        #expect(timeline.boots == 2)
        #expect(timeline.phases == [.dhcp: date(100), .ipxe: date(101), .kernel: date(102)])
        let isNews = timeline.noteAddress(for: .firmware, at: date(200))
        #expect(isNews)
        #expect(timeline.boots == 3)
        #expect(timeline.last == .dhcp)
    }

    @Test func `a machine that fetches its kernel again and again is in a loop, until it gets on or time passes`() {
        let node = mac("52:54:00:00:01:01")
        var loops = LoopDetector()
        for number in 0..<LoopDetector.kernels {
            #expect(loops.loop(of: node, now: at(Double(number) * 60)) == nil)
            loops.kernelFetched(by: node, now: at(Double(number) * 60))
        }
        #expect(loops.loop(of: node, now: at(300)) == .kernels)
        #expect(loops.loop(of: mac("52:54:00:00:01:02"), now: at(300)) == nil)
        #expect(loops.loop(of: node, now: at(3000)) == nil)
        loops.forget(node)
        #expect(loops.loop(of: node, now: at(300)) == nil)
    }

    @Test func `a machine that boots slowly, an hour apart, is in no loop`() {
        var loops = LoopDetector()
        for hour in 0..<20 {
            loops.kernelFetched(by: mac("52:54:00:00:01:01"), now: at(Double(hour) * 3600))
            #expect(loops.loop(of: mac("52:54:00:00:01:01"), now: at(Double(hour) * 3600)) == nil)
        }
    }

    @Test func `a machine that begins to boot again and again, and never fetches a kernel, is in a loop, too`() {
        var state = BootState(service())
        let node = "52:54:00:00:01:01"
        func asks(_ second: Double) -> Bool {
            let packet = message(.request, from: .uefi, node) { $0.set(DHCPPacket.Code.requestedAddress, address("192.168.100.11")) }
            return state.receive(packet, atProxyPort: false, from: (.any, 68), now: at(second), date: date(second)).isNews
        }
        for boot in 0..<LoopDetector.boots {
            #expect(state.sight(now: at(Double(boot) * 100)).allSatisfy { $0.loop == nil })
            #expect(asks(Double(boot) * 100))
            // Firmware asks more than once in a boot, which is still the same.
            #expect(!asks(Double(boot) * 100 + 4))
            _ = state.note(.tftp, of: mac(node), now: at(Double(boot) * 100 + 5), date: date(Double(boot) * 100 + 5))
        }
        let last = Double(LoopDetector.boots - 1) * 100
        #expect(state.sight(now: at(last + 10)).map(\.loop) == [.boots])
        #expect(state.sight(now: at(last + 3000)).map(\.loop) == [nil])
        _ = state.note(.installer, of: mac(node), now: at(last + 20), date: date(last + 20))
        #expect(state.sight(now: at(last + 21)).map(\.loop) == [nil])
    }

    @Test func `unknown machines are noted up to a bound, and those that ask no more make room`() {
        var state = BootState(service())
        func ask(_ number: Int, _ client: Sender = .uefi, second: Double) -> Bool {
            let packet = message(.discover, from: client, HardwareAddress(number: 0x5254_0000_0900 + UInt64(number)).description)
            let step = state.receive(packet, atProxyPort: false, from: (.any, 68), now: at(second), date: date(second))
            #expect(step.reply == nil)
            return step.isNews
        }
        #expect(!ask(5000, .system, second: 0), "what an operating system asks is no machine to be installed")
        #expect(ask(0, .bios, second: 0))
        let news = (0..<1000).map { ask($0, second: 1) }
        #expect(news.filter { $0 }.count == BootState.pendingMax - 1)
        #expect(state.pending.count == BootState.pendingMax)
        #expect(state.pending.prefix(2).map(\.firmware) == ["BIOS", "UEFI x86-64"])
        #expect(state.pending.first?.since == date(0))
        #expect(!ask(2000, second: 3600) && !ask(1, second: 3600))
        #expect(ask(2000, second: 3602))
        #expect(state.pending.map(\.mac.number) == [0x5254_0000_0901, 0x5254_0000_0900 + 2000])
        let named = service {
            $0.machines.append(BootMachine(node: "node03", hostname: "node03", mac: state.pending[0].mac, address: nil, boots: false))
        }
        state.change(to: named)
        #expect(state.pending.count == 1, "one that was named since is no longer unknown")
    }

    @Test func `a loop is forgotten once nothing is offered any more`() {
        var state = BootState(service())
        let node = mac("52:54:00:00:01:01")
        for second in 0..<LoopDetector.kernels { _ = state.note(.kernel, of: node, now: at(Double(second)), date: date(0)) }
        #expect(state.sight(now: at(10)).map(\.loop) == [.kernels])
        state.change(to: service { $0.machines[0].boots = false })
        #expect(state.sight(now: at(10)).map(\.loop) == [nil])
        #expect(state.note(.kernel, of: mac("52:54:00:00:09:09"), now: at(0), date: date(0)) == false, "nobody named it")
    }

    @Test func `a checksum file names the digest by path, by name, or alone`() {
        let a = String(repeating: "a", count: 64), b = String(repeating: "B", count: 64)
        #expect(ChecksumFile.digest(of: "/srv/boot/initrd", in: "\(a)  vmlinuz\n\(b) *initrd\n") == b.lowercased())
        #expect(ChecksumFile.digest(of: "/srv/boot/vmlinuz", in: "\(b)  other/vmlinuz\r\n\(a)  /srv/boot/vmlinuz\r\n") == a)
        #expect(ChecksumFile.digest(of: "/srv/boot/vmlinuz", in: a) == a)
        #expect(ChecksumFile.digest(of: "/srv/boot/vmlinuz", in: "\(a)  initrd\n") == nil)
        #expect(ChecksumFile.digest(of: "/srv/boot/vmlinuz", in: "") == nil)
        #expect(ChecksumFile.digest(of: "/srv/boot/vmlinuz", in: "# nothing\n\(a.dropLast())  vmlinuz") == nil)
    }
}
