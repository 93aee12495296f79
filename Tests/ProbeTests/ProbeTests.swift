import Etcd
import Foundation
import GRPC
import Host
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Probe

private let loopback = "127.0.0.1"
private let logger: Logger = {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    return logger
}()
private let trust = ProbeTrust(authorities: TestCertificates.authority, certificate: TestCertificates.client, key: TestCertificates.clientKey)

/// Runs `body` beside a server for gRPC and HTTP on a free port of loopback.
private func withServer(
    certificate: String? = nil, key: String = "", asks: ServerTLS.ClientCertificates = .none, serving: Bool = true,
    http: @escaping HTTPHandler = { $1.notFound() }, _ body: (ProbeAddress) async throws -> Void
) async throws {
    let directory = NSTemporaryDirectory() + "probe-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var tls: ServerTLS?
    if let certificate {
        for (name, text) in [("ca", TestCertificates.authority), ("crt", certificate), ("key", key)] {
            try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
        }
        tls = ServerTLS(certificate: directory + "/crt", key: directory + "/key", clientCA: directory + "/ca", clientCertificates: asks)
    }
    var router = Router()
    router.unary("/grpc.health.v1.Health/Check") { (request: Grpc_Health_V1_HealthCheckRequest, call: ServerCall) in
        guard request.service.isEmpty else { return call.finish(GRPCStatus(.notFound, "unknown service")) }
        call.reply(Grpc_Health_V1_HealthCheckResponse.with { $0.status = serving ? .serving : .notServing })
    }
    let server = try PortServer(host: loopback, port: 0, tls: tls, router: router, http: http, logger: logger)
    let port = try await server.start()
    do {
        try await body(ProbeAddress(host: loopback, port: port))
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

/// Runs `body` beside a port that says `text` to whoever comes, and then nothing more.
private func withTalker(_ text: String, _ body: (ProbeAddress) async throws -> Void) async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { channel in
            if !text.isEmpty { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        .bind(host: loopback, port: 0).get()
    do {
        try await body(ProbeAddress(host: loopback, port: channel.localAddress?.port ?? 0))
    } catch {
        try? await channel.close()
        throw error
    }
    try await channel.close()
}

/// A port where nobody listens.
private func freePort() async throws -> ProbeAddress {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: loopback, port: 0).get()
    let port = channel.localAddress?.port ?? 0
    try await channel.close()
    return ProbeAddress(host: loopback, port: port)
}

private func failure(_ body: () async throws(ProbeFailure) -> Void) async -> ProbeFailure? {
    do throws(ProbeFailure) {
        try await body()
        return nil
    } catch {
        return error
    }
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct ProbeTests {
    private func get(_ path: String, _ address: ProbeAddress, _ trust: ProbeTrust? = nil, within: Duration = .seconds(10)) async throws(ProbeFailure) -> HTTPProbe.Answer {
        let answer = try await HTTPProbe.get(path, at: address, trust: trust, within: within, now: Date())
        try HTTPProbe.judge(answer)
        return answer
    }

    @Test func `an answer of 200 to 399 is well, another is told with its first line`() async throws {
        let handler: HTTPHandler = { request, reply in
            switch request.path {
            case "/well": reply.send(.ok, contentType: "text/plain", body: Array("fine".utf8))
            case "/large": reply.send(.ok, contentType: "text/plain", body: Array(repeating: 65, count: 1 << 20))
            default: reply.send(.serviceUnavailable, contentType: "application/json", body: Array("{\"health\":\"false\"}\nmore\n".utf8))
            }
        }
        try await withServer(http: handler) { address in
            #expect(try await get("/well", address).body == Array("fine".utf8))
            let bad = await failure { () async throws(ProbeFailure) in _ = try await get("/bad", address) }
            #expect(bad == ProbeFailure(.status, "HTTP 503: {\"health\":\"false\"}"))
            let large = try await get("/large", address)
            #expect(large.isTruncated && large.body.count == HTTPProbe.bytesMax)
        }
    }

    @Test func `nobody there, silence and garbage are told apart`() async throws {
        let nobody = try await freePort()
        #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", nobody) } == ProbeFailure(.refused, "connection refused"))
        #expect(await failure { () async throws(ProbeFailure) in try await TCPProbe.look(nobody, within: .seconds(5)) }?.category == .refused)
        try await withTalker("") { address in
            #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", address, within: .milliseconds(200)) } == ProbeFailure(.timeout, "timeout after 200 ms"))
            #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", address, trust, within: .milliseconds(200)) }?.category == .timeout)
            #expect(await failure { () async throws(ProbeFailure) in try await TCPProbe.look(address, within: .seconds(5)) } == nil)
            let grpc = await failure { () async throws(ProbeFailure) in try await GRPCProbe.look(address, service: "", trust: nil, within: .milliseconds(300)) }
            #expect(grpc != nil)
        }
        try await withTalker("220 mail.example.org ESMTP\r\n") { address in
            #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", address) }?.category == .protocolError)
            #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", address, trust) }?.category == .certificate)
        }
        let unknown = ProbeAddress(host: "nobody.invalid", port: 1)
        #expect(await failure { () async throws(ProbeFailure) in try await TCPProbe.look(unknown, within: .seconds(5)) }?.category == .unreachable)
    }

    @Test func `https shows the leaf that is served, and says what is wrong with a certificate`() async throws {
        let handler: HTTPHandler = { $1.send(.ok, contentType: "text/plain", body: Array(($0.peer.commonName ?? "nobody").utf8)) }
        try await withServer(certificate: TestCertificates.server, key: TestCertificates.serverKey, asks: .optional, http: handler) { address in
            let answer = try await get("/", address, trust)
            #expect(answer.served?.der == (try ServedCertificate(pem: TestCertificates.server)).der)
            #expect(answer.served?.serial == "58ebe32b36bc0b5a27c18d3b6f4adb16a4e875e8")
            #expect(answer.body == Array("client".utf8))
            #expect(try await Dial.present(address, within: .seconds(10)) == answer.served)
            let other = await failure { () async throws(ProbeFailure) in _ = try await get("/", address, ProbeTrust(authorities: TestCertificates.otherAuthority)) }
            #expect(other == ProbeFailure(.certificate, "TLS: its certificate has expired or does not lead to our CA"))
        }
        try await withServer(certificate: TestCertificates.expired, key: TestCertificates.expiredKey, http: handler) { address in
            let expired = await failure { () async throws(ProbeFailure) in _ = try await get("/", address, trust) }
            #expect(expired?.text.hasPrefix("certificate expired ") == true && expired?.text.hasSuffix(" d ago") == true, "\(expired?.text ?? "")")
        }
        try await withServer(certificate: TestCertificates.elsewhere, key: TestCertificates.elsewhereKey, http: handler) { address in
            #expect(await failure { () async throws(ProbeFailure) in _ = try await get("/", address, trust) }?.category == .certificate)
        }
        try await withServer(certificate: TestCertificates.server, key: TestCertificates.serverKey, asks: .required, http: handler) { address in
            let missing = await failure { () async throws(ProbeFailure) in _ = try await get("/", address, ProbeTrust(authorities: TestCertificates.authority)) }
            #expect(missing?.text == "TLS: it wants a certificate of ours", "\(missing?.text ?? "")")
            _ = try await get("/", address, trust)
        }
    }

    @Test func `gRPC's health service is believed, over TLS too`() async throws {
        func look(_ address: ProbeAddress, _ service: String = "", _ trust: ProbeTrust? = nil) async -> ProbeFailure? {
            await failure { () async throws(ProbeFailure) in try await GRPCProbe.look(address, service: service, trust: trust, within: .seconds(10)) }
        }
        try await withServer { address in
            #expect(await look(address) == nil)
            #expect(await look(address, "web") == ProbeFailure(.status, "it knows no service \"web\""))
        }
        try await withServer(serving: false) { #expect(await look($0) == ProbeFailure(.status, "not SERVING: NOT_SERVING")) }
        try await withServer(certificate: TestCertificates.server, key: TestCertificates.serverKey, asks: .required) { address in
            #expect(await look(address, "", trust) == nil)
            #expect(await look(address, "", ProbeTrust(authorities: TestCertificates.otherAuthority))?.category == .certificate)
        }
        #expect(await look(try await freePort())?.category == .refused)
    }

    private struct Shell: RemoteShell {
        var answers: [String: RemoteAnswer]
        func run(_ command: [String], on node: String, at address: SSHTarget, within limit: Duration) async throws -> RemoteAnswer {
            guard let answer = answers[command.joined(separator: " ")] else { throw ProbeFailure(.unreachable, "no such node") }
            return answer
        }
    }

    @Test func `a command on a node must end with 0`() async throws {
        let shell = Shell(answers: [
            "true": RemoteAnswer(exitCode: 0, output: Array("ok".utf8)), "false": RemoteAnswer(exitCode: 3, errorText: "first\nunit is inactive\n"),
        ])
        func look(_ command: String, _ shell: Shell?) async -> ProbeFailure? {
            await failure { () async throws(ProbeFailure) in _ = try await ExecProbe.look([command], on: "n1", at: SSHTarget(address: loopback), through: shell, within: .seconds(1)) }
        }
        #expect(await look("true", shell) == nil)
        #expect(await look("false", shell) == ProbeFailure(.exit, "exit code 3: unit is inactive"))
        #expect(await look("none", shell) == ProbeFailure(.unreachable, "ssh: no such node"))
        #expect(await look("true", nil)?.category == .impossible)
    }

    @Test func `certificates say how long they have been expired`() throws {
        let expired = try ServedCertificate(pem: TestCertificates.expired)
        #expect(expired.problem(at: expired.notAfter.addingTimeInterval(3 * 86400)) == "certificate expired 3 d ago")
        #expect(expired.problem(at: expired.notAfter.addingTimeInterval(90)) == "certificate expired 90 s ago")
        #expect(expired.problem(at: expired.notBefore.addingTimeInterval(-7200)) == "certificate is valid only in 2 h")
        #expect(expired.problem(at: expired.notBefore.addingTimeInterval(1)) == nil)
    }

    @Test func `the prober judges in the background, and wakes only when its judgement changes`() async throws {
        let page = #"[{"client_urls":[],"healthy":true,"id":"a1","leader":true,"learner":false,"name":"n1","peer_urls":[],"term":7}]"#
        let state = FirstBootState(service: "web", state: .running, step: "joining", message: "waiting", attempt: 2, updatedAt: Date(timeIntervalSince1970: 0))
        let shell = Shell(answers: ["cat /var/lib/first-boot-automation/web.json": RemoteAnswer(exitCode: 0, output: try state.encoded())])
        let handler = Handler(health: Flag(), page: page)
        try await withServer(certificate: TestCertificates.server, key: TestCertificates.serverKey, asks: .optional, http: handler.serve) { address in
            let prober = Prober(time: SystemTime(), shell: shell)
            let running = Task { try await prober.run() }
            var wakes = prober.wakes().makeAsyncIterator()
            var count = 0
            prober.assign("web", [
                ProbeJob(node: "n1", .http(address, path: "/health", trust: trust), every: .milliseconds(10), within: .seconds(5), failures: 2),
                ProbeJob(node: "n1", .certificate(address), every: .milliseconds(10), within: .seconds(5)),
                ProbeJob(node: "n1", .firstBoot(service: "web", at: SSHTarget(address: loopback)), every: .milliseconds(10), within: .seconds(5)),
                ProbeJob(node: "", .members([.init(node: "n1", address: address)], wanted: ["n1", "n2"], trust: trust), every: .milliseconds(10), within: .seconds(5)),
            ])
            while prober.findings(of: "web").health["n1"]?.standing != .healthy || prober.findings(of: "web").members == nil
                || prober.findings(of: "web").served["n1"] == nil || prober.findings(of: "web").firstBoot["n1"] == nil
            {
                #expect(await wakes.next() == "web")
                count += 1
            }
            let found = prober.findings(of: "web")
            #expect(found.members?.finding?.problems == ["not members: n2"])
            #expect(found.firstBoot["n1"]?.summary == "joining: waiting (attempt 2)")
            #expect(found.served["n1"]?.serial == "58ebe32b36bc0b5a27c18d3b6f4adb16a4e875e8")
            // Many more probes, and nothing new.
            let before = handler.health.asked
            while handler.health.asked < before + 20 { await Task.yield() }
            #expect(prober.findings(of: "web") == found)
            handler.health.isWell = false
            // Several changes may have come before anybody looked: their wakes come now.
            while prober.findings(of: "web").health["n1"]?.reason != "HTTP 503: down" {
                #expect(await wakes.next() == "web")
                count += 1
            }
            // One for each of the four questions, and one for the health that changed.
            #expect(count <= 5)
            // Who is no longer asked is forgotten.
            prober.assign("web", [])
            #expect(prober.findings(of: "web") == ProbeFindings())
            running.cancel()
            _ = try? await running.value
        }
    }

    @Test func `a change of members carries the token, and a refusal comes with its words`() async throws {
        let asked = Mutex<[String]>([])
        try await withServer(certificate: TestCertificates.server, key: TestCertificates.serverKey, asks: .optional, http: { request, reply in
            asked.withLock {
                $0.append("\(request.method.rawValue) \(request.path) \(request.headers["authorization"].first ?? "-") \(String(decoding: request.body, as: UTF8.self))")
            }
            if request.path.hasSuffix("/b2") {
                reply.send(.preconditionFailed, contentType: "application/json", body: Array(#"{"error":"not now: 3 voters, 2 healthy"}"#.utf8))
            } else {
                reply.send(.ok, contentType: "application/json", body: Array("[]".utf8))
            }
        }) { address in
            func change(_ change: MemberChange) async throws {
                try await MembersPage.change(change, at: address, trust: trust, token: "secret", within: .seconds(5), now: Date())
            }
            try await change(.remove(id: "a1", name: "n1"))
            try await change(.transfer(id: "a1", name: "n1"))
            try await change(.replace(id: "a1", name: "n1", peerURLs: ["https://10.0.0.1:2380"]))
            await #expect(throws: ProbeFailure(.status, "not now: 3 voters, 2 healthy")) { try await change(.remove(id: "b2", name: "n2")) }
        }
        let lines = asked.withLock { $0 }
        #expect(lines.count == 4 && lines[0] == "DELETE /admin/cluster/members/a1 Bearer secret ")
        #expect(lines[1] == #"POST /admin/cluster/transfer Bearer secret {"id":"a1"}"#)
        let replaced = try #require(lines[2].split(separator: " ", maxSplits: 4).last)
        #expect(lines[2].hasPrefix("POST /admin/cluster/replace Bearer secret ") && replaced.contains(#""id":"a1""#) && replaced.contains(#""peer_urls":["#))
    }

    private final class Flag: Sendable {
        private let state = Mutex((isWell: true, asked: 0))
        var isWell: Bool {
            get { state.withLock { $0.isWell } }
            set { state.withLock { $0.isWell = newValue } }
        }
        var asked: Int { state.withLock { $0.asked } }
        func ask() -> Bool {
            state.withLock { state in
                state.asked += 1
                return state.isWell
            }
        }
    }

    private struct Handler: Sendable {
        var health: Flag
        var page: String

        @Sendable func serve(_ request: HTTPRequest, _ reply: HTTPReply) {
            if request.path == MembersPage.path { return reply.send(.ok, contentType: "application/json", body: Array(page.utf8)) }
            if health.ask() { reply.send(.ok, contentType: "text/plain", body: []) } else { reply.send(.serviceUnavailable, contentType: "text/plain", body: Array("down\n".utf8)) }
        }
    }
}
