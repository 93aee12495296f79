import Foundation
import Resource
import Testing

@testable import Reconcile

@Suite struct FootingTests {
    private let world = Widget.World()

    private func outdated(_ condition: Condition, isSuspended: Bool = false, recorded: Int?, seen: Int?) async -> Reference? {
        let there = Reference(Widget.self, "b")
        var metadata = Metadata(name: "b", uid: "uid-b")
        if isSuspended { metadata.annotations[Annotation.suspended] = "true" }
        var attempt: Int?
        if case .failing(_, let number) = condition { attempt = number }
        var ledger = Ledger()
        ledger[there] = Resource<Widget>(
            metadata: metadata, spec: Widget.Spec(size: 4),
            status: StatusRecord(
                observedGeneration: 1, conditions: condition.records(generation: 1, now: Date(timeIntervalSince1970: 0), previous: []),
                phase: condition.phase(isLeaving: false), attempt: attempt, detail: Widget.Status(size: recorded)))
        world.state.withLock { $0.sizes["b"] = seen }
        let reader = Reader(ledger)
        _ = reader.get(there)
        return await Footing([AnyLoop(Loop<Widget.Planning>(observer: world))])
            .outdated(under: Resource<Widget>(metadata: Metadata(name: "a", uid: "uid-a"), spec: Widget.Spec(size: 1)), reader)
    }

    @Test func `what is about to do something is no footing, nor is what is seen otherwise than recorded`() async {
        let there = Reference(Widget.self, "b")
        #expect(await outdated(.ready, recorded: 4, seen: 4) == nil)
        #expect(await outdated(.ready, recorded: 4, seen: nil) == there)
        #expect(await outdated(.ready, recorded: nil, seen: nil) == there)
    }

    /// It does nothing until its next attempt, and who only reads it must not wait for that each time.
    @Test func `what has failed, or is suspended, stands as it is recorded`() async {
        let there = Reference(Widget.self, "b")
        #expect(await outdated(.failing("make b 4: broken", attempt: 2), recorded: nil, seen: nil) == nil)
        #expect(await outdated(.failing("make b 4: broken", attempt: 2), recorded: nil, seen: 3) == there)
        #expect(await outdated(.stalled("suspended"), isSuspended: true, recorded: nil, seen: nil) == nil)
        #expect(await outdated(.stalled("suspended"), isSuspended: true, recorded: 4, seen: nil) == there)
    }
}
