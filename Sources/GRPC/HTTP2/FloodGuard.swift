import NIOCore

/// Bounds what a client may ask for that costs it next to nothing, per half a minute: CVE-2019-9512 to -9518, CVE-2023-44487.
struct FloodGuard {
    /// So many within `span`.
    private struct Count {
        static let span = TimeAmount.seconds(30)

        let max: Int
        private var count = 0
        private var since = NIODeadline.distantPast

        init(max: Int) { self.max = max }

        /// Whether it is too much now.
        mutating func note(_ now: NIODeadline, times: Int = 1) -> Bool {
            if now - since > Self.span {
                since = now
                count = 0
            }
            count += times
            return count > max
        }
    }

    /// Settings, pings, priorities, empty data and what nobody knows.
    private var controls = Count(max: 5_000)
    /// Clients reset each call they cancel.
    private var resets = Count(max: 20_000)
    private var streamFaults = Count(max: 2_000)
    private var mayPing = false

    /// Data went to the client: it may ping once for that. Go's clients do, after all that comes, to measure the bandwidth.
    mutating func noteAnswer() { mayPing = true }

    mutating func notePing(now: NIODeadline) throws(HTTP2Fault) {
        guard !mayPing else {
            mayPing = false
            return
        }
        try noteControl(now: now)
    }

    mutating func noteControl(times: Int = 1, now: NIODeadline) throws(HTTP2Fault) {
        if controls.note(now, times: times) { throw HTTP2Fault(.enhanceYourCalm, "too many frames that say nothing") }
    }

    mutating func noteReset(now: NIODeadline) throws(HTTP2Fault) {
        if resets.note(now) { throw HTTP2Fault(.enhanceYourCalm, "too many calls are cancelled") }
    }

    /// A stream that is refused or ended for what is wrong with it.
    mutating func noteStreamFault(now: NIODeadline) throws(HTTP2Fault) {
        if streamFaults.note(now) { throw HTTP2Fault(.enhanceYourCalm, "too many streams are in error") }
    }
}
