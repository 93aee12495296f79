import Chainfire
import Dispatch
import GRPC
import NIOHTTP1
import Store

/// What answers HTTP/1.1: etcd's gateway and small pages, and plasma's own.
struct HTTPFace: Sendable {
    let gateway: [String: any GatewayMethod]
    let health: Health
    let admin: AdminPages
    let keys: KeyPages
    let metrics: MetricsPage
    /// Whether those without a client certificate are `Guests`.
    var boundsGuests = false

    static let pages: Set<String> = ["/health", "/livez", "/readyz", "/version", "/metrics"]

    func serve(_ request: HTTPRequest, _ reply: HTTPReply) {
        // A browser says so when a page sends a request; no page has any business here.
        guard request.headers["origin"].isEmpty else { return reply.plain(.forbidden, "requests of web pages are refused\n") }
        if boundsGuests, !request.peer.isCertified, !Guests.mayAsk(request.path) { return Gateway.refuse(Guests.refusal, reply) }
        if let method = gateway[request.path] {
            guard request.method == .POST else { return reply.methodNotAllowed(nil) }
            return method.serve(request.body, reply)
        }
        if request.path.hasPrefix(KeyPages.path) { return keys.serve(request, reply) }
        if request.path.hasPrefix(AdminPages.path) { return admin.serve(request, reply) }
        if request.path.hasPrefix("/v3/") || request.path.hasPrefix("/v3beta/") {
            return reply.plain(.notFound, "Not Found\n")
        }
        servePage(request, reply)
    }

    /// The pages of the metrics port too.
    func servePage(_ request: HTTPRequest, _ reply: HTTPReply) {
        guard Self.pages.contains(request.path) else { return reply.notFound() }
        guard request.method == .GET || request.method == .HEAD else { return reply.methodNotAllowed("GET") }
        switch request.path {
        case "/health": serveHealth(request, reply)
        case "/livez": health.check(excluding: ["NOSPACE"], isSerializable: true) { reply.probe($0) }
        case "/readyz": health.check(excluding: ["NOSPACE"]) { reply.probe($0) }
        case "/version":
            reply.json(.ok, #"{"etcdserver":"\#(MaintenanceService.version)","etcdcluster":"\#(MaintenanceService.clusterVersion)"}"#)
        default:
            // The database is asked for its size, and may be busy.
            DispatchQueue.global(qos: .userInitiated).async { [metrics] in
                reply.send(.ok, contentType: MetricsPage.contentType, body: Array(metrics.text().utf8))
            }
        }
    }

    /// `?exclude=NOSPACE` leaves an alarm out, `?serializable=true` asks this member alone.
    private func serveHealth(_ request: HTTPRequest, _ reply: HTTPReply) {
        let query = Query(request.query)
        health.check(excluding: Set(query.all("exclude")), isSerializable: query["serializable"] == "true") { verdict in
            switch verdict {
            case .good: reply.json(.ok, #"{"health":"true"}"#)
            case .bad(let reason):
                reply.json(.serviceUnavailable, #"{"health":"false","reason":\#(JSONTexts.quoted(reason))}"#)
            }
        }
    }
}

extension HTTPReply {
    func json(_ status: HTTPResponseStatus, _ text: String) {
        send(status, contentType: "application/json", body: Array(text.utf8))
    }

    func plain(_ status: HTTPResponseStatus, _ text: String) {
        send(status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    func methodNotAllowed(_ allowed: String?) {
        send(
            .methodNotAllowed, contentType: "text/plain; charset=utf-8", body: Array("Method Not Allowed\n".utf8),
            headers: allowed.map { ["allow": $0] } ?? [:])
    }

    fileprivate func probe(_ verdict: Health.Verdict) {
        switch verdict {
        case .good: plain(.ok, "ok\n")
        case .bad(let reason): plain(.serviceUnavailable, reason + "\n")
        }
    }
}
