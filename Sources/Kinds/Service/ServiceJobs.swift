import Foundation
import Manifest
import Probe
import Reconcile
import Resource

import struct Host.SSHTarget

/// What is to be asked for a Service, on each of its nodes that is up.
struct ServiceJobs {
    /// Services whose first boot leaves its state on the node.
    private static let booting: Set<String> = ["chainfire", "flaredb", "iam"]

    private let certificates: (any CertificateSource)?
    private let canRunCommands: Bool

    init(_ certificates: (any CertificateSource)?, _ canRunCommands: Bool) {
        self.certificates = certificates
        self.canRunCommands = canRunCommands
    }

    /// - Returns: the jobs, and what was issued for each node where that is known.
    func jobs(of service: Resource<Service>, _ reader: Reader) async throws -> ([ProbeJob], issued: [String: ServedCertificate]) {
        let probe = service.spec.probe
        // What is looked at beside a probe is looked at without one, too.
        let period = probe?.period.duration ?? .seconds(10)
        let places = ServicePlacement(of: service, reader).places
        var jobs: [ProbeJob] = []
        var issued: [String: ServedCertificate] = [:]
        var members: [ProbeJob.Place] = []
        var memberTrust: ProbeTrust?
        for place in places where Node.hosting(of: place.record, reader) == .up {
            guard let node = place.record else { continue }
            let identity = try await identity(service, place, reader)
            let secured = place.authority != nil
            if let probe, let question = question(service, probe, node, place.address, identity.trust, secured, reader) {
                jobs.append(ProbeJob(
                    node: place.node, question, every: probe.period.duration, within: probe.timeout.duration, failures: probe.failureThreshold,
                    successes: probe.successThreshold))
            }
            guard let address = place.address else { continue }
            if canRunCommands, node.spec.system != nil, Self.booting.contains(service.name) {
                jobs.append(ProbeJob(node: place.node, .firstBoot(service: service.name, at: shell(of: node, reader)), every: .seconds(10), within: .seconds(10)))
            }
            if let own = identity.issued, let port = securePort(service, probe) {
                issued[place.node] = own
                jobs.append(ProbeJob(node: place.node, .certificate(.init(host: address, port: port)), every: .seconds(30), within: .seconds(5)))
            }
            if service.name == Service.clustered, !secured || identity.trust != nil, let port = clientPort(service) {
                members.append(.init(node: place.node, address: .init(host: address, port: port)))
                memberTrust = memberTrust ?? identity.trust
            }
        }
        if !members.isEmpty {
            jobs.append(ProbeJob(
                node: "", .members(members, wanted: places.map(\.node), trust: memberTrust), every: min(period, .seconds(5)),
                within: .seconds(5)))
        }
        return (jobs, issued)
    }

    /// As its Installation reaches it.
    private func shell(of node: Resource<Node>, _ reader: Reader) -> SSHTarget {
        node.sshTarget(reader.get(Installation.self, node.name)?.spec.target ?? node.spec.system?.target)
    }

    private func question(
        _ service: Resource<Service>, _ probe: Service.Probe, _ node: Resource<Node>, _ address: String?, _ trust: ProbeTrust?, _ secured: Bool,
        _ reader: Reader
    ) -> ProbeJob.Question? {
        if case .exec(let exec) = probe.check { return .exec(exec.command, at: shell(of: node, reader)) }
        guard let address, let port = probe.check.port.flatMap({ number(of: $0.port, service) }) else { return nil }
        let target = ProbeAddress(host: address, port: port)
        switch probe.check {
        case .httpGet(let get):
            guard get.scheme == .https else { return .http(target, path: get.path, trust: nil) }
            // Until the authority is there nobody can be believed, so nobody is asked.
            return secured && trust == nil ? nil : .http(target, path: get.path, trust: trust ?? .system)
        case .tcpSocket: return .tcp(target)
        case .grpc(let grpc): return secured && trust == nil ? nil : .grpc(target, service: grpc.service ?? "", trust: trust)
        case .exec: return nil
        }
    }

    /// The authority that the cluster trusts, and what the node's service was issued.
    private func identity(
        _ service: Resource<Service>, _ place: ServicePlacement.Place, _ reader: Reader
    ) async throws -> (trust: ProbeTrust?, issued: ServedCertificate?) {
        guard let certificates, let authority = place.authority else { return (nil, nil) }
        // Read as records too, so that it is looked at again when they are issued anew.
        _ = reader.get(CertificateAuthority.self, authority)
        let name = service.certificate(ofNode: place.node, issuedBy: authority, reader)
        if let name { _ = reader.get(Certificate.self, name) }
        guard let roots = try await certificates.trust(ofAuthority: authority) else { return (nil, nil) }
        guard let name, let identity = try await certificates.credentials(ofCertificate: name) else { return (ProbeTrust(authorities: roots), nil) }
        return (ProbeTrust(authorities: roots, certificate: identity.certificate, key: identity.key), try? ServedCertificate(pem: identity.certificate))
    }

    private func number(of port: PortName, _ service: Resource<Service>) -> Int? {
        switch port {
        case .number(let number): number
        case .name(let name): service.spec.ports.first { $0.name == name }?.port
        }
    }

    private func clientPort(_ service: Resource<Service>) -> Int? { number(of: .name("clients"), service) }

    /// Where TLS is served: the probed port if that is https, else the port of the clients.
    private func securePort(_ service: Resource<Service>, _ probe: Service.Probe?) -> Int? {
        switch probe?.check {
        case .httpGet(let get) where get.scheme == .https: number(of: get.port, service)
        case .grpc(let grpc): number(of: grpc.port, service)
        default: clientPort(service) ?? number(of: .name("api"), service)
        }
    }
}

extension Resource where K == Service {
    /// Names the Certificate that it serves with on a node: its own, else the node's; nil: there is none.
    func certificate(ofNode node: String, issuedBy authority: String, _ reader: Reader) -> String? {
        spec.certificate?.scalarText ?? reader.mentioning(Reference(Node.self, node), Certificate.self)
            .first { $0.spec.node?.scalarText == node && $0.spec.issuerRef.name.scalarText == authority }?.name
    }
}
