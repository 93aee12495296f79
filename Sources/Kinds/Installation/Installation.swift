import Foundation
import Manifest
import Resource

/// One run of an installer onto one node: a child of the Node.
package enum Installation: Kind {
    package static let name = "Installation"
    package static let plural = "installations"
    package static let shortNames = ["inst"]
    package static let summary = "One run of an installer onto one node: what, where, within which time, and what it may destroy."
    package static let columns = [
        Column("NODE", "spec.node"), Column("STEP", "status.step"), Column("PROGRAM", "spec.program", wide: true),
        Column("STARTED", "status.startedAt", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// Names the Node.
        var node: ObjectName
        /// URI of the flake, and its `nixosConfigurations.<attribute>`; nil: the node's name.
        var flake: String
        var attribute: String?
        /// The installer: "nixos-anywhere", or something with its command line.
        var program: String
        var target: Target?
        /// Names the NetBoot that brings the machine to the installer.
        var netBoot: ObjectName?
        var diskoMode: DiskoMode
        /// In this order.
        var phases: [Phase]
        var deadlines: Deadlines
        /// How often a failed run is repeated.
        var retries: Int
        /// Consent to destroy what the disks hold; used once.
        var wipeConsent: WipeConsent?
    }

    package struct Target: Codable, Hashable, Sendable {
        /// Host name or address; nil: the node's.
        var address: String?
        var port: Int
        var user: String
        /// The installer's SSH host key; nil: the first one seen is kept.
        var hostKey: String?
    }

    package enum DiskoMode: String, Codable, Hashable, Sendable, CaseIterable { case disko, mount, format }

    package enum Phase: String, Codable, Hashable, Sendable, CaseIterable { case kexec, disko, install, reboot }

    /// After which a phase counts as failed and the installer is ended.
    package struct Deadlines: Codable, Hashable, Sendable {
        var kexec: TimeSpan
        var disko: TimeSpan
        var install: TimeSpan
        var reboot: TimeSpan

        static let usual = Deadlines(
            kexec: .seconds(600), disko: .seconds(600), install: .seconds(3600), reboot: .seconds(600))
    }

    package struct WipeConsent: Codable, Hashable, Sendable {
        /// Serial numbers of the disks that may lose their contents.
        var serials: [String]
        /// Any text; a new one is a new consent.
        var token: String
    }

    package struct Status: Codable, Hashable, Sendable {
        /// Names the run: made of uid and generation.
        var run: String?
        /// What the installer said last: "Formatting hard drive with disko".
        var step: String?
        var phase: Phase?
        var startedAt: Date?
        var finishedAt: Date?
        var exitCode: Int?
        /// Path of its log.
        var log: String?
        /// Tokens of consents that were used.
        var spentConsents: [String] = []
        /// Whether its machine is to be offered the NetBoot now.
        var wantsNetBoot: Bool?

        init() {}

        /// `phase` is the word of the status that every kind has.
        private enum CodingKeys: String, CodingKey {
            case run, step, phase = "installerPhase", startedAt, finishedAt, exitCode, log, spentConsents, wantsNetBoot
        }

        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            run = try fields.decodeIfPresent(String.self, forKey: .run)
            step = try fields.decodeIfPresent(String.self, forKey: .step)
            phase = try fields.decodeIfPresent(Phase.self, forKey: .phase)
            startedAt = try fields.decodeIfPresent(Date.self, forKey: .startedAt)
            finishedAt = try fields.decodeIfPresent(Date.self, forKey: .finishedAt)
            exitCode = try fields.decodeIfPresent(Int.self, forKey: .exitCode)
            log = try fields.decodeIfPresent(String.self, forKey: .log)
            spentConsents = try fields.decodeIfPresent([String].self, forKey: .spentConsents) ?? []
            wantsNetBoot = try fields.decodeIfPresent(Bool.self, forKey: .wantsNetBoot)
        }
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let phases = fields.checked(
            "phases",
            {
                $0.scalars("phases", Phase.self, 0...4, "Phases to run: kexec, disko, install, reboot; all when absent.")
            }
        ) {
            $0 == Phase.allCases.filter($0.contains)
                ? nil : "are not in the order kexec, disko, install, reboot, each at most once"
        }
        return Spec(
            node: fields.required("node", "Names the Node."),
            flake: fields.required("flake", "URI of the flake: github:example/cluster, path:/etc/plasma."),
            attribute: fields.optional("attribute", "nixosConfigurations.<attribute>; the node's name when absent."),
            program: fields.value("program", default: "nixos-anywhere", "The installer."),
            target: fields.optionalObject("target", "How it is reached.", readTarget),
            netBoot: fields.optional("netBoot", "Names the NetBoot that brings the machine to the installer."),
            diskoMode: fields.choice(
                "diskoMode", default: .disko,
                "disko: destroy, format, mount. format: format what is unformatted. mount: mount only."),
            phases: phases.isEmpty ? Phase.allCases : phases,
            deadlines: fields.optionalObject("deadlines", "After which a phase counts as failed.", readDeadlines) ?? .usual,
            retries: fields.integer("retries", 0...20, default: 2, "How often a failed run is repeated, from a safe phase."),
            wipeConsent: fields.optionalObject("wipeConsent", "Consent to destroy what the disks hold; used once.") { fields in
                WipeConsent(
                    serials: fields.scalars("serials", String.self, 1...26, "Serial numbers of the disks."),
                    token: fields.required("token", "Any text; a new one is a new consent."))
            })
    }

    private static func readTarget(_ fields: inout Fields) -> Target {
        Target(
            address: fields.optional("address", "Host name or address; the node's when absent."),
            port: fields.integer("port", 1...65535, default: 22, "Port of SSH."),
            user: fields.value("user", default: "root", "User of SSH."),
            hostKey: fields.optional(
                "hostKey", "The installer's SSH host key, as in known_hosts; the first one seen is kept when absent."))
    }

    private static func readDeadlines(_ fields: inout Fields) -> Deadlines {
        Deadlines(
            kexec: fields.value("kexec", default: Deadlines.usual.kexec, "For kexec."),
            disko: fields.value("disko", default: Deadlines.usual.disko, "For partitioning and formatting."),
            install: fields.value("install", default: Deadlines.usual.install, "For the installation."),
            reboot: fields.value("reboot", default: Deadlines.usual.reboot, "For the reboot."))
    }
}

extension Installation.Phase: Scalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard let phase = Self(rawValue: text) else { throw ScalarProblem("is not one of kexec, disko, install, reboot") }
        self = phase
    }

    package var scalarText: String { rawValue }
    package static var schema: JSON {
        .object(["type": .string("string"), "enum": .array(allCases.map { .string($0.rawValue) })])
    }
    package static var example: Self { .kexec }
}
