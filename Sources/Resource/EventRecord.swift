import Foundation

/// Something that happened to an object, for people: Kubernetes' Event, stored under
/// `/registry/events/`. The same reason and message for the same object raise `count`.
package struct EventRecord: Codable, Hashable, Sendable {
    package enum Gravity: String, Codable, Hashable, Sendable { case normal = "Normal", warning = "Warning" }

    package struct Name: Codable, Hashable, Sendable {
        package var name: String
        package var resourceVersion: String?
    }

    package var apiVersion: String
    package var kind: String
    package var metadata: Name
    package var involvedObject: Reference
    package var type: Gravity
    package var reason: String
    package var message: String
    package var count: Int
    package var firstTimestamp: Date
    package var lastTimestamp: Date

    package init(name: String, about object: Reference, type: Gravity, reason: String, message: String, count: Int, first: Date, last: Date) {
        apiVersion = plasmaAPIVersion
        kind = "Event"
        metadata = Name(name: name, resourceVersion: nil)
        involvedObject = object
        self.type = type
        self.reason = reason
        self.message = message
        self.count = count
        firstTimestamp = first
        lastTimestamp = last
    }
}

/// Where records stand in the store.
package enum Registry {
    package static let root = "/registry/"
    /// Every object of every kind; events stand elsewhere.
    package static let objects = "/registry/objects/"
    package static let events = "/registry/events/"

    /// `/registry/objects/nodes/node01`
    package static func key(_ kind: AnyKind, _ name: String) -> String { "\(objects)\(kind.plural)/\(name)" }
    package static func key(plural: String, _ name: String) -> String { "\(objects)\(plural)/\(name)" }

    /// "nodes" and "node01" of a key made by `key`.
    package static func parse(_ key: String) -> (plural: String, name: String)? {
        guard key.hasPrefix(objects) else { return nil }
        let parts = key.dropFirst(objects.count).split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        return (String(parts[0]), String(parts[1]))
    }

    /// Kept on objects whose kind has a reconcile loop until the loop has cleaned up after them.
    package static let finalizer = "plasma.cloud/reconciler"
}
