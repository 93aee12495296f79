import Foundation
import Hummingbird
import Logging
import Manifest
import Metrics
import NIOCore
import Resource
import Store

/// What is known of a connection's request beside the request itself.
struct RequestSource: InitializableFromSource {
    init(source: ApplicationRequestContextSource) {}
}

/// Answers requests. One for each door: the socket's peers are the administrator, those of HTTPS show tokens.
struct Responder: HTTPResponder {
    enum Door: Sendable {
        case socket
        case https(TokenCheck)
    }

    var door: Door
    var objects: Objects
    var hooks: Hooks
    var logger: Logger
    /// How often an idle watch tells that it is alive.
    var bookmarkInterval: Duration

    var kinds: KindTable { objects.kinds }

    func respond(to request: Request, context: RequestSource) async throws -> Response {
        let start = ContinuousClock.now
        var response: Response
        do {
            response = try await answer(request)
        } catch let error as CancellationError {
            throw error
        } catch {
            let refusal = Refusal(any: error)
            if refusal.code >= 500 { logger.warning("\(request.method) \(request.uri.path): \(refusal.message)") }
            response = Answer.refusal(refusal)
        }
        let labels = [("method", request.method.rawValue), ("code", String(response.status.code))]
        Counter(label: "plasma_api_requests_total", dimensions: labels).increment()
        Metrics.Timer(label: "plasma_api_request_seconds", dimensions: [labels[0]]).recordNanoseconds((ContinuousClock.now - start).nanoseconds)
        return response
    }

    private func answer(_ request: Request) async throws -> Response {
        let path = request.uri.path
        let route = try Route(path, kinds)
        let query = try Query(request.uri.query)
        // Whoever watches over the process needs no name.
        switch route {
        case .health:
            try only(request, .get)
            return Answer.text("ok\n")
        case .readiness:
            try only(request, .get)
            let reasons = hooks.unreadiness()
            return reasons.isEmpty ? Answer.text("ok\n") : Answer.text(reasons.map { $0 + "\n" }.joined(), code: 503)
        case .version:
            try only(request, .get)
            return try Answer.json(hooks.version)
        default: break
        }
        let asked = Asked(identity: try identity(request), query: query, request: request)
        switch route {
        case .health, .readiness, .version: preconditionFailure("answered above")
        case .versions: return try await discovery(asked, Discovery.versions)
        case .groups: return try await discovery(asked, Discovery.groups)
        case .group: return try await discovery(asked, Discovery.apiGroup)
        case .resources: return try await discovery(asked, Discovery.resources(kinds))
        case .metrics:
            try only(request, .get)
            try await authorize(asked, .get)
            return Answer.text(hooks.metrics(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        case .collection(let kind):
            switch request.method {
            case .get: return try await list(asked, Collection(kind))
            case .post: return try await create(asked, kind)
            default: throw Refusal.methodNotAllowed(request.method.rawValue, path)
            }
        case .object(let kind, let name):
            switch request.method {
            case .get: return try await get(asked, kind, name)
            case .put: return try await replace(asked, kind, name)
            case .patch: return try await patch(asked, kind, name)
            case .delete: return try await delete(asked, kind, name)
            default: throw Refusal.methodNotAllowed(request.method.rawValue, path)
            }
        case .status(let kind, let name):
            try only(request, .get)
            return try await get(asked, kind, name)
        case .log(let kind, let name):
            try only(request, .get)
            return try await log(asked, kind, name)
        case .events:
            try only(request, .get)
            return try await list(asked, .events)
        case .event(let name):
            try only(request, .get)
            return try await event(asked, name)
        case .apply:
            try only(request, .post)
            return try await apply(asked)
        case .diff:
            try only(request, .post)
            return try await diff(asked)
        }
    }

    private func discovery(_ asked: Asked, _ json: JSON) async throws -> Response {
        try only(asked.request, .get)
        try await authorize(asked, .get)
        return Answer.json(json.encoded())
    }

    private func identity(_ request: Request) throws(Refusal) -> Identity {
        switch door {
        case .socket: .localAdministrator
        case .https(let check): try check.identity(request.headers[.authorization])
        }
    }

    func only(_ request: Request, _ method: HTTPRequest.Method) throws(Refusal) {
        guard request.method == method else { throw .methodNotAllowed(request.method.rawValue, request.uri.path) }
    }

    func authorize(_ asked: Asked, _ verb: AccessRequest.Verb, _ kind: String? = nil, _ name: String? = nil) async throws {
        let question = AccessRequest(verb: verb, kind: kind, name: name, identity: asked.identity)
        guard case .deny(let why) = await hooks.authorizer.decide(question) else { return }
        let what = [kind, name].compactMap(\.self).joined(separator: "/")
        let text = "\(asked.identity) may not \(verb.rawValue)\(what.isEmpty ? "" : " \(what)"): \(why)"
        throw asked.identity == .anonymous ? Refusal.unauthorized(text) : Refusal.forbidden(text)
    }
}

/// A request whose sender is known.
struct Asked: Sendable {
    var identity: Identity
    var query: Query
    var request: Request
}

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
