import Manifest
import Resource
import Store

extension Objects {
    /// Room for keys and compares beside the values.
    private static let chunkBytesMax = Transaction.bytesMax * 3 / 4

    /// Applies drafts that were read without a problem.
    /// - Throws: `Refusal`; when parts were written before it, its message says which.
    func apply(
        _ drafts: [Draft], options: ApplyOptions, check: ([any AnyResource]) throws -> Void,
        authorize: (ApplyPlan) async throws -> Void
    ) async throws -> ApplyResult {
        var done: [Reference: ApplyResult.Object] = [:]
        do {
            for _ in 0..<Self.attemptsMax {
                let stored = try await all()
                try check(stored)
                let plan = try ApplyPlan(
                    drafts, stored: stored, options: options, reconciledKinds: reconciledKinds, leavingFirst: leavingFirst, now: now(),
                    newUID: newUID)
                try await authorize(plan)
                if options.dryRun { return ApplyResult(objects: plan.result, dryRun: true) }
                guard try await write(plan, &done) else { continue }
                // What an earlier attempt wrote is unchanged in the last plan, and pruned objects may be gone from it.
                let planned = Set(plan.steps.map(\.reference))
                let earlier = done.values.filter { !planned.contains($0.reference) }.sorted { $0.reference < $1.reference }
                return ApplyResult(objects: plan.result.map { done[$0.reference] ?? $0 } + earlier, dryRun: false)
            }
            throw Refusal.conflict(nil, "the objects changed \(Self.attemptsMax) times while they were to be applied; apply again")
        } catch {
            guard !done.isEmpty else { throw error }
            var refusal = Refusal(any: error)
            let written = done.values.sorted { $0.reference < $1.reference }.map { "\($0.action.rawValue) \($0.reference)" }
            refusal.message += "\nthis was written before: \(written.joined(separator: ", ")); apply again to finish"
            throw refusal
        }
    }

    /// What applying the drafts would write: the same plan, not carried out.
    /// - Throws: `Refusal` where the apply would be refused.
    func wish(_ drafts: [Draft], options: ApplyOptions) async throws -> Wish {
        var made = 0
        let plan = try ApplyPlan(
            drafts, stored: try await all(), options: options, reconciledKinds: reconciledKinds, leavingFirst: leavingFirst, now: now()
        ) {
            made += 1
            return "\(Metadata.foreseenPrefix)\(made)"
        }
        var wish = Wish(drafts: drafts, records: [], retired: [])
        for step in plan.steps {
            if step.action == .pruned { wish.retired.append(step.reference) }
            else if case .put(let record) = step.write { wish.records.append(record) }
        }
        return wish
    }

    /// - Returns: false when an object was changed meanwhile and the plan must be made anew.
    private func write(_ plan: ApplyPlan, _ done: inout [Reference: ApplyResult.Object]) async throws -> Bool {
        var chunk: [ApplyPlan.Step] = []
        var transaction = Transaction(then: [])
        var bytes = 0
        func commit() async throws -> Bool {
            guard !chunk.isEmpty else { return true }
            let result = try await store.commit(transaction)
            guard result.succeeded else { return false }
            for step in chunk {
                done[step.reference] = ApplyResult.Object(
                    step.reference, step.action, uid: step.uid, generation: step.generation,
                    resourceVersion: String(result.revision))
            }
            (chunk, transaction, bytes) = ([], Transaction(then: []), 0)
            return true
        }
        for step in plan.steps {
            guard let write = step.write, let kind = kinds[step.reference.kind] else { continue }
            let key = Key(Registry.key(kind, step.reference.name))
            let operation: Operation
            var size = key.bytes.count * 2
            switch write {
            case .remove: operation = .delete(key)
            case .put(let resource):
                let value = try resource.encoded()
                size += value.count
                operation = .put(key, value)
            }
            if chunk.count == Transaction.operationsMax || bytes + size > Self.chunkBytesMax {
                guard try await commit() else { return false }
            }
            chunk.append(step)
            transaction.compares.append(Compare(key, .equal, .modRevision(step.expected)))
            transaction.then.append(operation)
            bytes += size
        }
        return try await commit()
    }
}
