import Manifest
import Resource

/// What the API is given because it may not see it: the kinds' rules, the plans, the logs.
package struct Hooks: Sendable {
    /// The names of the kinds that a loop cleans up after: their objects get `Registry.finalizer` at creation.
    package var reconciledKinds: Set<String>
    /// The names of the kinds whose objects leave before all others when several are pruned.
    package var leavingFirst: Set<String>
    /// Rules that no object can judge alone; every problem of all drafts.
    package var check: @Sendable (_ drafts: [Draft], _ stored: [any AnyResource]) -> [Problem]
    /// Compares with the world; without a wish, the store's own desired state.
    package var diff: @Sendable (_ wish: Wish?, _ selection: DiffSelection) async throws -> DiffReport
    /// Why `/readyz` is not 200; empty when ready.
    package var unreadiness: @Sendable () -> [String]
    /// The file behind `…/log`; nil when the object has none.
    package var log: @Sendable (Reference) -> LogSource?
    package var authorizer: any Authorizer
    /// The text of `/metrics`.
    package var metrics: @Sendable () -> String
    package var version: VersionInfo

    package init(
        reconciledKinds: Set<String> = [],
        leavingFirst: Set<String> = [],
        check: @escaping @Sendable ([Draft], [any AnyResource]) -> [Problem] = { _, _ in [] },
        diff: @escaping @Sendable (Wish?, DiffSelection) async throws -> DiffReport = { _, _ in DiffReport(objects: [], examined: 0) },
        unreadiness: @escaping @Sendable () -> [String] = { [] },
        log: @escaping @Sendable (Reference) -> LogSource? = { _ in nil },
        authorizer: any Authorizer = AllowIdentified(),
        metrics: @escaping @Sendable () -> String = { "" },
        version: VersionInfo = VersionInfo(version: "0.1.0")
    ) {
        self.reconciledKinds = reconciledKinds
        self.leavingFirst = leavingFirst
        self.check = check
        self.diff = diff
        self.unreadiness = unreadiness
        self.log = log
        self.authorizer = authorizer
        self.metrics = metrics
        self.version = version
    }
}

/// What an apply would write, and did not.
package struct Wish: Sendable {
    /// What the manifest says, with its places.
    package var drafts: [Draft]
    /// The objects that would be created or changed, as they would stand.
    package var records: [any AnyResource]
    /// The objects that would be deleted.
    package var retired: [Reference]
}

/// A file that is read from its end.
package struct LogSource: Hashable, Sendable {
    package var path: String

    package init(path: String) { self.path = path }
}
