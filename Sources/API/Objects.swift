import Foundation
import Manifest
import Resource
import Store

/// Carries out what `Admission` decides: reads, writes with a compare on the revision that was read, and reads
/// again when somebody else was faster.
struct Objects: Sendable {
    /// Controllers write statuses all the time; a user's change goes between two of them.
    static let attemptsMax = 16

    var store: any Store
    var kinds: KindTable
    var reconciledKinds: Set<String>
    var leavingFirst: Set<String>
    var now: @Sendable () -> Date = { Date() }
    var newUID: @Sendable () -> String = { UUID().uuidString.lowercased() }

    enum Change: Sendable {
        case put(any AnyResource)
        case remove(any AnyResource)
        /// Stays as it is.
        case keep(any AnyResource)
    }

    func find(_ kind: AnyKind, _ name: String) async throws -> (any AnyResource)? {
        guard let entry = try await store.get(Key(Registry.key(kind, name))) else { return nil }
        return try kind.decode(entry.value, entry.modRevision)
    }

    func read(_ kind: AnyKind, _ name: String) async throws -> any AnyResource {
        guard let found = try await find(kind, name) else { throw Refusal.notFound(Reference(kind: kind.name, name: name)) }
        return found
    }

    /// Every object of every kind, in key order.
    func all() async throws -> [any AnyResource] {
        try await store.range(RangeRequest(.prefix(Key(Registry.objects)))).entries.compactMap { entry in
            guard let (plural, _) = Registry.parse(entry.key.description), let kind = kinds[plural] else { return nil }
            return try kind.decode(entry.value, entry.modRevision)
        }
    }

    func create(_ kind: AnyKind, _ wish: any AnyResource, manager: String?, dryRun: Bool) async throws -> any AnyResource {
        var new = Admission.creation(
            of: wish, manager: manager, reconciledKinds: reconciledKinds, uid: newUID(), now: now())
        let key = Key(Registry.key(kind, new.name))
        if dryRun {
            guard try await store.get(key) == nil else { throw Refusal.alreadyExists(new.reference) }
            return new
        }
        let result = try await store.commit(
            Transaction(if: [Compare(key, .equal, .modRevision(0))], then: [.put(key, try new.encoded())]))
        guard result.succeeded else { throw Refusal.alreadyExists(new.reference) }
        new.metadata.resourceVersion = String(result.revision)
        return new
    }

    /// Changes one object as `decide` says of it, which is asked again when it changed meanwhile.
    func change(
        _ kind: AnyKind, _ name: String, dryRun: Bool, _ decide: (any AnyResource) throws -> Change
    ) async throws -> Change {
        let key = Key(Registry.key(kind, name))
        for _ in 0..<Self.attemptsMax {
            let stored = try await read(kind, name)
            let decision = try decide(stored)
            if dryRun { return decision }
            var transaction = Transaction(if: [Compare(key, .equal, .modRevision(stored.revision))], then: [])
            switch decision {
            case .keep: return decision
            case .put(let new): transaction.then = [.put(key, try new.encoded())]
            case .remove: transaction.then = [.delete(key)]
            }
            let result = try await store.commit(transaction)
            guard result.succeeded else { continue }
            guard case .put(var new) = decision else { return decision }
            new.metadata.resourceVersion = String(result.revision)
            return .put(new)
        }
        throw Refusal.conflict(
            Reference(kind: kind.name, name: name),
            "\(kind.name)/\(name) changed \(Self.attemptsMax) times while it was to be changed; try again")
    }
}

extension Objects.Change {
    var resource: any AnyResource {
        switch self {
        case .put(let resource), .remove(let resource), .keep(let resource): resource
        }
    }
}
