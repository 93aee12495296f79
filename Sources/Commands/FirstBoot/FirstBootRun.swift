import Foundation
import Host
import Probe

/// Looks, judges, notes and waits, until the first boot is over or its time is.
struct FirstBootRun: Sendable {
    var boot: FirstBoot
    var folder: FirstBootFolder
    /// nil: for ever.
    var timeout: Duration?
    var time: any Time
    var look: @Sendable () async -> FirstBoot.Sight
    /// One line of the log.
    var tell: @Sendable (String) -> Void

    private static let service = "chainfire"

    /// - Throws: `Failure` when its time is over, or what it notes cannot be written.
    func run() async throws {
        try folder.prepare()
        if let marker = FirstBoot.markers.first(where: folder.has) { return try await confirm(marker) }
        let start = time.now()
        var attempt = 0
        while true {
            attempt += 1
            switch boot.judge(await look()) {
            case .done(let message):
                // The marker first: a state that says "done" has one.
                try folder.mark(boot.marker, "\(stamp) \(message)")
                try note(.done, boot.lastStep, message, attempt)
                return
            case .waiting(let message):
                let pause = FirstBoot.pause(after: attempt)
                if let timeout, time.now() - start + pause > timeout {
                    let whole = "gave up after \(attempt) attempts: \(message)"
                    try note(.failed, boot.step, whole, attempt)
                    throw Failure("the first boot of \(Self.service) \(whole)")
                }
                try note(.running, boot.step, message, attempt, next: pause)
                try await time.sleep(for: pause)
            }
        }
    }

    /// It was over before this start: only looked at. How the member is from now on is for its health probe to tell.
    private func confirm(_ marker: String) async throws {
        let step = marker == FirstBoot.markers[1] ? "joined" : "initialized"
        var message = "", attempt = 0
        repeat {
            attempt += 1
            switch await look().health {
            case .well:
                return try note(.done, step, "was over before, and the member is well", attempt, isOver: true)
            case .unwell(let why), .unreachable(let why): message = why
            }
            try await time.sleep(for: FirstBoot.pause(after: attempt))
        } while attempt < 5
        try note(.done, step, "was over before; the member is not well now: \(message)", attempt, isOver: true)
    }

    /// - Parameter isOver: it was over before: this is no step of it.
    private func note(
        _ state: FirstBootState.State, _ step: String, _ message: String, _ attempt: Int, next: Duration? = nil, isOver: Bool = false
    ) throws {
        let now = Date(timeIntervalSince1970: time.date().timeIntervalSince1970.rounded(.down))
        tell(LogLine.text([
            ("time", stamp), ("level", state == .failed ? "error" : "info"), ("service", Self.service), ("node", boot.name), ("step", step),
            ("state", state.rawValue), ("attempt", "\(attempt)"), ("reason", message), ("next", next.map { "\(Int($0 / .milliseconds(1)))ms" } ?? ""),
        ]))
        let steps = folder.state(of: Self.service)?.steps ?? []
        let noted = FirstBootState(service: Self.service, state: state, step: step, message: message, attempt: attempt, updatedAt: now)
        try folder.write(isOver ? noted.keeping(steps) : noted.following(steps))
    }

    private var stamp: String { time.date().formatted(.iso8601) }
}

/// `key=value` words, quoted where they must be.
enum LogLine {
    static func text(_ pairs: [(String, String)]) -> String {
        pairs.filter { !$0.1.isEmpty }.map { key, value in "\(key)=\(isPlain(value) ? value : quoted(value))" }.joined(separator: " ")
    }

    private static func isPlain(_ value: String) -> Bool { value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") } }

    private static func quoted(_ value: String) -> String {
        "\"" + value.map { character in
            switch character {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            default: String(character)
            }
        }.joined() + "\""
    }
}
