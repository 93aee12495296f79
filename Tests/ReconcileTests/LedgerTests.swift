import Foundation
import Resource
import Synchronization
import Testing

@testable import Reconcile

/// What everybody reads while one changes it.
@Suite struct LedgerTests {
    /// A copy, as readers take one.
    private final class Table: Sendable {
        let copy = Mutex<Ledger?>(nil)
        let isDone = Atomic(false)
    }

    @Test func `copies that others let go meanwhile harm no change`() async {
        let table = Table()
        let readers = (0..<2).map { _ in
            Thread {
                while !table.isDone.load(ordering: .acquiring) {
                    // The only copy: the writer's tree is its own again in the middle of a change.
                    let own = table.copy.withLock { copy in
                        defer { copy = nil }
                        return copy
                    }
                    for _ in 0..<Int.random(in: 0..<200) { _ = own?.revision }
                }
            }
        }
        for reader in readers { reader.start() }
        var ledger = Ledger()
        for round in 0..<100_000 {
            let number = Int.random(in: 0..<1200)
            let name = "w\(number)"
            let reference = Reference(Widget.self, name)
            if ledger[reference] != nil, round % 3 == 0 {
                ledger[reference] = nil
            } else {
                let owner = OwnerReference(kind: Widget.name, name: "o\(number % 400)", uid: "uid-\(number % 400)")
                ledger[reference] = Resource<Widget>(metadata: Metadata(name: name, uid: name, ownerReferences: [owner]), spec: Widget.Spec(size: round % 100))
            }
            ledger.revision = Int64(round)
            table.copy.withLock { $0 = ledger }
        }
        table.isDone.store(true, ordering: .releasing)
        for number in 0..<400 {
            #expect(ledger.children(ofUID: "uid-\(number)").allSatisfy { $0.metadata.owner?.uid == "uid-\(number)" })
        }
    }
}
