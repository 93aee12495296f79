import Foundation
import Host
import Kinds
import Logging
import Manifest
import Resource
import ServiceLifecycle
import Store

/// Sees to it that the machine plasma runs on is a Host in the store, so that nobody has to write
/// a manifest for it, also after somebody deleted it: no machine can be started without. What a
/// person wrote is left alone.
struct LocalHost: ServiceLifecycle.Service {
    var name: String
    var store: any Store
    var time: any Time
    var logger: Logger

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    do {
                        try await ensure()
                    } catch let error as StoreError {
                        logger.warning("Host/\(name) could not be recorded", metadata: ["error": "\(error)"])
                    }
                    try await time.sleep(for: .seconds(10))
                }
            }
        } catch is CancellationError {}
    }

    private func ensure() async throws {
        let key = Key(Registry.key(plural: Host.plural, name))
        if try await store.get(key) != nil { return }
        guard let kind = Catalog.table[Host.name] else { preconditionFailure("the catalog has no Host") }
        var fields = Fields(reading: Value.empty, file: "", object: "Host/\(name)", path: "spec")
        let metadata = Metadata(
            name: name, uid: UUID().uuidString.lowercased(),
            creationTimestamp: Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down)), finalizers: [Registry.finalizer])
        let host = kind.read(metadata, &fields)
        _ = try await store.commit(
            Transaction(if: [Compare(key, .equal, .version(0))], then: [.put(key, try host.encoded())]))
    }
}

extension Value {
    /// A mapping without members.
    fileprivate static var empty: Value { Value(mark: Mark(line: 1, column: 1), shape: .mapping([])) }
}
