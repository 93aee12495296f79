import Host

/// Finds machines that boot from the network again and again without reaching what they boot: a kernel that panics, an
/// initial RAM disk that does not fit, a firmware that does not come to its disk.
package struct LoopDetector: Sendable {
    /// So many kernels within so long are a loop.
    package static let kernels = 4
    package static let window = Duration.seconds(1200)

    private var fetches: [HardwareAddress: [Instant]] = [:]

    package init() {}

    package mutating func kernelFetched(by mac: HardwareAddress, now: Instant) {
        let recent = (fetches[mac] ?? []).filter { now - $0 < Self.window } + [now]
        fetches[mac] = Array(recent.suffix(Self.kernels))
    }

    /// It reached the installer, or is no longer offered anything.
    package mutating func forget(_ mac: HardwareAddress) { fetches[mac] = nil }

    package mutating func keep(_ isWanted: (HardwareAddress) -> Bool) { fetches = fetches.filter { isWanted($0.key) } }

    package func isLooping(_ mac: HardwareAddress, now: Instant) -> Bool {
        (fetches[mac] ?? []).filter { now - $0 < Self.window }.count >= Self.kernels
    }
}
