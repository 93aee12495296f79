import ArgumentParser
import Foundation
import Host
import Manifest
import Probe

struct FirstBootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "first-boot",
        abstract: "On a node: brings a service into its cluster, once.",
        discussion: """
            Runs on each node as a systemd oneshot after the service's own unit (chainfire-cluster-join.service), and waits \
            until the service has come into its cluster. With `bootstrap: true` that is when all of initial_peers are \
            members and one leads; with `bootstrap: false` when the member, which joins through leader_url by itself, was \
            promoted from a learner to a voter. Each step is a line on standard error and stands in the state directory, \
            where the daemon reads it: `plasma describe service/chainfire` shows it.

            When it is over, a marker is left (.chainfire-initialized, .chainfire-joined), and another run only looks.

            EXAMPLES
              plasma first-boot chainfire
              plasma first-boot chainfire --config ./cluster-config.json --state-dir ./state --timeout 1m

            EXIT CODES
              0  it is in its cluster    1  it is not: the last line says why
            """)

    @Argument(help: "chainfire. flaredb and iam are not there yet in this version.")
    var service: String
    @Option(help: ArgumentHelp("The file that the service was started with.", valueName: "file"), completion: .file(extensions: ["json", "yaml"]))
    var config = "/etc/nixos/secrets/cluster-config.json"
    @Option(
        name: .customLong("state-dir"), help: ArgumentHelp("Where the state and the markers are kept.", valueName: "directory"),
        completion: .directory)
    var stateDirectory = FirstBootState.directory
    @Option(
        name: .customLong("health-url"),
        help: ArgumentHelp(
            "Where the member's health is asked for. Default: /health at the file's listen_metrics, or at advertise_client.", valueName: "url"))
    var healthURL: String?
    @Option(help: ArgumentHelp("How long to wait: 10m, 1h; 0 for ever.", valueName: "time"))
    var timeout = Timeout(.seconds(600))

    func run() async throws {
        switch service {
        case "chainfire": break
        case "flaredb", "iam": throw Failure("first-boot \(service): not there yet in this version; only chainfire is")
        default: throw Failure("first-boot: there is no service \"\(service)\"; there is chainfire")
        }
        let folder = FirstBootFolder(path: absolute(stateDirectory))
        let run: FirstBootRun
        do {
            run = try prepare(folder)
        } catch {
            try? noteRefusal(error, folder)
            throw error
        }
        try await run.run()
    }

    private func prepare(_ folder: FirstBootFolder) throws -> FirstBootRun {
        // It is the same file by the same reader; the member's data is no business of this verb.
        let member = try MemberConfiguration.load(config, flags: try MemberFlags.parse(["--data-dir", "/var/lib/chainfire"]))
        let way: FirstBoot.Way
        switch member.beginning {
        case .alone: way = .bootstrap(founders: [member.name])
        case .bootstrap(let founders): way = .bootstrap(founders: founders.map(\.name))
        case .join(let url, _): way = .join(through: url.text(isSecure: member.clientTLS != nil))
        }
        let look = try MemberLook(member, healthURL: healthURL)
        return FirstBootRun(
            boot: FirstBoot(name: member.name, way: way), folder: folder, timeout: timeout.duration, time: SystemTime(), look: look.look,
            tell: { Output.complain($0) })
    }

    /// Whoever looks from afar sees it too.
    private func noteRefusal(_ error: any Error, _ folder: FirstBootFolder) throws {
        try folder.prepare()
        try folder.write(FirstBootState(
            service: service, state: .failed, step: "reading \(config)", message: Complaint.text(error) ?? "\(error)", attempt: 1,
            updatedAt: Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
        ).following(folder.state(of: service)?.steps ?? []))
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path }
}

/// Looks at the member of this machine.
struct MemberLook: Sendable {
    private static let limit = Duration.seconds(5)

    var health: MemberURL
    var client: MemberURL
    var trust: ProbeTrust?

    /// - Throws: `Failure` naming what cannot be read.
    init(_ member: MemberConfiguration, healthURL: String?) throws {
        guard let advertised = member.advertiseClient.first, let url = try? MemberURL(scalar: advertised) else {
            throw Failure("the member has no advertise_client to ask at")
        }
        client = url
        if let healthURL {
            let plain = healthURL.hasSuffix("/health") ? String(healthURL.dropLast("/health".count)) : healthURL
            do throws(ScalarProblem) { health = try MemberURL(scalar: plain) } catch {
                throw Failure("--health-url: \"\(healthURL)\" \(error.rest)")
            }
        } else if let metrics = member.listenMetrics {
            health = MemberURL(host: metrics.isWildcard ? "127.0.0.1" : metrics.host, port: metrics.port, isSecure: false)
        } else {
            health = url
        }
        if let tls = member.clientTLS {
            func text(_ path: String) throws -> String {
                guard let data = FileManager.default.contents(atPath: path) else { throw Failure("\(path) cannot be read") }
                return String(decoding: data, as: UTF8.self)
            }
            trust = ProbeTrust(authorities: try text(tls.ca ?? tls.certificate), certificate: try text(tls.certificate), key: try text(tls.key))
        }
    }

    @Sendable func look() async -> FirstBoot.Sight {
        let health = await askHealth()
        if case .unreachable = health { return FirstBoot.Sight(health: health, members: nil) }
        do throws(ProbeFailure) {
            let view = try await MembersPage.ask(ProbeAddress(host: client.host, port: client.port), trust: trust, within: Self.limit, now: Date())
            return FirstBoot.Sight(health: health, members: .success(view))
        } catch {
            return FirstBoot.Sight(health: health, members: .failure(error))
        }
    }

    private func askHealth() async -> FirstBoot.Health {
        let address = ProbeAddress(host: health.host, port: health.port)
        do throws(ProbeFailure) {
            let answer = try await HTTPProbe.get("/health", at: address, trust: health.isSecure == true ? trust : nil, within: Self.limit, now: Date())
            if (200..<300).contains(answer.status) { return .well }
            let document = try? JSON(parsing: answer.body)
            return .unwell(document?["reason"]?.string ?? "HTTP \(answer.status)")
        } catch {
            return .unreachable("\(address): \(error)")
        }
    }
}
