import Host

/// What a machine does again and again without reaching what it boots.
package enum BootLoop: Hashable, Sendable {
    /// It fetches its kernel: one that panics, an initial RAM disk that does not fit, a firmware that does not come to its disk.
    case kernels
    /// It begins to boot, and seldom or never comes as far as its kernel: a boot loader that cannot be had, or does not run there.
    case boots
}

/// Finds machines that boot from the network again and again without reaching what they boot.
package struct LoopDetector: Sendable {
    /// So many kernels within so long are a loop.
    package static let kernels = 4
    /// So many boots within so long are one, too. Firmware asks anew for each of its ways to boot, so these are more.
    package static let boots = 8
    package static let window = Duration.seconds(1200)

    private var fetches: [HardwareAddress: [Instant]] = [:]
    private var beginnings: [HardwareAddress: [Instant]] = [:]

    package init() {}

    package mutating func kernelFetched(by mac: HardwareAddress, now: Instant) { Self.note(mac, now, Self.kernels, &fetches) }

    package mutating func bootBegan(by mac: HardwareAddress, now: Instant) { Self.note(mac, now, Self.boots, &beginnings) }

    /// It reached the installer, or is no longer offered anything.
    package mutating func forget(_ mac: HardwareAddress) { (fetches[mac], beginnings[mac]) = (nil, nil) }

    package mutating func keep(_ isWanted: (HardwareAddress) -> Bool) {
        fetches = fetches.filter { isWanted($0.key) }
        beginnings = beginnings.filter { isWanted($0.key) }
    }

    package func loop(of mac: HardwareAddress, now: Instant) -> BootLoop? {
        if Self.count(mac, now, fetches) >= Self.kernels { return .kernels }
        return Self.count(mac, now, beginnings) >= Self.boots ? .boots : nil
    }

    private static func note(_ mac: HardwareAddress, _ now: Instant, _ most: Int, _ times: inout [HardwareAddress: [Instant]]) {
        let recent = (times[mac] ?? []).filter { now - $0 < window } + [now]
        times[mac] = Array(recent.suffix(most))
    }

    private static func count(_ mac: HardwareAddress, _ now: Instant, _ times: [HardwareAddress: [Instant]]) -> Int {
        (times[mac] ?? []).count { now - $0 < window }
    }
}
