import Chainfire
import Foundation
import GRPC
import Host
import NIOHTTP1
import Store

/// `/admin/cluster`: the members of this cluster, for people, tools and members to be.
///
/// - `GET /admin/cluster/members` lists them.
/// - `POST /admin/cluster/members` adds one, `DELETE …/members/ID` removes one, `POST …/members/ID/promote` makes a
///   learner a voter, `POST …/members/ID/replace` and `POST /admin/cluster/replace` put a new one in an old one's place.
/// - `POST /admin/cluster/transfer` hands leadership over.
/// - `POST /admin/cluster/join` is what a new member sends, with the join token.
///
/// Who may change something is `Access`'s business; everybody who reaches the port may read.
struct AdminPages: Sendable {
    static let path = "/admin/"

    let store: Chainfire
    let errands: Errands
    let access: Access

    func serve(_ request: HTTPRequest, _ reply: HTTPReply) {
        let parts = request.path.split(separator: "/").dropFirst().map(String.init)
        guard parts.first == "cluster" else { return reply.notFound() }
        switch (request.method, Array(parts.dropFirst())) {
        case (.GET, ["members"]): answer(reply) { AdminMessages.encode(try await members()) }
        case (.POST, ["join"]): join(request, reply)
        case (.POST, ["members"]): change(request, reply) { try await add(Self.decode(request)) }
        case (.POST, ["replace"]): change(request, reply) { try await replace(nil, Self.decode(request)) }
        case (.POST, ["transfer"]): change(request, reply) { try await transfer(Self.decode(request)) }
        case (.DELETE, let rest) where rest.count == 2 && rest[0] == "members":
            change(request, reply) {
                try await store.removeMember(Self.id(rest[1]))
                return AdminMessages.encode(try await members())
            }
        case (.POST, let rest) where rest.count == 3 && rest[0] == "members" && rest[2] == "promote":
            change(request, reply) {
                try await store.promoteMember(Self.id(rest[1]))
                return AdminMessages.encode(try await members())
            }
        case (.POST, let rest) where rest.count == 3 && rest[0] == "members" && rest[2] == "replace":
            change(request, reply) { try await replace(rest[1], Self.decode(request)) }
        case (_, ["members"]): reply.methodNotAllowed("GET, POST")
        case (_, ["join"]), (_, ["replace"]), (_, ["transfer"]): reply.methodNotAllowed("POST")
        default: reply.notFound()
        }
    }

    private func members() async throws -> [AdminMessages.Member] {
        let status = store.standing
        return try await store.members(linearizable: false).map { member in
            let isThis = member.record.id == status.memberID
            return AdminMessages.Member(
                id: AdminMessages.text(member.record.id), name: member.record.name, peerURLs: member.record.peerURLs,
                clientURLs: member.record.clientURLs, isLearner: member.record.isLearner, isHealthy: member.isHealthy,
                isLeader: member.isLeader, term: status.term, matchIndex: member.match,
                appliedIndex: isThis ? status.appliedIndex : nil, commitIndex: isThis ? status.commitIndex : nil)
        }
    }

    private func add(_ message: AdminMessages.Add) async throws -> [UInt8] {
        let promotes = message.promotes ?? (message.isLearner != true)
        let member = try await store.addMember(
            peerURLs: try Self.urls(message.peerURLs), isLearner: true, promotes: promotes,
            name: message.name ?? "")
        return try await ticket(for: member.record.id)
    }

    private func replace(_ path: String?, _ message: AdminMessages.Replace) async throws -> [UInt8] {
        guard let old = path ?? message.id else {
            throw GRPCStatus(.invalidArgument, #""id" is missing: which member is to be replaced?"#)
        }
        let member = try await store.replaceMember(
            Self.id(old), peerURLs: try Self.urls(message.peerURLs), name: message.name ?? "")
        return try await ticket(for: member.record.id)
    }

    private func transfer(_ message: AdminMessages.Transfer) async throws -> [UInt8] {
        try await store.transferLeadership(to: Self.id(message.id))
        return AdminMessages.encode(try await members())
    }

    /// The token alone decides here: a new member has nothing else yet. One that asks again before it began gets the
    /// same answer.
    private func join(_ request: HTTPRequest, _ reply: HTTPReply) {
        answer(reply) {
            let message: AdminMessages.Join = try Self.decode(request)
            guard access.joinToken != nil else {
                throw GRPCStatus(.permissionDenied, "this member was started without a join token: nobody can join through it")
            }
            guard access.knows(message.token), request.headers["origin"].isEmpty else {
                throw GRPCStatus(.permissionDenied, "the join token is not the one of this cluster")
            }
            guard !message.name.isEmpty else { throw GRPCStatus(.invalidArgument, #""name" is empty: every member has a name"#) }
            let urls = try Self.urls(message.peerURLs)
            return AdminMessages.encode(AdminMessages.Ticket(try await store.joinMember(name: message.name, peerURLs: urls)))
        }
    }

    private func ticket(for id: UInt64) async throws -> [UInt8] {
        AdminMessages.encode(AdminMessages.Ticket(try store.joinTicket(for: id)))
    }

    private func change(_ request: HTTPRequest, _ reply: HTTPReply, _ body: @escaping @Sendable () async throws -> [UInt8]) {
        guard access.allows(request) else { return Self.refuse(reply, .forbidden, Access.refusal) }
        answer(reply, body)
    }

    private func answer(_ reply: HTTPReply, _ body: @escaping @Sendable () async throws -> [UInt8]) {
        let begun = errands.run {
            do {
                reply.send(.ok, contentType: "application/json", body: try await body())
            } catch {
                let status = GRPCStatus(error)
                var text = status.message
                if case .precondition(_, let detail)? = error as? StoreError, !detail.isEmpty { text += ": \(detail)" }
                Self.refuse(reply, Gateway.httpStatus(status.code), text)
            }
        }
        if begun == nil { Self.refuse(reply, .serviceUnavailable, GRPCStatus.stopped.message) }
    }

    private static func refuse(_ reply: HTTPReply, _ status: HTTPResponseStatus, _ text: String) {
        reply.send(status, contentType: "application/json", body: AdminMessages.encode(AdminMessages.Problem(error: text)))
    }

    private static func decode<Message: Decodable>(_ request: HTTPRequest) throws -> Message {
        do {
            return try JSONDecoder().decode(Message.self, fromOutside: request.body)
        } catch DecodingError.keyNotFound(let key, _) {
            throw GRPCStatus(.invalidArgument, #""\#(key.stringValue)" is missing"#)
        } catch DecodingError.typeMismatch(_, let context) {
            let field = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw GRPCStatus(.invalidArgument, #""\#(field)": \#(context.debugDescription)"#)
        } catch {
            throw GRPCStatus(.invalidArgument, "the body is no JSON object")
        }
    }

    private static func id(_ text: String) throws(GRPCStatus) -> UInt64 {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
        guard let id = UInt64(digits, radix: 16) else {
            throw GRPCStatus(.invalidArgument, "\(text) is no member id: it is hexadecimal, as GET /admin/cluster/members tells")
        }
        return id
    }

    private static func urls(_ urls: [String]) throws(GRPCStatus) -> [String] {
        guard let sorted = MemberURLs.sorted(urls) else {
            throw GRPCStatus(.invalidArgument, "peer_urls \(urls) must be one or more of http(s)://HOST:PORT")
        }
        return sorted
    }
}
