import Resource

/// Follows what an object waits on, from object to object, to the one that holds everything up.
struct WaitChain: Hashable, Sendable {
    struct Link: Hashable, Sendable {
        var reference: Reference
        /// nil when the object does not exist.
        var standing: Standing?
        var attempt: Int?
    }

    /// What is waited on, nearest first; the last is the root cause. Empty for an object that does
    /// not wait on another.
    var links: [Link] = []
    /// The chain bites its own tail: these objects wait on each other.
    var isCircular = false

    init(of object: any AnyResource, among objects: [Reference: any AnyResource], reconciled: Set<String>) {
        var seen: Set<Reference> = [object.reference]
        var next = WaitChain.target(of: object)
        while let reference = next {
            guard seen.insert(reference).inserted else {
                isCircular = true
                return
            }
            let found = objects[reference]
            links.append(
                Link(
                    reference: reference,
                    standing: found.map { Standing(of: $0, isReconciled: reconciled.contains(reference.kind)) },
                    attempt: found?.summary?.attempt))
            next = found.flatMap(WaitChain.target)
        }
    }

    /// The object that `Condition.waiting` names in the message of the Ready condition.
    static func target(of object: any AnyResource) -> Reference? {
        guard let ready = object.summary?.condition("Ready"), ready.status != .yes, ready.reason == "Waiting" else { return nil }
        let prefix = "waiting on "
        guard ready.message.hasPrefix(prefix) else { return nil }
        let word = ready.message.dropFirst(prefix.count).prefix { $0 != " " && $0 != ":" }
        let parts = word.split(separator: "/", maxSplits: 1)
        return parts.count == 2 ? Reference(kind: String(parts[0]), name: String(parts[1])) : nil
    }

    /// One line for each link: `Disk/node01-vda is Failing: attempt 3 failed: no space left`.
    func lines() -> [String] {
        var lines = links.map { link in
            guard let standing = link.standing else { return "\(link.reference) does not exist" }
            let why = standing.message.isEmpty ? "" : ": \(standing.message)"
            return "\(link.reference) is \(standing.phase)\(why)"
        }
        if isCircular { lines.append("which waits on one of these in turn: none of them can go on") }
        return lines
    }
}
