import Foundation
import Kinds
import Manifest
import Resource
import ServiceLifecycle
import Store

/// Sees to it that the machine plasma runs on is a Host in the store, so that nobody has to write
/// a manifest for it. What a person wrote is left alone.
struct LocalHost: ServiceLifecycle.Service {
    var name: String
    var store: any Store

    func run() async throws {
        guard let kind = Catalog.table[Host.name] else { preconditionFailure("the catalog has no Host") }
        var fields = Fields(reading: Value.empty, file: "", object: "Host/\(name)", path: "spec")
        let metadata = Metadata(
            name: name, uid: UUID().uuidString.lowercased(),
            creationTimestamp: Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down)), finalizers: [Registry.finalizer])
        let host = kind.read(metadata, &fields)
        let key = Key(Registry.key(kind, name))
        _ = try await store.commit(
            Transaction(if: [Compare(key, .equal, .version(0))], then: [.put(key, try host.encoded())]))
    }
}

extension Value {
    /// A mapping without members.
    fileprivate static var empty: Value { Value(mark: Mark(line: 1, column: 1), shape: .mapping([])) }
}
