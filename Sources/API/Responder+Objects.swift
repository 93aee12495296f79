import Hummingbird
import Manifest
import Resource
import Store

extension Responder {
    func get(_ asked: Asked, _ kind: AnyKind, _ name: String) async throws -> Response {
        try asked.query.allow("resourceVersion")
        try await authorize(asked, .get, kind.name, name)
        guard let entry = try await objects.store.get(Key(Registry.key(kind, name))) else {
            throw Refusal.notFound(Reference(kind: kind.name, name: name))
        }
        return Answer.json(StoredRecord.served(entry.value, at: entry.modRevision))
    }

    func event(_ asked: Asked, _ name: String) async throws -> Response {
        try asked.query.allow("resourceVersion")
        try await authorize(asked, .get, "Event", name)
        guard let entry = try await objects.store.get(Key(Registry.events + name)) else {
            throw Refusal.notFound(Reference(kind: "Event", name: name))
        }
        return Answer.json(StoredRecord.served(entry.value, at: entry.modRevision))
    }

    func create(_ asked: Asked, _ kind: AnyKind) async throws -> Response {
        try asked.query.allow("dryRun", "fieldManager")
        try await authorize(asked, .create, kind.name)
        let isDryRun = try asked.query.isDryRun
        let manager = try asked.query.fieldManager
        let (wish, _) = try await wish(asked.request, kind, name: nil)
        try await authorize(asked, .create, kind.name, wish.resource.name)
        try await check([wish])
        let new = try await objects.create(kind, wish.resource, manager: manager, dryRun: isDryRun)
        return try Answer.object(new, code: 201)
    }

    func replace(_ asked: Asked, _ kind: AnyKind, _ name: String) async throws -> Response {
        try asked.query.allow("dryRun", "fieldManager", "force")
        try await authorize(asked, .update, kind.name, name)
        let isDryRun = try asked.query.isDryRun
        let manager = try asked.query.fieldManager
        let force = try asked.query.flag("force")
        let (wish, json) = try await wish(asked.request, kind, name: name)
        try await check([wish])
        let metadata = json["metadata"]
        let preconditions = Admission.Preconditions(
            uid: metadata?["uid"]?.string, resourceVersion: metadata?["resourceVersion"]?.string)
        let change = try await objects.change(kind, name, dryRun: isDryRun) { stored in
            try preconditions.check(stored)
            let new = try Admission.replacement(of: stored, by: wish.resource, manager: manager, force: force)
            return new.map(Objects.Change.put) ?? .keep(stored)
        }
        return try Answer.object(change.resource)
    }

    func delete(_ asked: Asked, _ kind: AnyKind, _ name: String) async throws -> Response {
        try asked.query.allow("dryRun", "propagationPolicy", "gracePeriodSeconds")
        try await authorize(asked, .delete, kind.name, name)
        let options = try await deleteOptions(asked)
        try await refuseWanted(kind, name)
        let now = objects.now()
        let change = try await objects.change(kind, name, dryRun: options.isDryRun) { stored in
            switch try Admission.deletion(of: stored, options.preconditions, now: now) {
            case .remove: .remove(stored)
            case .mark(let new): .put(new)
            case .isLeavingAlready: .keep(stored)
            }
        }
        guard case .remove(let gone) = change else { return try Answer.object(change.resource) }
        return try Answer.json(
            Status(status: "Success", code: 200, details: Status.Details(name: gone.name, kind: gone.reference.kind)))
    }

    /// What somebody else's plan makes is wanted again as soon as it leaves, and the two would wait for each other.
    private func refuseWanted(_ kind: AnyKind, _ name: String) async throws {
        guard let stored = try await objects.find(kind, name), !stored.metadata.isLeaving, let owner = stored.metadata.owner,
            let ownerKind = kinds[owner.kind], let alive = try await objects.find(ownerKind, owner.name), alive.metadata.uid == owner.uid,
            !alive.metadata.isLeaving
        else { return }
        throw Refusal.conflict(
            stored.reference,
            "\(stored.reference) belongs to \(owner.reference), which would want it again; take it out of the spec of \(owner.reference), or delete that")
    }

    /// From the query and from a Kubernetes DeleteOptions body.
    private func deleteOptions(_ asked: Asked) async throws -> (preconditions: Admission.Preconditions, isDryRun: Bool) {
        var preconditions = Admission.Preconditions()
        var isDryRun = try asked.query.isDryRun
        var propagation = asked.query["propagationPolicy"]
        let (bytes, _) = try await Body.read(asked.request, ["application/json"])
        if !bytes.isEmpty {
            let options = try Body.json(bytes)
            preconditions.uid = options.at("preconditions.uid")?.string
            preconditions.resourceVersion = options.at("preconditions.resourceVersion")?.string
            propagation = options["propagationPolicy"]?.string ?? propagation
            if let dryRun = options["dryRun"]?.array, !dryRun.isEmpty {
                guard dryRun == ["All"] else { throw Refusal.badRequest("dryRun in the body is not [\"All\"]") }
                isDryRun = true
            }
        }
        switch propagation {
        case nil, "Foreground", "Background": break
        case "Orphan": throw Refusal.badRequest("propagationPolicy Orphan is not possible: children always leave with their owner")
        case let other?: throw Refusal.badRequest("propagationPolicy \"\(other)\" is not known; children always leave first (Foreground)")
        }
        return (preconditions, isDryRun)
    }

    /// Reads one object of a kind from a body.
    private func wish(_ request: Request, _ kind: AnyKind, name: String?) async throws -> (draft: Draft, json: JSON) {
        let (bytes, type) = try await Body.read(request, ["application/json", "application/yaml"])
        let json: JSON
        let draft: Draft
        if type == "application/json" {
            json = try Body.json(bytes)
            draft = try self.draft(json.encoded(pretty: true), kind, name: name)
        } else {
            draft = try self.draft(bytes, kind, name: name)
            json = draft.document.json
        }
        return (draft, json)
    }

    /// Reads exactly one sound object of the kind.
    /// - Parameter name: as in the path; nil when the body alone names it.
    func draft(_ manifest: [UInt8], _ kind: AnyKind, name: String?) throws -> Draft {
        let reading = kinds.read([(file: "request", bytes: manifest)])
        guard reading.problems.isEmpty else { throw Refusal.invalid(reading.problems) }
        guard reading.drafts.count == 1 else {
            throw Refusal.badRequest("the body holds \(reading.drafts.count) objects; one is expected here. POST \(Paths.apply) takes many")
        }
        let draft = reading.drafts[0]
        guard draft.reference.kind == kind.name else {
            throw Refusal.badRequest("the body is a \(draft.reference.kind), but the path is that of \(kind.plural)")
        }
        if let name, draft.reference.name != name {
            throw Refusal.badRequest("the body names \(draft.reference), but the path names \(kind.name)/\(name)")
        }
        return draft
    }

    /// The rules that need the other objects.
    func check(_ drafts: [Draft]) async throws {
        let problems = hooks.check(drafts, try await objects.all())
        guard problems.isEmpty else { throw Refusal.invalid(problems) }
    }
}
