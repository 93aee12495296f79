import Foundation
import Manifest
import NetBoot
import Resource

/// What an installer makes of one node, and what became of it: a child of the Node.
package enum Installation: Kind {
    package static let name = "Installation"
    package static let plural = "installations"
    package static let shortNames = ["inst"]
    package static let summary = "The system that an installer puts onto one node: what, where, within which time, and what it may destroy."
    package static let columns = [
        Column("NODE", "spec.node"), Column("STEP", "status.step"), Column("PROGRAM", "spec.program", wide: true),
        Column("SYSTEM", "status.system", wide: true), Column("STARTED", "status.startedAt", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// Names the Node.
        var node: ObjectName
        /// URI of the flake; nil: the one that plasma renders of the node's cluster.
        var flake: String?
        /// `nixosConfigurations.<attribute>`; nil: the node's name.
        var attribute: String?
        /// The installer: "nixos-anywhere", or something with its command line.
        var program: ProgramText
        var target: Target?
        /// Names the NetBoot that brings the machine to the installer.
        var netBoot: ObjectName?
        var diskoMode: DiskoMode
        /// In this order.
        var phases: [Phase]
        var deadlines: Deadlines
        /// How often a failed run is repeated.
        var retries: Int
        /// Files on this host that the installer needs.
        var images: [Image]?

        /// Whether plasma's own program becomes the node's package.
        var makesPackage: Bool { flake == nil && Installation.builders.contains((program.text as NSString).lastPathComponent) }
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

    static let usualRetries = 2

    /// A file that an installer is given only when it has its digest.
    package struct Image: Codable, Hashable, Sendable {
        /// What it is to the installer: "kexec" of nixos-anywhere.
        var name: ObjectName
        var path: FilePathText
        /// Exactly one of `digest` and `digestFile` is given.
        var digest: Digest?
        var digestFile: FilePathText?
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(
            node: fields.required("node", "Names the Node."),
            flake: fields.optional(
                "flake", "URI of the flake: github:example/cluster, path:/etc/plasma; the one that plasma renders when absent."),
            attribute: fields.optional("attribute", "nixosConfigurations.<attribute>; the node's name when absent."),
            program: fields.value("program", default: .usual, "The installer: a name that is looked for along PATH, or a path."),
            target: readTarget(&fields),
            netBoot: fields.optional("netBoot", "Names the NetBoot that brings the machine to the installer."),
            diskoMode: fields.choice("diskoMode", default: .disko, diskoModeHelp),
            phases: readPhases(&fields) ?? Phase.allCases,
            deadlines: readDeadlines(&fields) ?? .usual,
            retries: fields.integer("retries", retriesRange, default: usualRetries, retriesHelp),
            images: readImages(&fields))
    }

    /// Programs that build what plasma's own flake describes, the node's package of this very program with it. Others, as the lab's
    /// stand-in, bring their own.
    static let builders: Set<String> = ["nixos-anywhere"]

    static let diskoModeHelp = "disko: destroy, format, mount. format: format what is unformatted. mount: mount only."
    static let retriesRange = 0...20, retriesHelp = "How often a failed run is repeated, from a safe phase."

    static func readTarget(_ fields: inout Fields) -> Target? {
        fields.optionalObject("target", "How it is reached.") { fields in
            Target(
                address: fields.optional("address", "Host name or address; the node's when absent."),
                port: fields.integer("port", 1...65535, default: 22, "Port of SSH."),
                user: fields.text("user", default: "root", "User of SSH."),
                hostKey: fields.optional(
                    "hostKey", "The installer's SSH host key, as in known_hosts; the first one seen is kept when absent."))
        }
    }

    /// nil when there is none.
    static func readImages(_ fields: inout Fields) -> [Image]? {
        let images = fields.list(
            "images", 0...16,
            "Files on this host that the installer needs. It is started only when each has its digest, and is given them as PLASMA_IMAGE_<NAME> in its environment, with PLASMA_IMAGE_<NAME>_SHA256, and the one named kexec as nixos-anywhere's --kexec.",
            readImage)
        var names: Set<ObjectName> = []
        // A name that could not be read stands as the example.
        for (index, image) in images.enumerated() where image.name != .example && !names.insert(image.name).inserted {
            fields.note("\"\(image.name.scalarText)\" is another image's name already", at: "images[\(index)].name")
        }
        return images.isEmpty ? nil : images
    }

    private static func readImage(_ fields: inout Fields) -> Image {
        let image = Image(
            // With dots, two names could be one variable's.
            name: fields.checked("name", { $0.required("name", ObjectName.self, "What it is to the installer: kexec.") }) {
                $0.scalarText.contains(".") ? "has a dot; an image's name has letters, digits and -" : nil
            }, path: fields.required("path", "Path of the file on the host."),
            digest: fields.optional("digest", PinnedFiles.digestHelp), digestFile: fields.optional("digestFile", PinnedFiles.digestFileHelp))
        PinnedFiles.noteDigests(image.digest, image.digestFile, &fields)
        return image
    }

    /// nil when absent.
    static func readPhases(_ fields: inout Fields) -> [Phase]? {
        let phases = fields.checked(
            "phases",
            {
                $0.scalars("phases", Phase.self, 0...4, "Phases to run: kexec, disko, install, reboot; all when absent.")
            }
        ) {
            $0 == Phase.allCases.filter($0.contains)
                ? nil : "are not in the order kexec, disko, install, reboot, each at most once"
        }
        return phases.isEmpty ? nil : phases
    }

    static func readDeadlines(_ fields: inout Fields) -> Deadlines? {
        fields.optionalObject("deadlines", "After which a phase counts as failed.") { fields in
            Deadlines(
                kexec: fields.time("kexec", default: Deadlines.usual.kexec, atLeast: .seconds(1), "For kexec."),
                disko: fields.time("disko", default: Deadlines.usual.disko, atLeast: .seconds(1), "For partitioning and formatting."),
                install: fields.time("install", default: Deadlines.usual.install, atLeast: .seconds(1), "For the installation."),
                reboot: fields.time("reboot", default: Deadlines.usual.reboot, atLeast: .seconds(1), "For the reboot."))
        }
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
