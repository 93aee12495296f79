import Foundation
import Host

/// Judges the health of one thing from its probes: so many failures in a row make it unhealthy, so many successes
/// healthy again; and one that changes too often counts as unhealthy until it has been quiet.
package struct HealthJudge: Hashable, Sendable {
    package struct Thresholds: Hashable, Sendable {
        package var failures: Int
        package var successes: Int
        /// So many changes within `window` are flapping.
        package var flaps = 4
        package var window: Duration
        /// So long without a change ends it.
        package var quiet: Duration

        /// - Parameter period: from one probe to the next; the window is as long as the changes can take, and no shorter than a minute.
        package init(failures: Int, successes: Int, period: Duration) {
            self.failures = max(1, failures)
            self.successes = max(1, successes)
            window = max(.seconds(60), period * (self.failures + self.successes) * flaps * 2)
            quiet = max(.seconds(30), window / 2)
        }
    }

    package enum Standing: String, Hashable, Sendable, Codable { case unknown, healthy, unhealthy, flapping }

    /// What is shown. It stays equal while the judgement stays the same, however many probes come.
    package struct Verdict: Hashable, Sendable {
        package var standing: Standing
        /// Why it is not healthy; empty when it is.
        package var reason: String
        package var category: ProbeFailure.Category?
        /// When it came to stand so; nil: never judged.
        package var since: Date?

        package init(standing: Standing = .unknown, reason: String = "", category: ProbeFailure.Category? = nil, since: Date? = nil) {
            self.standing = standing
            self.reason = reason
            self.category = category
            self.since = since
        }
    }

    package private(set) var verdict = Verdict()
    package let thresholds: Thresholds
    /// Beneath the damping.
    private var isWell: Bool?
    private var failures = 0
    private var successes = 0
    /// How often the last failure's category came in a row.
    private var alike = 0
    private var lastCategory: ProbeFailure.Category?
    /// The reason to show when it is no longer flapping.
    private var reason = ProbeFailure(.status, "")
    private var changes: [Instant] = []

    package init(_ thresholds: Thresholds) { self.thresholds = thresholds }

    /// One more probe.
    /// - Parameter failure: nil: it went well.
    package mutating func note(_ failure: ProbeFailure?, at now: Instant, date: Date) {
        let before = isWell
        if let failure {
            (failures, successes) = (failures + 1, 0)
            alike = lastCategory == failure.category ? alike + 1 : 1
            lastCategory = failure.category
            if isWell == nil || failures == thresholds.failures {
                // The first of all says something already: it is not yet healthy. Only later ones are counted.
                isWell = false
                reason = failure
            } else if isWell == false, failure.category != reason.category, alike >= thresholds.failures {
                reason = failure
            }
        } else {
            (failures, successes, alike, lastCategory) = (0, successes + 1, 0, nil)
            // One that was never seen healthy is believed at once.
            if isWell == nil || successes >= thresholds.successes { isWell = true }
        }
        if let before, isWell != before { changes.append(now) }
        changes.removeAll { now - $0 > thresholds.window }
        verdict = next(at: now, date: date)
    }

    private mutating func next(at now: Instant, date: Date) -> Verdict {
        var next = verdict
        let isFlapping: Bool
        if verdict.standing == .flapping {
            isFlapping = changes.last.map { now - $0 < thresholds.quiet } ?? false
            // What was told once does not count again.
            if !isFlapping { changes = [] }
        } else {
            isFlapping = changes.count >= thresholds.flaps
        }
        if isFlapping {
            guard verdict.standing != .flapping else { return verdict }
            next.standing = .flapping
            next.reason = "flapping: \(changes.count) changes within \(thresholds.window.inWords)\(reason.text.isEmpty ? "" : "; last: \(reason.text)")"
            next.category = reason.category
        } else if isWell == true {
            (next.standing, next.reason, next.category) = (.healthy, "", nil)
        } else {
            (next.standing, next.reason, next.category) = (.unhealthy, reason.text, reason.category)
        }
        if next.standing != verdict.standing { next.since = date }
        return next
    }
}
