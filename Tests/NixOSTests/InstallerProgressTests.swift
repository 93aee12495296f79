import Testing

@testable import NixOS

@Suite struct `The progress of an installer` {
    private func progress(_ text: String) -> InstallerProgress {
        var progress = InstallerProgress()
        progress.read(text.utf8)
        return progress
    }

    @Test(arguments: [
        ("", InstallerProgress.Phase.prepare, false),
        ("building '/nix/store/x.drv'...\n", .prepare, false),
        ("### Uploading install SSH keys ###\n", .kexec, false),
        ("### Gathering machine facts ###\n", .kexec, false),
        ("### Switching system into kexec ###\n", .kexec, false),
        ("### Uploading /tmp/a to /tmp/b ###\n", .disko, false),
        ("### Formatting hard drive with disko ###\n", .disko, true),
        ("### Formatting hard drive with disko ###\nx\n### Uploading the system closure ###\n", .install, true),
        ("### Copying extra files ###\r\n", .install, true),
        ("### Installing NixOS ###\n", .install, true),
        ("### Installing NixOS ###\n### Something new ###\n", .install, true),
        ("### Rebooting ###\n", .reboot, true),
        ("### Done! ###\n### Gathering machine facts ###\n", .done, true),
        ("\u{1B}[32m### Rebooting ###\u{1B}[0m\n", .reboot, true),
        ("### Rebooting ###", .prepare, false),
        ("say ### Rebooting ###\n", .prepare, false),
        ("###  ###\n", .prepare, false),
    ])
    func `the phase is that of the last step`(log: String, phase: InstallerProgress.Phase, hasFormatted: Bool) {
        let found = progress(log)
        #expect(found.phase == phase)
        #expect(found.hasFormatted == hasFormatted)
    }

    @Test func `why it gave up is what it says itself, else its last words`() {
        #expect(progress("### Gathering machine facts ###\naborted: no tar\nbye\n").lastWords == "no tar")
        #expect(progress("one\ntwo\n\n  \n").lastWords == "two")
        #expect(progress("one\n### Rebooting ###\n").lastWords == "none")
        #expect(progress("").lastWords == "none")
        var cut = progress("one\nlast words")
        #expect(cut.lastWords == "one")
        cut.finish()
        #expect(cut.lastWords == "last words")
    }

    @Test func `how the bytes are cut changes nothing`() {
        let log = Array("### Uploading install SSH keys ###\nå ß\n### Formatting hard drive with disko ###\nx\raborted: é\n".utf8)
        let whole = progress(String(decoding: log, as: UTF8.self))
        for cut in log.indices {
            var parts = InstallerProgress()
            parts.read(log[..<cut])
            parts.read(log[cut...])
            #expect(parts == whole, "cut at \(cut)")
        }
    }

    @Test func `any bytes are read, and nothing grows with them`() {
        let words = ["### ", " ###", "\n", "\r", "aborted: ", "Rebooting", "Formatting hard drive with disko", "\u{1B}[", "m", "Done!", "###"]
        for seed in UInt64(1)...2_000 {
            var random = Seeded(seed)
            var progress = InstallerProgress()
            var before = InstallerProgress.Phase.prepare
            for _ in 0..<random.number(40) {
                if random.number(3) == 0 {
                    progress.read((0..<random.number(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
                } else {
                    progress.read(words[random.number(words.count)].utf8)
                }
                #expect(progress.phase >= before, "seed \(seed)")
                before = progress.phase
                #expect(progress.lastLines.count <= InstallerProgress.lastLinesMax, "seed \(seed)")
                // What is no UTF-8 takes three bytes for one.
                #expect(progress.lastLines.allSatisfy { $0.utf8.count <= 3 * InstallerProgress.lineMax + 3 && !$0.contains("\n") }, "seed \(seed)")
            }
        }
        var endless = InstallerProgress()
        for _ in 0..<64 { endless.read([UInt8](repeating: 0xFF, count: 64 << 10)) }
        endless.finish()
        #expect(endless.lastLines.count == 1)
        #expect(endless.lastLines[0].hasSuffix("…"))
    }
}

/// SplitMix64: the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func number(_ bound: Int) -> Int { Int.random(in: 0..<max(bound, 1), using: &self) }
}
