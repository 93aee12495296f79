/// Who asks.
package enum Identity: Hashable, Sendable, CustomStringConvertible {
    /// The peer of the local socket: the file's mode let it in.
    case localAdministrator
    /// Named by a bearer token.
    case bearer(String)
    case anonymous

    package var description: String {
        switch self {
        case .localAdministrator: "the local administrator"
        case .bearer(let name): "\"\(name)\""
        case .anonymous: "an anonymous caller"
        }
    }
}

/// One question to the authorizer.
package struct AccessRequest: Hashable, Sendable {
    package enum Verb: String, Hashable, Sendable, CaseIterable {
        case get, list, watch, create, update, patch, delete, apply, diff, log
    }

    package var verb: Verb
    /// "Node"; nil where the request is about no single kind.
    package var kind: String?
    package var name: String?
    package var identity: Identity
}

package enum AccessDecision: Hashable, Sendable {
    case allow
    /// The text is told to the caller.
    case deny(String)
}

/// Decides who may do what. `Commands` adapts the identity service to it.
package protocol Authorizer: Sendable {
    func decide(_ request: AccessRequest) async -> AccessDecision
}

/// Whoever is known may do everything.
package struct AllowIdentified: Authorizer {
    package init() {}

    package func decide(_ request: AccessRequest) async -> AccessDecision {
        request.identity == .anonymous ? .deny("give a bearer token") : .allow
    }
}

/// A token and the name it stands for.
package struct BearerToken: Hashable, Sendable {
    package var name: String
    package var token: String

    package init(name: String, token: String) {
        self.name = name
        self.token = token
    }
}

/// Finds who a request over HTTPS comes from.
struct TokenCheck: Sendable {
    var tokens: [BearerToken]

    /// - Parameter authorization: the header's value; nil when there is none.
    /// - Throws: 401 for a token that is not known: an unknown token is never taken for no token.
    func identity(_ authorization: String?) throws(Refusal) -> Identity {
        guard let authorization else { return .anonymous }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw .unauthorized("the Authorization header must read: Bearer <token>")
        }
        let given = Array(String(parts[1]).trimmed.utf8)
        // Every token is compared to its end, so that the time taken tells nothing of which one was near.
        var found: String? = nil
        for known in tokens where isEqualInConstantTime(given, Array(known.token.utf8)) { found = found ?? known.name }
        guard let found else { throw .unauthorized("the bearer token is not known to this server") }
        return .bearer(found)
    }
}

/// Takes time that depends on the length of `given` only. An empty secret equals nothing.
func isEqualInConstantTime(_ given: [UInt8], _ secret: [UInt8]) -> Bool {
    guard !secret.isEmpty else { return false }
    var difference: UInt8 = given.count == secret.count ? 0 : 1
    for (index, byte) in given.enumerated() { difference |= byte ^ secret[index % secret.count] }
    return difference == 0
}
