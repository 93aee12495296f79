import Hummingbird
import Manifest
import Resource

extension Responder {
    private static let mergePatch = "application/merge-patch+json"
    private static let applyPatch = "application/apply-patch+yaml"

    func patch(_ asked: Asked, _ kind: AnyKind, _ name: String) async throws -> Response {
        try asked.query.allow("dryRun", "fieldManager", "force")
        let accepted = [Self.mergePatch, Self.applyPatch]
        let isApply = try Body.mediaType(of: asked.request, accepted) == Self.applyPatch
        try await authorize(asked, isApply ? .apply : .patch, kind.name, name)
        let (bytes, _) = try await Body.read(asked.request, accepted)
        if isApply { return try await serverSideApply(asked, kind, name, bytes) }
        let patch = try ObjectPatch(try Body.json(bytes), to: Reference(kind: kind.name, name: name))
        let isDryRun = try asked.query.isDryRun
        let manager = try asked.query.fieldManager
        let force = try asked.query.flag("force")
        let others = patch.touchesSpec ? try await objects.all() : []
        let change = try await objects.change(kind, name, dryRun: isDryRun) { stored in
            try merge(patch, into: stored, kind, manager: manager, force: force, beside: others)
        }
        return try Answer.object(change.resource)
    }

    private func merge(
        _ patch: ObjectPatch, into stored: any AnyResource, _ kind: AnyKind, manager: String?, force: Bool,
        beside others: [any AnyResource]
    ) throws -> Objects.Change {
        try patch.preconditions.check(stored)
        var merged = try stored.json().merged(with: patch.json)
        merged["status"] = nil
        let reading = kinds.read([(file: "patch", bytes: merged.encoded(pretty: true))])
        guard patch.touchesSpec else {
            // The stored spec is not the patcher's business: labels and annotations can always be changed.
            let problems = reading.problems.filter { $0.path.hasPrefix("metadata") }
            guard problems.isEmpty, let metadata = reading.drafts.first?.resource.metadata else { throw Refusal.invalid(problems) }
            let new = Admission.relabelling(of: stored, labels: metadata.labels, annotations: metadata.annotations)
            return new.map(Objects.Change.put) ?? .keep(stored)
        }
        guard reading.problems.isEmpty, let draft = reading.drafts.first else { throw Refusal.invalid(reading.problems) }
        let problems = hooks.check([draft], others)
        guard problems.isEmpty else { throw Refusal.invalid(problems) }
        let new = try Admission.replacement(of: stored, by: draft.resource, manager: manager, force: force)
        return new.map(Objects.Change.put) ?? .keep(stored)
    }

    /// Kubernetes' server-side apply of one object, with one manager per object.
    private func serverSideApply(_ asked: Asked, _ kind: AnyKind, _ name: String, _ bytes: [UInt8]) async throws -> Response {
        guard let manager = try asked.query.fieldManager else {
            throw Refusal.badRequest("an apply patch needs the query parameter fieldManager")
        }
        let options = ApplyOptions(dryRun: try asked.query.isDryRun, fieldManager: manager, force: try asked.query.flag("force"))
        let draft = try draft(bytes, kind, name: name)
        let result = try await objects.apply([draft], options: options) { stored in
            let problems = hooks.check([draft], stored)
            guard problems.isEmpty else { throw Refusal.invalid(problems) }
        } authorize: { _ in
            try await authorize(asked, .apply, kind.name, name)
        }
        let code = result.objects.first?.action == .created ? 201 : 200
        if let stored = try await objects.find(kind, name), !options.dryRun { return try Answer.object(stored, code: code) }
        return try await dryRunAnswer(draft, kind, name, options, code: code)
    }

    /// The object as it would be.
    private func dryRunAnswer(_ draft: Draft, _ kind: AnyKind, _ name: String, _ options: ApplyOptions, code: Int) async throws -> Response {
        guard let stored = try await objects.find(kind, name) else {
            let new = Admission.creation(
                of: draft.resource, manager: options.fieldManager, reconciledKinds: objects.reconciledKinds,
                uid: objects.newUID(), now: objects.now())
            return try Answer.object(new, code: code)
        }
        let new = try Admission.application(
            of: draft.resource, onto: stored, manager: options.fieldManager, force: options.force)
        return try Answer.object(new ?? stored, code: code)
    }
}
