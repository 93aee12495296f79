import Foundation

/// Where an object stands: the one decision from which the conditions that users see are drawn.
package enum Condition: Hashable, Sendable {
    /// Being brought to its goal; the text is the phase: "starting".
    case converging(String)
    /// Nothing to do until another object is ready (or, for a leaving one, gone).
    case waiting(on: Reference, String)
    /// The last attempt failed and will be repeated by itself. Attempt 0: it was well and is no longer.
    case failing(String, attempt: Int)
    /// Nothing will happen until a person changes something; the text says what.
    case stalled(String)
    case ready
}

/// A condition as users see it: Kubernetes' shape.
package struct ConditionRecord: Hashable, Sendable, Codable {
    package enum Status: String, Hashable, Sendable, Codable { case yes = "True", no = "False", unknown = "Unknown" }

    /// "Ready", "Reconciling" or "Stalled".
    package var type: String
    package var status: Status
    package var observedGeneration: Int64
    package var lastTransitionTime: Date
    /// CamelCase, never empty.
    package var reason: String
    package var message: String
}

extension ConditionRecord {
    /// The message for whoever waits on the object: without the number of an attempt. With it, each attempt would change the waiting one's record,
    /// and where that is read by the failing one, wake it for the next at once.
    package var lasting: String {
        guard reason == "Failing", message.hasPrefix(Condition.attemptText), let end = message.firstRange(of: Condition.failedText) else { return message }
        return "failing: " + message[end.upperBound...]
    }
}

extension Condition {
    fileprivate static let attemptText = "attempt ", failedText = " failed: "

    /// CamelCase, for conditions and events.
    package var reason: String {
        switch self {
        case .converging(let phase): camelCase(phase)
        case .waiting: "Waiting"
        case .failing: "Failing"
        case .stalled: "Stalled"
        case .ready: "Ready"
        }
    }

    package var message: String {
        switch self {
        case .converging(let phase): phase
        case .waiting(let reference, let why): why.isEmpty ? "waiting on \(reference)" : "waiting on \(reference): \(why)"
        case .failing(let why, 0): why
        case .failing(let why, let attempt): "\(Self.attemptText)\(attempt)\(Self.failedText)\(why)"
        case .stalled(let why): why
        case .ready: ""
        }
    }

    /// The three conditions of an object, in fixed order. A condition whose status did not change
    /// keeps its transition time from `previous`.
    /// - Parameter isStuck: it waits on something that is stalled itself.
    package func records(
        generation: Int64, now: Date, previous: [ConditionRecord], isStuck: Bool = false
    ) -> [ConditionRecord] {
        func record(_ type: String, _ status: ConditionRecord.Status, _ reason: String, _ message: String) -> ConditionRecord {
            let old = previous.first { $0.type == type }
            return ConditionRecord(
                type: type, status: status, observedGeneration: generation,
                lastTransitionTime: old?.status == status ? old!.lastTransitionTime : now, reason: reason, message: message)
        }
        let isReady = self == .ready
        let isStalled = if case .stalled = self { true } else { isStuck }
        return [
            record("Ready", isReady ? .yes : .no, reason, message),
            record("Reconciling", isReady || isStalled ? .no : .yes, isReady || isStalled ? "Settled" : reason, isReady || isStalled ? "" : message),
            record("Stalled", isStalled ? .yes : .no, isStalled ? reason : "Progressing", isStalled ? message : ""),
        ]
    }
}

private func camelCase(_ phrase: String) -> String {
    // What follows a semicolon explains; it does not name.
    let words = phrase.prefix { $0 != ";" }.split { !$0.isLetter && !$0.isNumber }.prefix(4)
    let joined = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    return joined.first?.isLetter == true ? joined : "Converging"
}
