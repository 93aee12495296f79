/// What a machine says of itself over SSH.
package struct NodeFacts: Hashable, Sendable {
    package struct File: Hashable, Sendable {
        /// Lower-case hex of its SHA-256.
        package var sha256: String
        /// Permission bits; nil when not known.
        package var mode: Int?

        package init(sha256: String, mode: Int?) {
            self.sha256 = sha256
            self.mode = mode
        }
    }

    /// Of os-release.
    package var id: String
    package var variant: String?
    /// Where `/run/current-system` and so on lead; nil when there is none.
    package var current: String?
    package var booted: String?
    package var profile: String?
    /// Kernel, initrd or modules of the running system are not those it was booted with; nil: it did not say.
    package var needsReboot: Bool?
    /// Sorted; nil: it did not say.
    package var failedUnits: [String]?
    /// By absolute path, those that were asked for and are there.
    package var files: [String: File]
    /// The texts of the descriptions that services were started with, by the services' names.
    package var running: [String: String] = [:]
    /// nil: it did not say.
    package var devices: [BlockDevice]?
    package var volumes: [LogicalVolume]?
    /// What wipefs finds on the disks that were asked for: the names of signatures, none on a blank disk. A disk that
    /// is missing here could not be looked at.
    package var signatures: [String: [String]]
    /// Where other names of disks lead: "/dev/disk/by-id/…" to "/dev/sda".
    package var aliases: [String: String] = [:]

    package init(
        id: String = "nixos", variant: String? = nil, current: String? = nil, booted: String? = nil, profile: String? = nil,
        needsReboot: Bool? = nil, failedUnits: [String]? = nil, files: [String: File] = [:], devices: [BlockDevice]? = nil,
        volumes: [LogicalVolume]? = nil, signatures: [String: [String]] = [:]
    ) {
        self.id = id
        self.variant = variant
        self.current = current
        self.booted = booted
        self.profile = profile
        self.needsReboot = needsReboot
        self.failedUnits = failedUnits
        self.files = files
        self.devices = devices
        self.volumes = volumes
        self.signatures = signatures
    }

    /// When the running system came how far; nil: it did not say.
    package var boot: BootFacts?

    /// As nixos-anywhere tells it; the lab's installer has another ID and the same variant.
    package var isInstaller: Bool { variant == "installer" }

    /// The kernel's own path of a disk.
    package func kernelPath(of disk: String) -> String { aliases[disk] ?? disk }
}

/// How long ago a system was booted and its units came up, by its own clock that never jumps.
package struct BootFacts: Hashable, Sendable {
    /// The kernel's; another one is another boot.
    package var id: String
    /// Seconds since the kernel was started, when the answer ended.
    package var uptime: Double
    /// Seconds since then, by unit, of those that are up.
    package var units: [String: Double]
    /// Units that are not up yet, sorted.
    package var pending: [String]

    package init(id: String, uptime: Double, units: [String: Double] = [:], pending: [String] = []) {
        self.id = id
        self.uptime = uptime
        self.units = units
        self.pending = pending
    }
}

/// A line of lsblk with what is below it.
package struct BlockDevice: Hashable, Sendable {
    package var name: String
    /// "/dev/vda"
    package var path: String
    /// "disk", "part", "lvm", "crypt", "rom", …
    package var type: String
    package var bytes: UInt64?
    package var filesystem: String?
    package var partitionLabel: String?
    package var serial: String?
    package var mountpoints: [String]
    package var children: [BlockDevice]

    package init(
        name: String, path: String, type: String, bytes: UInt64? = nil, filesystem: String? = nil, partitionLabel: String? = nil,
        serial: String? = nil, mountpoints: [String] = [], children: [BlockDevice] = []
    ) {
        self.name = name
        self.path = path
        self.type = type
        self.bytes = bytes
        self.filesystem = filesystem
        self.partitionLabel = partitionLabel
        self.serial = serial
        self.mountpoints = mountpoints
        self.children = children
    }

    /// It and everything below it.
    package var all: [BlockDevice] { [self] + children.flatMap(\.all) }

    /// With what the kernel knows of mounted devices where lsblk is silent: it asks udev, which does not know a root
    /// that was mounted before udev ran.
    func known(by mounts: [String: String]) -> BlockDevice {
        var device = self
        device.filesystem = filesystem ?? mountpoints.lazy.compactMap { mounts[$0] }.first
        device.children = children.map { $0.known(by: mounts) }
        return device
    }
}

/// A line of lvs.
package struct LogicalVolume: Hashable, Sendable {
    package var group: String
    package var name: String
    package var bytes: UInt64

    package init(group: String, name: String, bytes: UInt64) {
        self.group = group
        self.name = name
        self.bytes = bytes
    }

    /// As device-mapper names it: "-" doubled within a name.
    package var mapperName: String {
        [group, name].map { $0.replacing("-", with: "--") }.joined(separator: "-")
    }
}
