/// How far an installer is, read from what it writes.
///
/// nixos-anywhere prints a line `### STEP ###` before each step and `aborted: WHY` when it gives up; everything else
/// comes from the programs it runs. Takes any bytes: a line is kept up to `lineMax` bytes, so nothing grows with the log.
package struct InstallerProgress: Hashable, Sendable {
    /// The installer's phases, with what it does before the first one and after the last.
    package enum Phase: String, Hashable, Sendable, CaseIterable, Comparable {
        /// Nothing was said yet: the system is evaluated and built.
        case prepare
        case kexec, disko, install, reboot, done

        package static func < (a: Phase, b: Phase) -> Bool { a.rank < b.rank }
        private var rank: Int { Phase.allCases.firstIndex(of: self) ?? 0 }
    }

    /// Bytes kept of one line.
    package static let lineMax = 1024
    /// Lines kept for those who ask why it failed.
    package static let lastLinesMax = 6

    /// What it said last: "Formatting hard drive with disko".
    package private(set) var step: String?
    /// Never goes back.
    package private(set) var phase = Phase.prepare
    /// What follows `aborted: `.
    package private(set) var aborted: String?
    /// The last lines with something in them since its last step, the newest last.
    package private(set) var lastLines: [String] = []
    /// From here on the disks do not hold any more what they held.
    package private(set) var hasFormatted = false

    private var line: [UInt8] = []
    private var isOverlong = false

    package init() {}

    /// The system and its boot loader are on the disks: the next boot may be into it.
    package var hasInstalled: Bool { phase >= .reboot }

    /// Reads the next bytes of the log.
    package mutating func read(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            // A carriage return ends a line too: progress bars redraw theirs with it.
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                endLine()
            } else if line.count < Self.lineMax {
                line.append(byte)
            } else {
                isOverlong = true
            }
        }
    }

    /// The log has come to its end: a last line without a line end counts.
    package mutating func finish() { endLine() }

    /// Why a run that ended without success did: what it said itself, else its last words; "none" when there were none.
    package var lastWords: String { aborted ?? lastLines.last ?? "none" }

    private mutating func endLine() {
        defer {
            line.removeAll(keepingCapacity: true)
            isOverlong = false
        }
        let text = plainText(line)
        guard !text.isEmpty else { return }
        if !isOverlong, text.hasPrefix("### "), text.hasSuffix(" ###"), text.utf8.count > "###  ###".utf8.count {
            return begin(String(text.dropFirst(4).dropLast(4)))
        }
        lastLines.append(isOverlong ? text + "…" : text)
        if lastLines.count > Self.lastLinesMax { lastLines.removeFirst() }
        if text.hasPrefix("aborted: ") { aborted = String(text.dropFirst("aborted: ".count)) }
    }

    private mutating func begin(_ step: String) {
        self.step = step
        lastLines = []
        phase = max(phase, Self.phase(of: step) ?? phase)
        if step.hasPrefix("Formatting hard drive") { hasFormatted = true }
        // A step that nobody knows may come after formatting: what was passed stays passed.
        if phase >= .install { hasFormatted = true }
    }

    private static func phase(of step: String) -> Phase? {
        let beginnings: [(String, Phase)] = [
            ("Uploading install SSH keys", .kexec), ("Gathering machine facts", .kexec), ("Switching system into kexec", .kexec),
            ("Building disko script", .disko), ("Formatting hard drive with disko", .disko),
            ("Uploading the system closure", .install), ("Building the system closure", .install),
            ("Copying extra files", .install), ("Installing NixOS", .install),
            ("Rebooting", .reboot), ("Waiting for the machine to become unreachable", .reboot), ("Done!", .done),
        ]
        if let known = beginnings.first(where: { step.hasPrefix($0.0) }) { return known.1 }
        // "Uploading /tmp/key to /tmp/disk.key": keys of encrypted disks.
        return step.hasPrefix("Uploading ") && step.contains(" to ") ? .disko : nil
    }
}

/// Without terminal colours (ESC [ … letter) and spaces at its ends; control characters become spaces, so that a line
/// stays one line wherever it is shown.
private func plainText(_ bytes: [UInt8]) -> String {
    var kept: [UInt8] = []
    var index = bytes.startIndex
    while index < bytes.endIndex {
        let byte = bytes[index]
        index += 1
        guard byte == 0x1B else {
            kept.append(byte < 0x20 || byte == 0x7F ? 0x20 : byte)
            continue
        }
        guard index < bytes.endIndex, bytes[index] == UInt8(ascii: "[") else { continue }
        index += 1
        while index < bytes.endIndex, !(0x40...0x7E).contains(bytes[index]) { index += 1 }
        index = min(index + 1, bytes.endIndex)
    }
    let start = kept.firstIndex { $0 != 0x20 } ?? kept.endIndex
    let end = kept.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? start
    return String(decoding: kept[start..<end], as: UTF8.self)
}
