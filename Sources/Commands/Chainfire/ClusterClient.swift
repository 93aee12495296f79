import Etcd
import GRPC

/// Calls members of a cluster for a person at a terminal: one call, one connection.
struct ClusterClient: Sendable {
    var endpoints: [MemberURL]
    var tls: ClientTLS?
    /// For the whole of one call at one member; nil is for ever.
    var timeout: Duration?

    static let notKnown = "it is not known whether that was carried out: look before you ask again"

    /// Whether the server says that it did nothing. Of all else (a stream that broke, an answer that cannot be read) nobody knows.
    static func isRefusal(_ error: GRPCStatus) -> Bool {
        switch error.code {
        case .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .resourceExhausted, .failedPrecondition, .outOfRange, .unimplemented,
            .unauthenticated:
            true
        default: false
        }
    }

    /// Asks the first member that can be reached.
    /// - Parameter repeats: asked again elsewhere even when the first may have carried it out already: for looks.
    /// - Throws: `Failure` naming every member and what it said.
    func ask<Request: Sendable, Response: Sendable>(
        _ call: Call<Request, Response>, _ request: Request, repeats: Bool = false
    ) async throws -> Response {
        var told: [String] = []
        for endpoint in endpoints {
            do throws(GRPCStatus) {
                return try await ask(endpoint, call, request)
            } catch {
                told.append("\(endpoint): \(error.message)")
                if error.isUnwritten { continue }
                let isUnknown = !Self.isRefusal(error)
                if repeats, error.code == .unavailable || error.code == .deadlineExceeded { continue }
                if isUnknown, !repeats { told.append(Self.notKnown) }
                break
            }
        }
        throw Failure(told.joined(separator: "\nplasma: "))
    }

    /// The same with the leader's endpoint first, where it is among them: it alone sees how all the others are, and
    /// hands leadership over.
    func leaderFirst() async -> ClusterClient {
        let answers = await askEach(Calls.status, Etcdserverpb_StatusRequest())
        let leader = answers.first { if case .success(let status) = $0.answer { status.leader == status.header.memberID } else { false } }
        guard let leader else { return self }
        var cluster = self
        cluster.endpoints = [leader.endpoint] + endpoints.filter { $0 != leader.endpoint }
        return cluster
    }

    /// Asks every member by itself.
    func askEach<Request: Sendable, Response: Sendable>(
        _ call: Call<Request, Response>, _ request: Request
    ) async -> [(endpoint: MemberURL, answer: Result<Response, GRPCStatus>)] {
        await withTaskGroup(of: (Int, Result<Response, GRPCStatus>).self) { group in
            for (index, endpoint) in endpoints.enumerated() {
                group.addTask { (index, await outcome(endpoint, call, request)) }
            }
            var answers: [(Int, Result<Response, GRPCStatus>)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.map { (endpoints[$0.0], $0.1) }
        }
    }

    /// By itself: written into the group's closure, an optimizing Swift 6.3 makes a failure of it that is no value.
    private func outcome<Request: Sendable, Response: Sendable>(
        _ endpoint: MemberURL, _ call: Call<Request, Response>, _ request: Request
    ) async -> Result<Response, GRPCStatus> {
        do throws(GRPCStatus) {
            return .success(try await ask(endpoint, call, request))
        } catch {
            return .failure(error)
        }
    }

    func ask<Request: Sendable, Response: Sendable>(
        _ endpoint: MemberURL, _ call: Call<Request, Response>, _ request: Request
    ) async throws(GRPCStatus) -> Response {
        let client = try await connect(endpoint)
        do throws(GRPCStatus) {
            let response = try await call.run(client, request, timeout)
            await client.close()
            return response
        } catch {
            await client.close()
            throw error
        }
    }

    /// - Throws: `.unavailable`, surely unsent.
    func connect(_ endpoint: MemberURL) async throws(GRPCStatus) -> GRPCClient {
        var options = GRPCClient.Options()
        if let timeout, timeout < options.connectWithin { options.connectWithin = timeout }
        return try await GRPCClient.connect(
            host: endpoint.host, port: endpoint.port, tls: endpoint.isSecure == true ? tls ?? ClientTLS() : nil, options: options)
    }

    /// The first member that can be connected to, and its place among the endpoints.
    func connect() async throws -> (client: GRPCClient, place: Int) {
        var told: [String] = []
        for (place, endpoint) in endpoints.enumerated() {
            do throws(GRPCStatus) { return (try await connect(endpoint), place) } catch { told.append("\(endpoint): \(error.message)") }
        }
        throw Failure(told.joined(separator: "\nplasma: "))
    }
}

/// A call of the v3 API: what goes in, what comes out, and how it is made.
struct Call<Request: Sendable, Response: Sendable>: Sendable {
    var run: @Sendable (GRPCClient, Request, Duration?) async throws(GRPCStatus) -> Response
}

/// Those of etcd's v3 API that the verbs use.
enum Calls {
    static let members = Call<Etcdserverpb_MemberListRequest, Etcdserverpb_MemberListResponse> {
        client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.Cluster/MemberList", request, within: within)
    }
    static let update = Call<Etcdserverpb_MemberUpdateRequest, Etcdserverpb_MemberUpdateResponse> {
        client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.Cluster/MemberUpdate", request, within: within)
    }
    static let status = Call<Etcdserverpb_StatusRequest, Etcdserverpb_StatusResponse> { client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.Maintenance/Status", request, within: within)
    }
    static let defragment = Call<Etcdserverpb_DefragmentRequest, Etcdserverpb_DefragmentResponse> {
        client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.Maintenance/Defragment", request, within: within)
    }
    static let range = Call<Etcdserverpb_RangeRequest, Etcdserverpb_RangeResponse> { client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.KV/Range", request, within: within)
    }
    static let put = Call<Etcdserverpb_PutRequest, Etcdserverpb_PutResponse> { client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.KV/Put", request, within: within)
    }
    static let delete = Call<Etcdserverpb_DeleteRangeRequest, Etcdserverpb_DeleteRangeResponse> {
        client, request, within async throws(GRPCStatus) in
        try await client.unary("/etcdserverpb.KV/DeleteRange", request, within: within)
    }
}
