import Hummingbird
import Manifest
import Resource
import ServiceLifecycle

extension Responder {
    func apply(_ asked: Asked) async throws -> Response {
        try asked.query.allow("dryRun", "fieldManager", "force", "prune")
        // What a manifest is answered with tells of what is stored: a stranger is refused before it is read.
        try await authorize(asked, .apply)
        let options = ApplyOptions(
            dryRun: try asked.query.isDryRun, prune: try asked.query.flag("prune"),
            fieldManager: try asked.query.fieldManager ?? ApplyOptions().fieldManager, force: try asked.query.flag("force"))
        let body = try await manifestBody(asked.request)
        guard let files = body.files else { throw Refusal.badRequest("the body has no \"files\"") }
        let drafts = try read(files, body.workingDirectory)
        try refuseEmptyPrune(drafts, options)
        let result = try await objects.apply(drafts, options: options) { stored in
            let problems = hooks.check(drafts, stored)
            guard problems.isEmpty else { throw Refusal.invalid(problems) }
        } authorize: { plan in
            for step in plan.steps {
                try await authorize(asked, step.action == .pruned ? .delete : .apply, step.reference.kind, step.reference.name)
            }
        }
        return try Answer.json(result)
    }

    func diff(_ asked: Asked) async throws -> Response {
        try asked.query.allow("fieldManager", "prune")
        try await authorize(asked, .diff)
        let body = try await manifestBody(asked.request)
        let drafts = try body.files.map { try read($0, body.workingDirectory) }
        let selection = body.selection ?? DiffSelection()
        if let text = selection.selector {
            do { _ = try LabelSelector(text) } catch { throw Refusal.badRequest("\(error)") }
        }
        // Many nodes may be asked, and some not answer: a server that is to end does not wait for them.
        func diff(_ wish: Wish?) async throws -> Response {
            let report = try await cancelWhenGracefulShutdown { [hooks] in
                let report = try await hooks.diff(wish, selection)
                // What was looked at for a part only is no report.
                try Task.checkCancellation()
                return report
            }
            return try Answer.json(report)
        }
        guard let drafts else { return try await diff(nil) }
        let options = ApplyOptions(dryRun: true, prune: selection.prune, fieldManager: selection.fieldManager)
        try refuseEmptyPrune(drafts, options)
        try await check(drafts)
        return try await diff(try await objects.wish(drafts, options: options))
    }

    private func refuseEmptyPrune(_ drafts: [Draft], _ options: ApplyOptions) throws(Refusal) {
        guard options.prune, drafts.isEmpty else { return }
        throw .badRequest(
            "the manifest names no object: pruning would delete everything that \"\(options.fieldManager)\" applied. "
                + "Delete objects by name if that is what is wanted")
    }

    private func manifestBody(_ request: Request) async throws -> ManifestBody {
        let (bytes, _) = try await Body.read(request, ["application/json"])
        let json = try Body.json(bytes)
        do {
            return try Wire.decode(ManifestBody.self, from: json.encoded())
        } catch {
            throw Refusal.badRequest(#"the body must read {"files":[{"name":"lab.yaml","content":"…"}]}: "# + "\(error)")
        }
    }

    private func read(_ files: [ManifestBody.File], _ workingDirectory: String?) throws(Refusal) -> [Draft] {
        let reading = kinds.read(files.map { (file: $0.name, bytes: Array($0.content.utf8)) }, workingDirectory: workingDirectory)
        guard reading.problems.isEmpty else { throw .invalid(reading.problems) }
        return reading.drafts
    }
}
