import Resource

/// What one row says of an object. Drawn from its conditions and nothing else, so that `get`,
/// `tree`, `describe` and the live view never disagree.
struct Standing: Hashable, Sendable {
    /// "True", "False", "Unknown", or "-" for a kind that is only recorded.
    var ready: String
    var phase: String
    /// Why it is not ready; empty when it is.
    var message: String
    /// Nothing will happen until a person changes something.
    var isStalled: Bool

    init(of object: any AnyResource, isReconciled: Bool) {
        let summary = object.summary
        let isCurrent = summary?.observedGeneration == object.metadata.generation
        let readiness = summary?.condition("Ready")
        message = readiness?.status == .yes ? "" : readiness?.message ?? ""
        isStalled = isCurrent && summary?.condition("Stalled")?.status == .yes
        let isSuspended = object.metadata.annotations[Annotation.suspended] == "true"

        switch (object.metadata.deletionTimestamp, summary) {
        case (_?, _):
            ready = "False"
            phase = "Deleting"
            if message.isEmpty { message = "waiting for its controller to clean up" }
        case (nil, nil) where !isReconciled:
            ready = "-"
            phase = "Recorded"
        case (nil, nil):
            ready = "Unknown"
            phase = "Pending"
            message = "no controller has looked at it yet"
        case (nil, let summary?):
            ready = isCurrent ? (readiness?.status ?? .unknown).rawValue : "Unknown"
            phase = isCurrent ? summary.phase : "Pending"
            if !isCurrent { message = "its last change has not been looked at yet" }
        }
        if isSuspended && !object.metadata.isLeaving { phase = "Suspended" }
    }

    var style: Style {
        switch phase {
        case "Ready": .good
        case "Failing", "Stalled": .bad
        case "Recorded": .dim
        default: ready == "True" ? .good : .busy
        }
    }
}
