import Foundation
import Resource
import Simulation
import Synchronization
import Testing

@testable import Reconcile

/// What everybody reads while one changes it.
@Suite struct LedgerTests {
    /// Where the writer leaves a copy, and a reader takes it.
    private final class Table: Sendable {
        let copy = Mutex<Ledger?>(nil)
        let isDone = Atomic(false)
        let left = DispatchSemaphore(value: 0)

        func read() {
            while !isDone.load(ordering: .acquiring) {
                // The only copy: the writer's tree is its own again in the middle of a change.
                let own = copy.withLock { copy in
                    defer { copy = nil }
                    return copy
                }
                for _ in 0..<Int.random(in: 0..<200) { _ = own?.revision }
            }
            left.signal()
        }
    }

    /// When the threads meet is chance; what is written follows from the seed.
    @Test func `copies that others let go meanwhile harm no change`() {
        let table = Table()
        let readers = (0..<2).map { _ in Thread { table.read() } }
        for reader in readers { reader.start() }
        var dice = SimulatedDisk.Dice(seed: 7), ledger = Ledger(), model: [Reference: OwnerReference] = [:]
        for round in 0..<100_000 {
            let number = Int.random(in: 0..<1200, using: &dice)
            let reference = Reference(Widget.self, "w\(number)")
            if model[reference] != nil, round % 3 == 0 {
                model[reference] = nil
                ledger[reference] = nil
            } else {
                let owner = OwnerReference(kind: Widget.name, name: "o", uid: "uid-\(Int.random(in: 0..<400, using: &dice))")
                model[reference] = owner
                ledger[reference] = Resource<Widget>(
                    metadata: Metadata(name: reference.name, uid: reference.name, ownerReferences: [owner]), spec: Widget.Spec(size: round % 100))
            }
            table.copy.withLock { $0 = ledger }
        }
        table.isDone.store(true, ordering: .releasing)
        for _ in readers { table.left.wait() }
        #expect(Dictionary(uniqueKeysWithValues: ledger.list(Widget.self).map { ($0.reference, $0.metadata.owner) }) == model)
        for number in 0..<400 {
            let uid = "uid-\(number)"
            #expect(Set(ledger.children(ofUID: uid).map(\.reference)) == Set(model.filter { $0.value.uid == uid }.keys), "\(uid)")
        }
    }
}
