import Foundation

/// How far one machine came in its latest boot from the network, and when.
package struct Timeline: Hashable, Sendable {
    package enum Phase: String, Hashable, Sendable, CaseIterable, Codable {
        /// It was given an address, or told what to boot.
        case dhcp
        /// It asked for a boot loader, by TFTP, or by HTTP (UEFI, "HTTP Boot").
        case tftp, http
        /// iPXE runs: it asked for its script.
        case ipxe
        case kernel, initrd
        /// It said itself that the installer can be reached.
        case installer
    }

    package private(set) var phases: [Phase: Date] = [:]
    /// Boots that were seen, since the server started.
    package private(set) var boots = 0
    /// How long this boot's requests waited for us in all: from each one in hand to the first byte of its answer sent.
    package private(set) var served = Duration.zero

    package init() {}

    /// The furthest one.
    package var last: Phase? { Phase.allCases.last { phases[$0] != nil } }

    /// - Returns: whether it is news.
    package mutating func note(_ phase: Phase, at date: Date) -> Bool {
        if phases.isEmpty { boots += 1 }
        guard phases[phase] == nil else { return false }
        phases[phase] = date
        return true
    }

    /// DHCP tells where a boot begins: firmware comes first, and iPXE comes once, before its script.
    package mutating func noteAddress(for stage: DHCPClient.Stage, at date: Date) -> Bool {
        let isNewBoot: Bool
        switch stage {
        case .firmware, .httpBoot: isNewBoot = phases.keys.contains { $0 != .dhcp } || isOlder(than: 120, at: date)
        case .iPXE: isNewBoot = phases[.ipxe] != nil || isOlder(than: 600, at: date)
        // Whatever system runs now: its asking is no boot.
        case .system: return false
        }
        if isNewBoot { (phases, served) = ([:], .zero) }
        return note(.dhcp, at: date)
    }

    /// A request of this boot was answered after so long. Before the first phase there is no boot.
    package mutating func noteAnswer(after wait: Duration) { if !phases.isEmpty { served += wait } }

    private func isOlder(than seconds: TimeInterval, at date: Date) -> Bool {
        phases.values.max().map { date.timeIntervalSince($0) > seconds } ?? false
    }
}
