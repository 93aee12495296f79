import Manifest
import Resource
import Store

/// Why a request is not done: Kubernetes' reasons and codes, and words for a person.
struct Refusal: Error, Hashable, Sendable {
    var code: Int
    /// Kubernetes' CamelCase reason: "NotFound", "Conflict", …
    var reason: String
    var message: String
    var object: Reference?
    var problems: [Problem] = []

    static func badRequest(_ message: String) -> Refusal { Refusal(code: 400, reason: "BadRequest", message: message) }
    static func unauthorized(_ message: String) -> Refusal { Refusal(code: 401, reason: "Unauthorized", message: message) }
    static func forbidden(_ message: String) -> Refusal { Refusal(code: 403, reason: "Forbidden", message: message) }
    static func notFound(_ object: Reference) -> Refusal {
        Refusal(code: 404, reason: "NotFound", message: "\(object) is not there", object: object)
    }
    static func noSuchPath(_ path: String) -> Refusal {
        Refusal(code: 404, reason: "NotFound", message: "the path \(path) is not served; GET \(Paths.base) lists what is")
    }
    static func methodNotAllowed(_ method: String, _ path: String) -> Refusal {
        Refusal(code: 405, reason: "MethodNotAllowed", message: "\(method) is not possible on \(path)")
    }
    static func alreadyExists(_ object: Reference) -> Refusal {
        Refusal(code: 409, reason: "AlreadyExists", message: "\(object) already exists", object: object)
    }
    static func conflict(_ object: Reference?, _ message: String) -> Refusal {
        Refusal(code: 409, reason: "Conflict", message: message, object: object)
    }
    static func expired(_ message: String) -> Refusal { Refusal(code: 410, reason: "Expired", message: message) }
    static func tooLarge(_ message: String) -> Refusal {
        Refusal(code: 413, reason: "RequestEntityTooLarge", message: message)
    }
    static func mediaType(_ message: String) -> Refusal {
        Refusal(code: 415, reason: "UnsupportedMediaType", message: message)
    }
    static func invalid(_ problems: [Problem]) -> Refusal {
        Refusal(
            code: 422, reason: "Invalid", message: problems.map(\.description).joined(separator: "\n"), problems: problems)
    }
    static func internalError(_ message: String) -> Refusal {
        Refusal(code: 500, reason: "InternalError", message: message)
    }

    init(code: Int, reason: String, message: String, object: Reference? = nil, problems: [Problem] = []) {
        self.code = code
        self.reason = reason
        self.message = message
        self.object = object
        self.problems = problems
    }

    init(_ error: StoreError) {
        switch error {
        case .compacted, .futureRevision: self = .expired("\(error); list again")
        case .invalid(let rule): self = .badRequest("the change does not fit into the store: \(rule)")
        case .missing(let what), .precondition(let what, _), .outOfRange(let what):
            self = .badRequest("the change does not fit into the store: \(what)")
        case .exhausted(let why): self.init(code: 429, reason: "TooManyRequests", message: "the store is busy: \(why)")
        case .noSpace: self.init(code: 507, reason: "InsufficientStorage", message: "the store has no space left: \(error)")
        case .unavailable(let why): self.init(code: 503, reason: "ServiceUnavailable", message: "the store cannot answer now: \(why)")
        }
    }

    /// What any error means to the one who asked.
    init(any error: any Error) {
        switch error {
        case let refusal as Refusal: self = refusal
        case let error as StoreError: self.init(error)
        default: self = .internalError("\(error)")
        }
    }

    var status: Status {
        let causes = problems.isEmpty ? nil : problems.map(Status.Cause.init)
        let details = object == nil && causes == nil ? nil : Status.Details(name: object?.name, kind: object?.kind, causes: causes)
        return Status(status: "Failure", reason: reason, message: message, code: code, details: details)
    }
}
