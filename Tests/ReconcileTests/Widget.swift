import Foundation
import Host
import Logging
import Manifest
import Resource
import Simulation
import Store
import Synchronization

@testable import Reconcile

/// A kind for tests: something of a size in a world that is a dictionary. A widget may own others.
enum Widget: Kind {
    static let name = "Widget"
    static let plural = "widgets"
    static let summary = "A thing of a size."

    struct Spec: Codable, Hashable, Sendable {
        var size: Int
        /// Names of widgets it owns, of half its size.
        var parts: [String] = []
        /// Must be ready first.
        var after: String?
    }

    struct Status: Codable, Hashable, Sendable { var size: Int? }

    static func readSpec(_ fields: inout Fields) -> Spec { Spec(size: fields.integer("size", 0...100, "Its size.")) }

    enum Action: Hashable, Sendable, CustomStringConvertible {
        case make(String, Int), remove(String)
        var description: String {
            switch self {
            case .make(let name, let size): "make \(name) \(size)"
            case .remove(let name): "remove \(name)"
            }
        }
    }

    enum Planning: Planner {
        typealias K = Widget
        static func plan(_ goal: Goal<Widget>, given seen: Int?, _ reader: Reader) -> Plan<Widget, Action> {
            let status = Status(size: seen)
            switch goal {
            case .absent(let widget):
                return seen == nil ? Plan(.ready, status: status) : Plan(.converging("removing"), [.remove(widget.name)], status: status)
            case .present(let widget):
                let children: [any AnyResource] = widget.spec.parts.map {
                    Resource<Widget>(metadata: Metadata(name: $0), spec: Spec(size: widget.spec.size / 2))
                }
                if let after = widget.spec.after, reader.get(Widget.self, after)?.isReady != true {
                    return Plan(.waiting(on: Reference(Widget.self, after), "not ready"), children: children, status: status)
                }
                if seen == widget.spec.size { return Plan(.ready, children: children, status: status) }
                let difference = Difference(
                    "spec.size", seen: seen.map { .integer(Int64($0)) }, wanted: .integer(Int64(widget.spec.size)), impact: .restart)
                return Plan(
                    .converging("making"), [.make(widget.name, widget.spec.size)], children: children, status: status,
                    differences: [difference])
            }
        }

        static func foresee(_ action: Action, in seen: Int?) -> Int? {
            switch action {
            case .make(_, let size): size
            case .remove: nil
            }
        }
    }

    /// The world and both hands.
    final class World: Observer, Performer {
        typealias P = Planning
        struct Broken: Error, CustomStringConvertible { var description = "the world is broken" }

        struct State {
            var sizes: [String: Int] = [:]
            var performed: [String] = []
            /// Fails this many actions more.
            var failures = 0
            /// Accepts actions and does nothing.
            var isDeaf = false
            var isInvisible = false
        }

        let state = Mutex(State())
        let isLookedAt = Atomic(false)
        /// Looking at the widget of this name takes until the stream ends.
        let slow = Mutex<(name: String, until: AsyncStream<Never>)?>(nil)

        func observe(_ goal: Goal<Widget>, _ reader: Reader) async throws -> Int? {
            isLookedAt.store(true, ordering: .relaxed)
            if let slow = slow.withLock({ $0 }), slow.name == goal.resource.name { for await _ in slow.until {} }
            return try state.withLock {
                if $0.isInvisible { throw Broken() }
                return $0.sizes[goal.resource.name]
            }
        }

        func perform(_ action: Action) async throws {
            try state.withLock { state in
                if state.failures > 0 {
                    state.failures -= 1
                    throw Broken()
                }
                state.performed.append(action.description)
                if state.isDeaf { return }
                switch action {
                case .make(let name, let size): state.sizes[name] = size
                case .remove(let name): state.sizes[name] = nil
                }
            }
        }

        func strays(_ reader: Reader) async throws -> [Stray] {
            let known = Set(reader.list(Widget.self).map(\.name))
            return state.withLock { $0.sizes.keys.filter { !known.contains($0) }.sorted() }.map {
                Stray(Reference(Widget.self, $0), "a widget")
            }
        }
    }
}

/// A store, its mirror and the widgets' controller, running.
struct Bench {
    static let kinds = KindTable([AnyKind(Widget.self)])

    let store = MemoryStore()
    let time = ManualTime()
    let world = Widget.World()
    let mirror: Mirror
    let workshop: Workshop

    init() {
        mirror = Mirror(store: store, kinds: Bench.kinds, time: time, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var backoff = WorkQueue.Options()
        backoff.jitter = 0
        workshop = Workshop(
            mirror: mirror, store: store, time: time, kinds: Bench.kinds,
            footing: Footing([AnyLoop(Loop<Widget.Planning>(observer: world))]), seed: 1, backoff: backoff,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs the loop beside the body, and ends it with it.
    func running(_ body: (Bench) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let controller = Controller(Loop<Widget.Planning>(observer: world, performer: world), in: workshop)
            group.addTask { try await mirror.run() }
            group.addTask { try await controller.run() }
            defer { group.cancelAll() }
            try await body(self)
        }
    }

    func put(_ name: String, _ spec: Widget.Spec, _ change: (inout Metadata) -> Void = { _ in }) async throws {
        let key = Key(Registry.key(plural: "widgets", name))
        var metadata = Metadata(name: name, uid: "uid-\(name)", finalizers: [Registry.finalizer])
        if let entry = try await store.get(key), let existing = try Bench.kinds["Widget"]?.decode(entry.value, entry.modRevision) {
            let updated = existing.replacingSpec(with: Resource<Widget>(metadata: metadata, spec: spec))
            metadata = updated.metadata
        }
        change(&metadata)
        try await store.put(key, Resource<Widget>(metadata: metadata, spec: spec).encoded())
    }

    /// Waits until the records are so.
    func until(_ what: @Sendable (Ledger) -> Bool) async {
        if what(mirror.ledger) { return }
        for await _ in mirror.changes() where what(mirror.ledger) { return }
    }

    func widget(_ name: String) -> Resource<Widget>? { mirror.ledger.get(Widget.self, name) }
}
