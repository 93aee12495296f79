import Foundation
import Manifest

/// Kubernetes' Status object: the body of every answer that is not what was asked for.
struct Status: Hashable, Sendable, Codable {
    struct Cause: Hashable, Sendable, Codable {
        var reason: String
        var message: String
        /// The path within the object.
        var field: String
        /// Ours: where the manifest says so.
        var file: String?
        var mark: Mark?
        var object: String?
    }

    struct Details: Hashable, Sendable, Codable {
        var name: String?
        var kind: String?
        var causes: [Cause]?
    }

    struct ListMeta: Hashable, Sendable, Codable {}

    var kind = "Status"
    var apiVersion = "v1"
    var metadata = ListMeta()
    /// "Success" or "Failure"
    var status: String
    var reason: String?
    var message: String?
    var code: Int
    var details: Details?

    init(status: String, reason: String? = nil, message: String? = nil, code: Int, details: Details? = nil) {
        self.status = status
        self.reason = reason
        self.message = message
        self.code = code
        self.details = details
    }

    var problems: [Problem] {
        (details?.causes ?? []).map {
            Problem(
                file: $0.file ?? "", mark: $0.mark ?? Mark(line: 1, column: 1), object: $0.object ?? "", path: $0.field,
                message: $0.message)
        }
    }
}

extension Status.Cause {
    init(_ problem: Problem) {
        self.init(
            reason: "FieldValueInvalid", message: problem.message, field: problem.path, file: problem.file,
            mark: problem.mark, object: problem.object)
    }
}
