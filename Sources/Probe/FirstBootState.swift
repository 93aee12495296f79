import Foundation
import Host

/// How far a service's first boot on its node has come: what `plasma first-boot` writes there, and a daemon reads.
///
///     /var/lib/first-boot-automation/chainfire.json
///     {"attempt":3,"message":"waiting for a leader","service":"chainfire","state":"running","step":"joining",
///      "steps":[{"attempts":3,"message":"waiting for a leader","since":"2026-01-01T00:00:00Z"}],"updatedAt":"2026-01-01T00:00:02Z"}
package struct FirstBootState: Codable, Hashable, Sendable {
    package enum State: String, Codable, Hashable, Sendable { case running, done, failed }

    /// Something that it waited for or failed at, and how it ended in the end.
    package struct Step: Codable, Hashable, Sendable {
        package var message: String
        package var since: Date
        /// How many looks in a row found it so.
        package var attempts: Int

        package init(message: String, since: Date, attempts: Int) {
            self.message = message
            self.since = since
            self.attempts = attempts
        }
    }

    /// Earlier steps than the last of these are let go of, and what is longer of a message.
    private static let stepsMax = 16, messageMax = 240

    package static let directory = "/var/lib/first-boot-automation"

    package var service: String
    package var state: State
    package var step: String
    package var message: String
    package var attempt: Int
    package var updatedAt: Date
    /// In the order in which they came. An earlier version wrote none.
    package private(set) var steps: [Step] = []

    package init(service: String, state: State, step: String, message: String, attempt: Int, updatedAt: Date) {
        self.service = service
        self.state = state
        self.step = step
        self.message = message
        self.attempt = attempt
        self.updatedAt = updatedAt
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        service = try fields.decode(String.self, forKey: .service)
        state = try fields.decode(State.self, forKey: .state)
        step = try fields.decode(String.self, forKey: .step)
        message = try fields.decode(String.self, forKey: .message)
        attempt = try fields.decode(Int.self, forKey: .attempt)
        updatedAt = try fields.decode(Date.self, forKey: .updatedAt)
        steps = try fields.decodeIfPresent([Step].self, forKey: .steps) ?? []
    }

    /// The same after what went before: its steps, and this one where it is another than the last.
    package func following(_ steps: [Step]) -> FirstBootState {
        var next = self
        next.steps = steps
        let message = String(message.prefix(Self.messageMax))
        if steps.last?.message == message {
            next.steps[steps.count - 1].attempts += 1
        } else {
            next.steps.append(Step(message: message, since: updatedAt, attempts: 1))
        }
        next.steps.removeFirst(max(0, next.steps.count - Self.stepsMax))
        return next
    }

    /// The same where nothing of the first boot is left to tell.
    package func keeping(_ steps: [Step]) -> FirstBootState {
        var next = self
        next.steps = steps
        return next
    }

    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }

    /// - Throws: for what is no such state, or is larger than any.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= 16 << 10 else { throw ProbeFailure(.protocolError, "the state of the first boot is too large") }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        self = try decoder.decode(FirstBootState.self, fromOutside: bytes)
    }

    /// "joining: waiting for a leader (attempt 3)", "initialized", "failed: gave up …".
    package var summary: String {
        switch state {
        case .running: "\(step): \(message) (attempt \(attempt))"
        case .done: step
        case .failed: "failed: \(message)"
        }
    }
}
