import Foundation
import Host

/// How far a service's first boot on its node has come: what `plasma first-boot` writes there, and a daemon reads.
///
///     /var/lib/first-boot-automation/chainfire.json
///     {"attempt":3,"message":"waiting for a leader","service":"chainfire","state":"running","step":"joining","updatedAt":"2026-01-01T00:00:00Z"}
package struct FirstBootState: Codable, Hashable, Sendable {
    package enum State: String, Codable, Hashable, Sendable { case running, done, failed }

    package static let directory = "/var/lib/first-boot-automation"

    package var service: String
    package var state: State
    package var step: String
    package var message: String
    package var attempt: Int
    package var updatedAt: Date

    package init(service: String, state: State, step: String, message: String, attempt: Int, updatedAt: Date) {
        self.service = service
        self.state = state
        self.step = step
        self.message = message
        self.attempt = attempt
        self.updatedAt = updatedAt
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
