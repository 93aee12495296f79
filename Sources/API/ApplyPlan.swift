import Foundation
import Manifest
import Resource

/// What applying a manifest writes. A decider: drafts and the store's objects go in, steps come out; all
/// conflicts are told at once.
struct ApplyPlan {
    enum Write: Sendable {
        case put(any AnyResource)
        case remove
    }

    struct Step: Sendable {
        var reference: Reference
        var action: ApplyResult.Action
        /// nil: nothing to write.
        var write: Write?
        /// The revision at which the object must still stand; 0: it must not exist.
        var expected: Int64
        var uid: String
        var generation: Int64
        /// As read.
        var resourceVersion: String?
    }

    var steps: [Step] = []

    /// - Parameters:
    ///   - stored: every object, `resourceVersion` included.
    ///   - leavingFirst: kinds that are pruned before all others.
    ///   - newUID: called once for each object that is created.
    init(
        _ drafts: [Draft], stored: [any AnyResource], options: ApplyOptions, reconciledKinds: Set<String>,
        leavingFirst: Set<String>, now: Date, newUID: () -> String
    ) throws(Refusal) {
        let byReference = Dictionary(stored.map { ($0.reference, $0) }, uniquingKeysWith: { $1 })
        var conflicts: [Refusal] = []
        for draft in drafts {
            let wish = draft.resource
            guard let old = byReference[wish.reference] else {
                let new = Admission.creation(
                    of: wish, manager: options.fieldManager, reconciledKinds: reconciledKinds, uid: newUID(), now: now)
                steps.append(Step(new, .created, .put(new), expected: 0))
                continue
            }
            do throws(Refusal) {
                let new = try Admission.application(
                    of: wish, onto: old, manager: options.fieldManager, force: options.force)
                steps.append(Step(new ?? old, new == nil ? .unchanged : .configured, new.map(Write.put), expected: old.revision))
            } catch {
                conflicts.append(error)
            }
        }
        if options.prune {
            let named = Set(drafts.map(\.resource.reference))
            let unnamed = stored.filter { !named.contains($0.reference) }.sorted { $0.reference < $1.reference }
            // A plan may be written in several commits, and loops go on in between.
            let first = unnamed.filter { leavingFirst.contains($0.reference.kind) }
            let others = unnamed.filter { !leavingFirst.contains($0.reference.kind) }
            try prune(first + others, manager: options.fieldManager, now: now)
        }
        guard let first = conflicts.first else { return }
        throw .conflict(
            conflicts.count == 1 ? first.object : nil, conflicts.map(\.message).joined(separator: "\n"))
    }

    /// - Parameter unnamed: in the order in which they are to leave.
    private mutating func prune(_ unnamed: [any AnyResource], manager: String, now: Date) throws(Refusal) {
        for old in unnamed where old.metadata.annotations[Annotation.fieldManager] == manager && old.metadata.owner == nil {
            switch try Admission.deletion(of: old, Admission.Preconditions(), now: now) {
            case .isLeavingAlready: break
            case .remove: steps.append(Step(old, .pruned, .remove, expected: old.revision))
            case .mark(let new): steps.append(Step(new, .pruned, .put(new), expected: old.revision))
            }
        }
    }

    var result: [ApplyResult.Object] {
        steps.map {
            ApplyResult.Object(
                $0.reference, $0.action, uid: $0.uid, generation: $0.generation, resourceVersion: $0.resourceVersion)
        }
    }
}

extension ApplyPlan.Step {
    init(_ resource: any AnyResource, _ action: ApplyResult.Action, _ write: ApplyPlan.Write?, expected: Int64) {
        self.init(
            reference: resource.reference, action: action, write: write, expected: expected, uid: resource.metadata.uid,
            generation: resource.metadata.generation, resourceVersion: resource.metadata.resourceVersion)
    }
}

extension AnyResource {
    /// The store's revision it was read at; 0 when it was not read from the store.
    var revision: Int64 { metadata.resourceVersion.flatMap(Int64.init) ?? 0 }
}
