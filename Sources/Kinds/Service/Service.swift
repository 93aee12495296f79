import Foundation
import Manifest
import Resource

/// A systemd unit on nodes: where it listens, what it needs, and how its health is asked for.
package enum Service: Kind {
    package static let name = "Service"
    package static let plural = "services"
    package static let shortNames = ["svc"]
    package static let summary = "A unit that runs on nodes: its ports, health probe, dependencies and client authentication."
    package static let columns = [
        Column("UNIT", "spec.unit"), Column("PORT", "spec.ports[0].port"), Column("HEALTHY", "status.healthy"),
        Column("CLIENTAUTH", "spec.clientAuth", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// Name of the systemd unit; nil: `<name>.service`.
        var unit: String?
        /// Where it runs; empty: on every node of the Clusters that name it, and on the nodes that name it.
        var nodes: [ObjectName]
        var ports: [Port]
        var probe: Probe?
        /// Names the Services that must be healthy on a node before this one starts there.
        var dependsOn: [ObjectName]
        var clientAuth: ClientAuth
        /// Names the Certificate it serves with; nil: its node's.
        var certificate: ObjectName?
    }

    package struct Port: Codable, Hashable, Sendable {
        package enum Transport: String, Codable, Hashable, Sendable, CaseIterable { case tcp = "TCP", udp = "UDP" }

        var name: String
        var port: Int
        var `protocol`: Transport
    }

    /// Whether clients show a certificate.
    package enum ClientAuth: String, Codable, Hashable, Sendable, CaseIterable {
        case none = "None", request = "Request", require = "Require"
    }

    package struct Probe: Codable, Hashable, Sendable {
        var check: Check
        var period: TimeSpan
        var timeout: TimeSpan
        /// How many in a row turn healthy into unhealthy, and back.
        var failureThreshold: Int
        var successThreshold: Int
    }

    /// A port is given by its name in `ports`, or by number.
    package enum Check: Hashable, Sendable {
        case httpGet(HTTPGet)
        case tcpSocket(TCPSocket)
        case grpc(GRPC)
        case exec(Exec)
    }

    package struct HTTPGet: Codable, Hashable, Sendable {
        package enum Scheme: String, Codable, Hashable, Sendable, CaseIterable { case http = "HTTP", https = "HTTPS" }

        var path: String
        var port: PortName
        var scheme: Scheme
    }

    package struct TCPSocket: Codable, Hashable, Sendable { var port: PortName }

    package struct GRPC: Codable, Hashable, Sendable {
        var port: PortName
        var service: String?
    }

    package struct Exec: Codable, Hashable, Sendable { var command: [String] }

    package struct Status: Codable, Hashable, Sendable {
        /// "2/3": healthy nodes of all.
        var healthy: String?
        /// In name order.
        var nodes: [NodeHealth] = []
        /// Of a service whose members are a Raft group.
        var membership: Membership?

        init() {}
    }

    /// How it is on one node.
    package struct NodeHealth: Codable, Hashable, Sendable {
        package struct Served: Codable, Hashable, Sendable {
            var serial: String
            var notAfter: Date
            /// Whether it is the certificate that was issued last.
            var isIssued: Bool
        }

        package struct BootStep: Codable, Hashable, Sendable {
            var message: String
            var since: Date
            /// How many looks in a row found it so.
            var attempts: Int
        }

        var node: String
        var healthy: Bool
        /// Why it is not healthy.
        var reason: String?
        /// Since when it has been healthy, or not.
        var since: Date?
        /// Whether it has ever been healthy.
        var wasHealthy: Bool?
        /// When it first was.
        var firstHealthy: Moment?
        /// How far its first boot has come: "joining: waiting for a leader (attempt 3)".
        var firstBoot: String?
        /// What it waited for or failed at on its way, in that order.
        var firstBootSteps: [BootStep]?
        /// The certificate it serves.
        var certificate: Served?
    }

    package struct Membership: Codable, Hashable, Sendable {
        /// The one that all nodes name, and the term that all are in.
        var leader: String?
        var term: Int64?
        var voters: Int?
        var learners: Int?
        /// What is wrong; empty: the members are the manifest's nodes, and all agree.
        var problems: [String]
        /// As they were seen last; nil in records of earlier versions.
        var members: [Known]?
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let spec = Spec(
            unit: fields.checked(
                "unit", { $0.optional("unit", String.self, "Name of the systemd unit; <name>.service when absent.") }
            ) { unit in
                unit.map(isUnit) ?? true ? nil : "\"\(unit ?? "")\" is not a systemd unit; write one such as \(unit.map { $0.contains(".") ? "chainfire" : $0 } ?? "chainfire").service"
            },
            nodes: fields.scalars(
                "nodes", ObjectName.self, "Names the Nodes it runs on; else where its Cluster or the Node says so."),
            ports: fields.list("ports", 0...64, "Where it listens.", readPort),
            probe: fields.optionalObject("probe", "How its health is asked for.", readProbe),
            dependsOn: fields.scalars(
                "dependsOn", ObjectName.self, 0...64, "Names the Services that its node starts before it, and whose health it waits for."),
            clientAuth: fields.choice("clientAuth", default: .request, "Whether clients show a certificate. With None everybody may do everything; with Request, those who show none are told chainfire's health and members, and nothing more."),
            certificate: fields.optional("certificate", "Names the Certificate it serves with; its node's when absent."))
        guard !fields.isDrawing, fields.problems.isEmpty else { return spec }
        for (index, port) in spec.ports.enumerated() {
            if spec.ports[..<index].contains(where: { $0.name == port.name }) {
                fields.note("\"\(port.name)\" names two ports", at: "ports[\(index)].name")
            }
            if spec.ports[..<index].contains(where: { $0.port == port.port && $0.protocol == port.protocol }) {
                fields.note("\"\(port.port)\" is listened on twice with \(port.protocol.rawValue)", at: "ports[\(index)].port")
            }
        }
        if let (path, port) = spec.probe?.check.port, case .name(let name) = port,
            !spec.ports.contains(where: { $0.name == name })
        {
            fields.note(
                "\"\(name)\" is not the name of one of its ports\(suggestion(name, spec.ports.map(\.name)))", at: "probe.\(path)")
        } else if let (path, port) = spec.probe?.check.port, case .name(let name) = port, spec.ports.contains(where: { $0.name == name && $0.protocol == .udp }) {
            fields.note("\"\(name)\" is a port of UDP, and all that is asked over a port is asked over TCP", at: "probe.\(path)")
        }
        return spec
    }

    /// systemd.unit(5).
    private static func isUnit(_ name: String) -> Bool {
        let stem = TextForm(marks: ":-_.\\@", firstMarks: ":-_.\\@", count: 1...240, name: "")
        guard let dot = name.lastIndex(of: ".") else { return false }
        return stem.fits(name[..<dot]) && ["service", "socket", "target", "timer"].contains(name[name.index(after: dot)...])
    }

    private static func readPort(_ fields: inout Fields) -> Port {
        Port(
            name: fields.text("name", PortName.form, "Name of the port: clients."),
            port: fields.integer("port", 1...65535, "Its number."),
            protocol: fields.choice("protocol", default: .tcp, "Its transport."))
    }

    private static func readProbe(_ fields: inout Fields) -> Probe {
        Probe(
            check: fields.oneOf(
                "check", "What is asked.",
                [
                    .init("httpGet", "A GET that must answer 200 to 399.") { fields in
                        .httpGet(
                            HTTPGet(
                                path: fields.checked("path", { $0.value("path", default: "/", "Path of the request.") }) {
                                    $0.hasPrefix("/") ? nil : "\"\($0)\" is no path; write /\($0)"
                                }, port: readPortName(&fields),
                                scheme: fields.choice("scheme", default: .http, "HTTPS trusts the cluster's authority.")))
                    },
                    .init("tcpSocket", "A connection that must open.") { .tcpSocket(TCPSocket(port: readPortName(&$0))) },
                    .init("grpc", "gRPC's health service must answer SERVING.") { fields in
                        .grpc(
                            GRPC(
                                port: readPortName(&fields),
                                service: fields.optional("service", "The service asked about; all when absent.")))
                    },
                    .init("exec", "A command on the node that must end with 0.") { fields in
                        .exec(Exec(command: fields.scalars("command", String.self, 1...64, "The command and its arguments.")))
                    },
                ]),
            period: fields.time("period", default: .seconds(10), atLeast: .seconds(1), "From one probe to the next."),
            timeout: fields.time("timeout", default: .seconds(2), atLeast: TimeSpan(milliseconds: 100), "How long an answer may take."),
            failureThreshold: fields.integer(
                "failureThreshold", 1...100, default: 3, "Failures in a row that make it unhealthy."),
            successThreshold: fields.integer(
                "successThreshold", 1...100, default: 1, "Successes in a row that make it healthy again."))
    }

    private static func readPortName(_ fields: inout Fields) -> PortName {
        fields.required("port", "Name of one of its ports, or a number.")
    }
}

extension Service.Status {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        healthy = try fields.decodeIfPresent(String.self, forKey: .healthy)
        nodes = try fields.decodeIfPresent([Service.NodeHealth].self, forKey: .nodes) ?? []
        membership = try fields.decodeIfPresent(Service.Membership.self, forKey: .membership)
    }
}

/// A port by its name in `ports`, or by number.
package enum PortName: Hashable, Sendable {
    case name(String)
    case number(Int)

    static let form = TextForm(
        marks: "-", hasCapitals: false, hasDigitFirst: false, count: 1...15,
        name: "a name for a port: 1 to 15 of a-z, 0-9 and -, the first a letter")
}

extension PortName: TextScalar {
    package init(scalar text: String) throws(ScalarProblem) {
        if let number = Int(text) {
            guard (1...65535).contains(number) else { throw ScalarProblem("is not from 1 to 65535") }
            self = .number(number)
        } else {
            guard PortName.form.fits(text) else { throw ScalarProblem("is not the name or number of a port") }
            self = .name(text)
        }
    }

    package var scalarText: String {
        switch self {
        case .name(let name): name
        case .number(let number): String(number)
        }
    }

    package static var schema: JSON {
        .object([
            "anyOf": .array([
                .object(["type": .string("string")]),
                .object(["type": .string("integer"), "minimum": .integer(1), "maximum": .integer(65535)]),
            ])
        ])
    }

    package static var example: Self { .name("clients") }
}

extension Service.Check: Codable {
    private enum CodingKeys: String, CodingKey { case httpGet, tcpSocket, grpc, exec }

    /// The port asked, and where it stands within the probe.
    var port: (path: String, port: PortName)? {
        switch self {
        case .httpGet(let check): ("check.httpGet.port", check.port)
        case .tcpSocket(let check): ("check.tcpSocket.port", check.port)
        case .grpc(let check): ("check.grpc.port", check.port)
        case .exec: nil
        }
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        if let check = try fields.decodeIfPresent(Service.HTTPGet.self, forKey: .httpGet) {
            self = .httpGet(check)
        } else if let check = try fields.decodeIfPresent(Service.TCPSocket.self, forKey: .tcpSocket) {
            self = .tcpSocket(check)
        } else if let check = try fields.decodeIfPresent(Service.GRPC.self, forKey: .grpc) {
            self = .grpc(check)
        } else {
            self = .exec(try fields.decode(Service.Exec.self, forKey: .exec))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .httpGet(let check): try fields.encode(check, forKey: .httpGet)
        case .tcpSocket(let check): try fields.encode(check, forKey: .tcpSocket)
        case .grpc(let check): try fields.encode(check, forKey: .grpc)
        case .exec(let check): try fields.encode(check, forKey: .exec)
        }
    }
}
