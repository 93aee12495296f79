import Manifest
import NetBoot
import Resource

/// What machines boot from the network: kernel, initial RAM disk and command line, pinned by digest.
package enum NetBoot: Kind {
    package static let name = "NetBoot"
    package static let plural = "netboots"
    package static let shortNames = ["nb"]
    package static let summary = "What blank machines boot from the network, and which nodes may."
    package static let columns = [
        Column("NETWORK", "spec.network"), Column("MODE", "spec.dhcp.mode"), Column("PENDING", "status.pending[0].mac", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// Names the Network it is offered on.
        var network: ObjectName
        /// Which nodes may boot it; by the MAC address of their interface there.
        var nodes: [ObjectName]
        var kernel: Artifact
        var initrd: Artifact?
        var loaders: BootLoaders?
        var commandLine: String
        /// A file of a build that the command line begins with: NixOS' is another one with each (`init=/nix/store/…`).
        var commandLineFile: FilePathText?
        var dhcp: DHCP
        /// What machines with an unknown MAC address get.
        var unknownMachines: UnknownMachines
    }

    /// A file that is served only when it has this digest.
    package struct Artifact: Codable, Hashable, Sendable {
        /// Exactly one of `path` and `url` is given.
        var path: FilePathText?
        var url: HTTPURL?
        /// Exactly one of `digest` and `digestFile` is given.
        var digest: Digest?
        /// A file in sha256sum's format that names this file's digest: for artefacts that a build makes.
        var digestFile: FilePathText?
    }

    /// What firmware without iPXE is given first; nil: as the host has it, of Debian's package `ipxe`.
    package struct BootLoaders: Codable, Hashable, Sendable {
        var uefi: Artifact?
        var bios: Artifact?
    }

    package struct DHCP: Codable, Hashable, Sendable {
        package enum Mode: String, Codable, Hashable, Sendable, CaseIterable {
            /// The only DHCP server of the segment.
            case server
            /// Beside another server: adds only what booting needs (proxyDHCP).
            case proxy
        }

        var mode: Mode
        var leaseTime: TimeSpan
    }

    package enum UnknownMachines: String, Codable, Hashable, Sendable, CaseIterable {
        /// Noted in the status, never served.
        case pending = "Pending"
        case serve = "Serve"
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(
            network: fields.required("network", "Names the Network it is offered on."),
            nodes: fields.scalars("nodes", ObjectName.self, "Names the Nodes that may boot it."),
            kernel: fields.object("kernel", "The kernel.", readArtifact),
            initrd: fields.optionalObject("initrd", "The initial RAM disk.", readArtifact),
            loaders: fields.optionalObject(
                "loaders", "iPXE for firmware that has none of its own; what Debian's package ipxe has on this host when absent."
            ) { fields in
                BootLoaders(
                    uefi: fields.optionalObject("uefi", "For UEFI, x86-64: ipxe.efi.", readArtifact),
                    bios: fields.optionalObject("bios", "For BIOS: undionly.kpxe.", readArtifact))
            },
            commandLine: fields.value("commandLine", default: "", "The kernel's command line."),
            commandLineFile: fields.optional("commandLineFile", "Path of a file on the host with what the command line begins with, as a build of NixOS writes it."),
            dhcp: fields.optionalObject("dhcp", "How addresses are given.") { fields in
                DHCP(
                    mode: fields.choice(
                        "mode", default: .server, "server: the segment's only DHCP server. proxy: beside another one."),
                    leaseTime: fields.value("leaseTime", default: .seconds(3600), "How long an address is given for."))
            } ?? DHCP(mode: .server, leaseTime: .seconds(3600)),
            unknownMachines: fields.choice(
                "unknownMachines", default: .pending,
                "Machines with a MAC address that no Node has. Pending: noted, not served. Serve: as if named, with one of the subnet's highest free addresses.")
        )
    }

    private static func readArtifact(_ fields: inout Fields) -> Artifact {
        let artifact = Artifact(
            path: fields.optional("path", "Path of the file on the host."),
            url: fields.optional("url", "Instead of path: http or https URL that it is fetched from, once, into the data directory."),
            digest: fields.optional("digest", PinnedFiles.digestHelp), digestFile: fields.optional("digestFile", PinnedFiles.digestFileHelp))
        if (artifact.path == nil) == (artifact.url == nil), !fields.isDrawing, fields.problems.isEmpty {
            fields.note("needs exactly one of path, url")
        }
        PinnedFiles.noteDigests(artifact.digest, artifact.digestFile, &fields)
        return artifact
    }
}
