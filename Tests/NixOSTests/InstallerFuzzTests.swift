import Foundation
import Simulation
import Testing

@testable import NixOS

/// What an installer, and a machine over SSH, can write, many times over.
@Suite struct InstallerFuzzTests {
    private static let lines = [
        "### Uploading install SSH keys ###", "### Gathering machine facts ###", "### Switching system into kexec ###", "### Building disko script ###",
        "### Formatting hard drive with disko ###", "### Uploading the system closure ###", "### Copying extra files ###", "### Installing NixOS ###",
        "### Rebooting ###", "### Waiting for the machine to become unreachable due to reboot ###", "### Done! ###", "### Uploading /tmp/a to /tmp/b ###",
        "aborted: no tar", "building '/nix/store/x.drv'...", "Pseudo-terminal will not be allocated", "\u{1B}[32mok\u{1B}[0m", "98 MB in 3 s", "",
    ]

    @Test func `no bytes upset the reader of an installer's log, and nothing grows with them`() {
        var dice = FuzzDice(1)
        let count = FuzzDice.count(60_000)
        var read = 0, formatted = 0, done = 0
        while read < count {
            var whole = InstallerProgress(), cut = InstallerProgress()
            let log = read
            for _ in 0..<dice.number(1...24) {
                read += 1
                let line = Self.line(&dice)
                let before = whole
                whole.read(line)
                for piece in dice.pieces(line, max: dice.pick([1, 16, 5000])) { cut.read(piece) }
                #expect(whole.phase >= before.phase, "input \(log): \(before.phase) became \(whole.phase)")
                #expect(whole.hasFormatted || !before.hasFormatted, "input \(log): disks that were formatted no longer are")
                #expect(whole.lastLines.count <= InstallerProgress.lastLinesMax, "input \(log)")
                // Those that were there before were looked at then.
                let texts = [whole.lastLines.last, whole.step, whole.aborted].compactMap { $0 }
                for text in texts {
                    // What is no UTF-8 takes three bytes for one.
                    #expect(text.utf8.count <= 3 * InstallerProgress.lineMax + 3, "input \(log): a text of \(text.utf8.count) bytes")
                    #expect(!text.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "input \(log): \(text.debugDescription)")
                }
            }
            #expect(whole == cut, "input \(log): how the bytes were cut made a difference")
            whole.finish()
            if whole.hasFormatted { formatted += 1 }
            if whole.phase == .done { done += 1 }
        }
        #expect(formatted > count / 200 && done > count / 400, "too few logs came far: \(formatted) formatted, \(done) done of \(count) lines")
    }

    private static func line(_ dice: inout FuzzDice) -> [UInt8] {
        var bytes = Array(dice.pick(lines).utf8)
        switch dice.number(0...11) {
        case 0: bytes = dice.spoiled(bytes)
        case 1: bytes = dice.bytes(dice.pick([1, 10, 100, InstallerProgress.lineMax - 1, InstallerProgress.lineMax, InstallerProgress.lineMax + 1, dice.oneIn(20) ? 20_000 : 40]))
        case 2: bytes = Array("\u{1B}[".utf8) + (dice.oneIn(2) ? Array("1;31m".utf8) : [0x1B, 0x5B]) + bytes + Array("\u{1B}[0m".utf8)
        case 3: bytes += Array("\r".utf8) + Array(dice.pick(lines).utf8)
        case 4: bytes = dice.crossed(bytes, Array(dice.pick(lines).utf8))
        case 5: bytes = Array(repeating: bytes, count: dice.number(1...60)).flatMap { $0 }
        default: break
        }
        return bytes + (dice.oneIn(12) ? [] : dice.pick([[10], [10], [13, 10], [13]]))
    }

    @Test func `no answer of a machine upsets the reader of its facts`() {
        var dice = FuzzDice(2)
        let count = FuzzDice.count(20_000)
        var whole = 0, known = 0
        for number in 0..<count {
            let answer = Self.answer(&dice)
            guard let facts = NodeLook.read(answer) else { continue }
            whole += 1
            if facts.devices != nil { known += 1 }
            let devices = (facts.devices ?? []).flatMap(\.all)
            #expect(devices.count <= answer.count && facts.failedUnits?.count ?? 0 <= answer.count, "input \(number)")
            #expect(facts.files.allSatisfy { $0.key.hasPrefix("/") && $0.value.sha256.utf8.count == 64 }, "input \(number): \(facts.files)")
            #expect([facts.current, facts.booted, facts.profile].allSatisfy { $0?.hasPrefix("/") ?? true }, "input \(number)")
        }
        #expect(whole > count / 4 && known > count / 20, "too few answers came far: \(whole) whole, \(known) with devices of \(count)")
    }

    private static func answer(_ dice: inout FuzzDice) -> [UInt8] {
        let digest = String(repeating: "a", count: 64)
        let sections = [
            ("release", "ID=nixos\nVARIANT_ID=\"installer\"\n"), ("release", "ID='\nID\n=\n===\""), ("current", "/nix/store/abc-nixos-system"), ("booted", "/run/booted-system"),
            ("current-boot", "/nix/store/k2\n/nix/store/i2"), ("booted-boot", "/nix/store/k1"), ("failed", "● b.service loaded failed failed B\n.\n..."),
            ("lsblk", #"{"blockdevices":[{"name":"vda","path":"/dev/vda","size":2147483648,"serial":" x ","mountpoints":[null],"children":[{"name":"vda1","size":"5","mountpoints":["/boot"]}]}]}"#),
            ("lsblk", #"{"blockdevices":"# + String(repeating: #"[{"name":"a","children":"#, count: dice.pick([2, 100, 700]))), ("mounts", "/ ext4\n/boot vfat\nx"),
            ("lvs", #"{"report":[{"lv":[{"vg_name":"pool","lv_name":"root","lv_size":"1073741824"}]}]}"#), ("files", "\(digest)  /x\n\(digest) */y\nshort /z"),
            ("modes", "600 /x\n999999999999999999999 /y\n-1 /x"), ("signatures", "/dev/vda\ngpt \nPMBR"), ("unknown", "x"), ("", ""),
        ]
        var text: [UInt8] = []
        for _ in 0..<dice.number(1...8) {
            let (name, value) = dice.pick(sections)
            let content = dice.oneIn(3) ? dice.spoiled(Array(value.utf8)) : Array(value.utf8)
            let code = dice.oneIn(8) ? dice.numberText() : "0"
            text += Array("plasma \(name) \(code) \(content.count + (dice.oneIn(20) ? dice.number(0...3) : 0))\n".utf8) + content + [10]
            if dice.oneIn(6) { text += dice.bytes(dice.number(0...40)) + [10] }
        }
        if dice.oneIn(10) { text = dice.spoiled(text) }
        return text + Array("plasma end 0 0\n".utf8).prefix(dice.oneIn(10) ? dice.number(0...15) : 15)
    }
}
