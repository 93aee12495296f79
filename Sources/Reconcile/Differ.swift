import Foundation
import Manifest
import Resource

/// Tells what `apply` would do, by doing it in thought: the same planners over the same
/// observations, the effects of their actions foreseen instead of performed. It is given no
/// performer and no store to write to.
package struct Differ: Sendable {
    private let loops: [String: AnyLoop]
    /// Objects observed at once.
    private let width: Int

    package init(_ loops: [AnyLoop], width: Int = 16) {
        self.loops = Dictionary(uniqueKeysWithValues: loops.map { ($0.kind, $0) })
        self.width = width
    }

    /// - Parameters:
    ///   - stored: what the store holds.
    ///   - records: the objects that an apply would create or change, as they would stand.
    ///   - retired: objects that the apply would delete.
    ///   - drafts: where the manifest speaks of them.
    ///   - isWanted: which objects to report; everything is thought through all the same.
    package func diff(
        stored: Ledger, records: [any AnyResource] = [], retired: [Reference] = [], drafts: [Draft] = [],
        isWanted: (Reference) -> Bool = { _ in true }
    ) async -> DiffReport {
        let started = Overlay(stored: stored, records: records, retired: retired)
        let sights = await look(at: started.ledger)
        var future = Imagination(loops: loops, ledger: started.ledger, sights: sights)
        await future.run { reference, record, reader in await look(reference, record, reader) }
        return Reporter(
            stored: stored, drafts: drafts, started: started, future: future, loops: loops, strays: await strays(stored)
        ).report(isWanted)
    }

    private func look(at ledger: Ledger) async -> [Reference: Sight] {
        let records = ledger.all.filter { loops[$0.reference.kind] != nil }
        var sights: [Reference: Sight] = [:]
        sights.reserveCapacity(records.count)
        let share = max(1, (records.count + width - 1) / width)
        await withTaskGroup(of: [(Reference, Sight)].self) { group in
            for start in stride(from: 0, to: records.count, by: share) {
                let part = records[start ..< min(start + share, records.count)]
                group.addTask {
                    var seen: [(Reference, Sight)] = []
                    for record in part {
                        seen.append((record.reference, await look(record.reference, record, Reader(ledger))))
                    }
                    return seen
                }
            }
            for await part in group { for (reference, sight) in part { sights[reference] = sight } }
        }
        return sights
    }

    private func look(_ reference: Reference, _ record: any AnyResource, _ reader: Reader) async -> Sight {
        guard let loop = loops[reference.kind] else { return .unseen("no reconcile loop") }
        do {
            return .seen(try await loop.observe(record, reader))
        } catch {
            return .unseen("\(error)")
        }
    }

    private func strays(_ ledger: Ledger) async -> [Result<Stray, StrayFailure>] {
        var found: [Result<Stray, StrayFailure>] = []
        for kind in loops.keys.sorted() {
            do {
                found += try await loops[kind]!.strays(Reader(ledger)).map { .success($0) }
            } catch {
                found.append(.failure(StrayFailure(kind: kind, why: "\(error)")))
            }
        }
        return found
    }
}

struct StrayFailure: Error {
    var kind: String
    var why: String
}

/// The world as one object saw it, or why it could not be seen.
enum Sight: Sendable {
    case seen(any Sendable)
    case unseen(String)

    var seen: (any Sendable)? {
        if case .seen(let observation) = self { observation } else { nil }
    }
}

/// The store's records with what an apply would write laid over them.
struct Overlay: Sendable {
    var ledger: Ledger
    var operations: [Reference: ObjectDiff.Operation] = [:]

    init(stored: Ledger, records: [any AnyResource], retired: [Reference]) {
        ledger = stored
        for record in records {
            operations[record.reference] = stored[record.reference] == nil ? .create : .update
            ledger[record.reference] = record
        }
        for reference in retired {
            guard var leaving = ledger[reference] else { continue }
            leaving.metadata.deletionTimestamp = leaving.metadata.creationTimestamp
            ledger[reference] = leaving
            operations[reference] = .delete
        }
    }
}
