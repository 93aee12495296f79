import Foundation
import Host
import Manifest
import PKI
import Probe
import Reconcile
import Resource

/// Where issued certificates are found: the vault, in the daemon.
package protocol CertificateSource: Sendable {
    /// The roots to trust, PEM; nil: not made yet.
    func trust(ofAuthority name: String) async throws -> String?
    /// nil: not issued yet.
    func credentials(ofCertificate name: String) async throws -> (certificate: String, key: String)?
    /// Which the members of a Cluster share; nil: not made yet.
    func joinToken(ofCluster name: String) async throws -> String?
}

extension Vault: CertificateSource {
    package func credentials(ofCertificate name: String) async throws -> (certificate: String, key: String)? {
        try await identity(ofCertificate: name).map { ($0.certificatePEM, $0.keyPEM) }
    }

    package func joinToken(ofCluster name: String) async throws -> String? {
        try await get(Installation.tokenName(ofCluster: name)).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Service {
    /// Tells the prober what to ask, and tells what it found: looking never waits for a node.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let prober: Prober
        private let certificates: (any CertificateSource)?
        private let assigns: Bool
        private let time: any Time

        /// - Parameter assigns: false for a diff: it looks at what is asked already and begins nothing. What was not answered yet could not be looked at.
        package init(prober: Prober, certificates: (any CertificateSource)?, assigns: Bool, time: any Time) {
            self.prober = prober
            self.certificates = certificates
            self.assigns = assigns
            self.time = time
        }

        package func observe(_ goal: Goal<Service>, _ reader: Reader) async throws -> Sight {
            guard case .present(let service) = goal else {
                if assigns { prober.assign(goal.resource.name, []) }
                return Sight()
            }
            let (jobs, issued) = try await ServiceJobs(certificates, prober.canRunCommands).jobs(of: service, reader)
            if assigns { prober.assign(service.name, jobs) }
            let found = prober.findings(of: service.name)
            if !assigns, let what = found.unanswered(jobs, service.status?.detail) { throw ProbeFailure(.impossible, "\(what) not answered yet") }
            let nodes = Set(jobs.map(\.node))
            var sight = Sight()
            // What was found on a node that is no longer asked is yesterday's news.
            sight.health = found.health.filter { nodes.contains($0.key) }
            sight.firstBoot = found.firstBoot.filter { nodes.contains($0.key) }
            if jobs.contains(where: { $0.node.isEmpty }) { sight.members = found.members }
            for (node, served) in found.served where nodes.contains(node) {
                guard let own = issued[node] else { continue }
                sight.served[node] = .init(
                    serial: served.serial, notAfter: served.notAfter, issued: own.serial, isIssued: served.der == own.der,
                    isExpired: served.notAfter <= time.date())
            }
            return sight
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .change(let change, let access, let service):
                guard let token = try await certificates?.joinToken(ofCluster: access.cluster) else {
                    throw ProbeFailure(.impossible, "could not \(change): Cluster/\(access.cluster) has no join token yet")
                }
                var trust: ProbeTrust?
                if let authority = access.authority {
                    guard let roots = try await certificates?.trust(ofAuthority: authority) else {
                        throw ProbeFailure(.impossible, "could not \(change): CertificateAuthority/\(authority) was not issued yet")
                    }
                    trust = ProbeTrust(authorities: roots)
                    if let name = access.certificate, let own = try await certificates?.credentials(ofCertificate: name) {
                        trust = ProbeTrust(authorities: roots, certificate: own.certificate, key: own.key)
                    }
                }
                // Whatever comes of it, what was seen before is no longer what is.
                defer { prober.renewMembers(of: service) }
                do throws(ProbeFailure) {
                    try await MembersPage.change(change, at: access.address, trust: trust, token: token, within: Self.changeLimit, now: Date())
                } catch {
                    throw ProbeFailure(error.category, "could not \(change): \(access.address) says: \(error)")
                }
            }
        }

        /// Longer than an election.
        private static let changeLimit = Duration.seconds(15)

        /// Names of Services whose judged health changed.
        package func wakes() -> AsyncStream<String> { prober.wakes() }
    }
}

extension ProbeFindings {
    /// Of a server that has just started nothing is known, and what was known before is told meanwhile: where it was well, a
    /// diff would find no difference in it.
    /// - Returns: "n1 has"; nil: there is no such thing.
    func unanswered(_ jobs: [ProbeJob], _ known: Service.Status?) -> String? {
        for job in jobs {
            switch job.question {
            case .certificate, .firstBoot: continue
            case .members: if members == nil, known?.membership != nil { return "its members have" }
            case .http, .tcp, .grpc, .exec:
                let wasHealthy = known?.nodes.first { $0.node == job.node }?.wasHealthy == true
                if wasHealthy, health[job.node]?.standing ?? .unknown == .unknown { return "\(job.node) has" }
            }
        }
        return nil
    }
}
