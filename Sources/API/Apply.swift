import Manifest
import Resource

/// How a manifest is applied.
package struct ApplyOptions: Hashable, Sendable {
    /// Says what would happen and writes nothing.
    package var dryRun: Bool
    /// Deletes what this field manager once applied and the manifest no longer names.
    package var prune: Bool
    /// In whose name; an object of another manager is refused. 1 to 128 characters.
    package var fieldManager: String
    /// Takes over objects of other managers, and writes over children of an owner.
    package var force: Bool

    package init(dryRun: Bool = false, prune: Bool = false, fieldManager: String = "plasma", force: Bool = false) {
        self.dryRun = dryRun
        self.prune = prune
        self.fieldManager = fieldManager
        self.force = force
    }
}

/// What an apply did, or in a dry run would do: one line per object, in the manifest's order, then what was pruned.
package struct ApplyResult: Hashable, Sendable, Codable {
    package enum Action: String, Hashable, Sendable, Codable, CaseIterable { case created, configured, unchanged, pruned }

    package struct Object: Hashable, Sendable, Codable {
        package var kind: String
        package var name: String
        package var action: Action
        package var uid: String
        package var generation: Int64
        /// nil where nothing was written.
        package var resourceVersion: String?

        package init(
            _ reference: Reference, _ action: Action, uid: String, generation: Int64, resourceVersion: String? = nil
        ) {
            kind = reference.kind
            name = reference.name
            self.action = action
            self.uid = uid
            self.generation = generation
            self.resourceVersion = resourceVersion
        }

        package var reference: Reference { Reference(kind: kind, name: name) }
    }

    package var objects: [Object]
    package var dryRun: Bool

    package init(objects: [Object], dryRun: Bool) {
        self.objects = objects
        self.dryRun = dryRun
    }
}

package struct DeleteResult: Hashable, Sendable {
    package var reference: Reference
    /// false: it is marked as leaving and goes when its finalizers are done.
    package var isGone: Bool

    package init(reference: Reference, isGone: Bool) {
        self.reference = reference
        self.isGone = isGone
    }
}

/// What of the store, or of the manifest, a diff looks at.
package struct DiffSelection: Hashable, Sendable, Codable {
    /// Empty is every object.
    package var references: [Reference]
    /// A label selector as text; nil is every object.
    package var selector: String?
    /// Whether objects of `fieldManager` that the manifest no longer names count as deleted.
    package var prune: Bool
    package var fieldManager: String

    package init(references: [Reference] = [], selector: String? = nil, prune: Bool = false, fieldManager: String = "plasma") {
        self.references = references
        self.selector = selector
        self.prune = prune
        self.fieldManager = fieldManager
    }
}

package struct VersionInfo: Hashable, Sendable, Codable {
    /// "0.1.0"
    package var version: String
    /// "plasma.cloud/v1alpha1"
    package var apiVersion: String
    /// "linux/x86_64"
    package var platform: String

    package init(version: String, apiVersion: String = plasmaAPIVersion, platform: String = VersionInfo.platform) {
        self.version = version
        self.apiVersion = apiVersion
        self.platform = platform
    }

    package static var platform: String {
        #if arch(x86_64)
        "linux/x86_64"
        #elseif arch(arm64)
        "linux/aarch64"
        #else
        "linux/unknown"
        #endif
    }
}

/// The body of `POST …/apply` and `…/diff`.
struct ManifestBody: Codable {
    struct File: Codable {
        var name: String
        var content: String
    }

    /// nil in a diff: the store's own desired state.
    var files: [File]?
    var selection: DiffSelection?
    /// Absolute; what relative file names start from.
    var workingDirectory: String?
}

/// One change that a watch tells.
package enum WatchedChange: Sendable {
    case added(any AnyResource)
    case modified(any AnyResource)
    /// As it was when it went.
    case deleted(any AnyResource)
    /// Everything up to this version has been told. The first one ends the initial list.
    case bookmark(resourceVersion: String)
}
