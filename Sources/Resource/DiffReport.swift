import Manifest

/// What `plasma diff` found: one versioned vocabulary for every output format.
package struct DiffReport: Codable, Hashable, Sendable {
    package static let currentVersion = "plasma.cloud/diff/v1"

    package var version: String
    /// Objects with something to say, in reference order; an object without differences is only counted.
    package var objects: [ObjectDiff]
    /// How many objects were looked at.
    package var examined: Int
    /// Objects that were asked for by name, and are neither in the store nor in the manifest; nil: none.
    package var missing: [Reference]?

    package init(objects: [ObjectDiff], examined: Int) {
        version = DiffReport.currentVersion
        self.objects = objects
        self.examined = examined
    }

    /// 0 no differences, 1 differences, 3 something could not be observed (which outranks 1).
    package var exitCode: Int32 {
        if objects.contains(where: \.isUnknown) { return 3 }
        return objects.isEmpty ? 0 : 1
    }
}

package struct ObjectDiff: Codable, Hashable, Sendable {
    /// What becomes of the object in the store.
    package enum Operation: String, Codable, Hashable, Sendable, CaseIterable {
        case create, update, delete
        /// The store holds it as wanted; only the world differs.
        case keep
        /// It is in the world but nobody asked for it; plasma will not touch it.
        case unmanaged
    }

    package var kind: String
    package var name: String
    /// Where the manifest speaks of it, if it does.
    package var file: String?
    package var mark: Mark?
    package var operation: Operation
    package var changes: [Change]
    /// What `apply` would do, in order, in words.
    package var actions: [String]
    /// Why the object, or part of it, could not be observed or will not converge; nil when all is well.
    package var note: String?
    /// The world could not be seen: nothing here may be taken for "no difference".
    package var isUnknown: Bool

    package init(
        reference: Reference, file: String? = nil, mark: Mark? = nil, operation: Operation, changes: [Change] = [],
        actions: [String] = [], note: String? = nil, isUnknown: Bool = false
    ) {
        kind = reference.kind
        name = reference.name
        self.file = file
        self.mark = mark
        self.operation = operation
        self.changes = changes
        self.actions = actions
        self.note = note
        self.isUnknown = isUnknown
    }

    package var reference: Reference { Reference(kind: kind, name: name) }
    /// The gravest impact of its changes.
    package var impact: Impact { changes.map(\.impact).max() ?? .none }
}

/// One difference.
package struct Change: Codable, Hashable, Sendable {
    package enum Class: String, Codable, Hashable, Sendable, CaseIterable {
        /// The manifest differs from the store.
        case config
        /// The store differs from the world.
        case drift
        case both
        /// The world could not be seen.
        case unknown
    }

    /// "spec.cpus", or what was seen: "process", "image".
    package var path: String
    /// As it is now; nil when absent.
    package var from: JSON?
    /// As it shall be; nil when absent.
    package var to: JSON?
    package var `class`: Class
    package var impact: Impact
    /// Where the object's own manifest speaks of it, or of what is nearest above it.
    package var mark: Mark?

    package init(path: String, from: JSON?, to: JSON?, class: Class, impact: Impact, mark: Mark? = nil) {
        self.mark = mark
        self.path = path
        self.from = from
        self.to = to
        self.class = `class`
        self.impact = impact
    }
}

/// What a change costs the one it happens to, in rising gravity.
package enum Impact: String, Codable, Hashable, Sendable, CaseIterable, Comparable {
    case none, reload, restart, reboot, replace, wipe

    package static func < (a: Impact, b: Impact) -> Bool {
        allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
    }
}
