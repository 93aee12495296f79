import Manifest

/// What a disk holds, in disko's words: a tree of contents, and beside it the groups that its leaves
/// belong to. Partitions, volumes and so on are lists here, where disko has attribute sets, because
/// their order matters; each carries its `name`.
/// Source: disko's `lib/types` (gpt, table, filesystem, swap, luks, lvm_pv, mdraid, zfs, btrfs, bcachefs).
package struct Layout: Codable, Hashable, Sendable {
    var content: Content
    var lvm_vg: [VolumeGroup]
    var mdadm: [RAID]
    var zpool: [Pool]
    var bcachefs_filesystems: [BcachefsFilesystem]

    /// What a disk, a partition, a volume or an array holds; `type` tells which.
    indirect enum Content: Hashable, Sendable {
        case gpt(PartitionTable)
        case table(LegacyTable)
        case filesystem(Filesystem)
        case swap(Swap)
        case luks(LUKS)
        case lvm_pv(PhysicalVolume)
        case mdraid(RAIDMember)
        case zfs(PoolMember)
        case btrfs(Btrfs)
        case bcachefs(BcachefsMember)
    }

    struct PartitionTable: Codable, Hashable, Sendable {
        /// In the order on the disk.
        var partitions: [Partition]
    }

    struct Partition: Codable, Hashable, Sendable {
        var name: String
        var size: PartitionSize
        var type: PartitionType
        var content: Content?
    }

    /// disko's older `table`: MBR by default.
    struct LegacyTable: Codable, Hashable, Sendable {
        enum Format: String, Codable, Hashable, Sendable, CaseIterable { case msdos, gpt }

        struct Partition: Codable, Hashable, Sendable {
            var name: String
            var size: PartitionSize
            var bootable: Bool
            var content: Content?
        }

        var format: Format
        var partitions: [Partition]
    }

    struct Filesystem: Codable, Hashable, Sendable {
        enum Format: String, Codable, Hashable, Sendable, CaseIterable { case ext2, ext3, ext4, xfs, vfat, btrfs, f2fs, exfat }

        var format: Format
        var mountpoint: AbsolutePath?
        var mountOptions: [String]
        var label: String?
        var extraArgs: [String]
    }

    struct Swap: Codable, Hashable, Sendable {
        var priority: Int?
        var randomEncryption: Bool
        var resumeDevice: Bool
    }

    struct LUKS: Codable, Hashable, Sendable {
        var name: String
        /// On the installer; never the key itself.
        var passwordFile: AbsolutePath?
        var content: Content?
    }

    struct PhysicalVolume: Codable, Hashable, Sendable {
        /// Names a group of `lvm_vg`.
        var vg: String
    }

    struct RAIDMember: Codable, Hashable, Sendable {
        /// Names an array of `mdadm`.
        var name: String
    }

    struct PoolMember: Codable, Hashable, Sendable {
        /// Names a pool of `zpool`.
        var pool: String
    }

    struct Btrfs: Codable, Hashable, Sendable {
        struct Subvolume: Codable, Hashable, Sendable {
            /// "/rootfs"
            var name: String
            var mountpoint: AbsolutePath?
            var mountOptions: [String]
        }

        var mountpoint: AbsolutePath?
        var mountOptions: [String]
        var subvolumes: [Subvolume]
        var extraArgs: [String]
    }

    struct BcachefsMember: Codable, Hashable, Sendable {
        /// Names a filesystem of `bcachefs_filesystems`.
        var filesystem: String
        var label: String?
    }

    struct VolumeGroup: Codable, Hashable, Sendable {
        struct Volume: Codable, Hashable, Sendable {
            var name: String
            var size: VolumeSize
            var content: Content?
        }

        var name: String
        var lvs: [Volume]
    }

    struct RAID: Codable, Hashable, Sendable {
        var name: String
        /// 0, 1, 4, 5, 6 or 10.
        var level: Int
        var metadata: String
        var content: Content?
    }

    struct Pool: Codable, Hashable, Sendable {
        struct Dataset: Codable, Hashable, Sendable {
            enum Kind: String, Codable, Hashable, Sendable, CaseIterable { case zfs_fs, zfs_volume }

            var name: String
            var type: Kind
            var mountpoint: AbsolutePath?
            /// For zfs_volume.
            var size: ByteCount?
            var options: [String: String]
            var content: Content?
        }

        enum Mode: String, Codable, Hashable, Sendable, CaseIterable { case stripe = "", mirror, raidz, raidz1, raidz2, raidz3 }

        var name: String
        var mode: Mode
        var mountpoint: AbsolutePath?
        var rootFsOptions: [String: String]
        var datasets: [Dataset]
    }

    struct BcachefsFilesystem: Codable, Hashable, Sendable {
        var name: String
        var mountpoint: AbsolutePath?
        var mountOptions: [String]
    }
}

extension Layout.Content: Codable {
    private enum CodingKeys: String, CodingKey { case type }

    /// The value of `type`.
    var type: String {
        switch self {
        case .gpt: "gpt"
        case .table: "table"
        case .filesystem: "filesystem"
        case .swap: "swap"
        case .luks: "luks"
        case .lvm_pv: "lvm_pv"
        case .mdraid: "mdraid"
        case .zfs: "zfs"
        case .btrfs: "btrfs"
        case .bcachefs: "bcachefs"
        }
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        switch try fields.decode(String.self, forKey: .type) {
        case "gpt": self = .gpt(try .init(from: decoder))
        case "table": self = .table(try .init(from: decoder))
        case "filesystem": self = .filesystem(try .init(from: decoder))
        case "swap": self = .swap(try .init(from: decoder))
        case "luks": self = .luks(try .init(from: decoder))
        case "lvm_pv": self = .lvm_pv(try .init(from: decoder))
        case "mdraid": self = .mdraid(try .init(from: decoder))
        case "zfs": self = .zfs(try .init(from: decoder))
        case "btrfs": self = .btrfs(try .init(from: decoder))
        case "bcachefs": self = .bcachefs(try .init(from: decoder))
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: fields, debugDescription: "\"\(other)\" is no type of content")
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .gpt(let content): try content.encode(to: encoder)
        case .table(let content): try content.encode(to: encoder)
        case .filesystem(let content): try content.encode(to: encoder)
        case .swap(let content): try content.encode(to: encoder)
        case .luks(let content): try content.encode(to: encoder)
        case .lvm_pv(let content): try content.encode(to: encoder)
        case .mdraid(let content): try content.encode(to: encoder)
        case .zfs(let content): try content.encode(to: encoder)
        case .btrfs(let content): try content.encode(to: encoder)
        case .bcachefs(let content): try content.encode(to: encoder)
        }
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(type, forKey: .type)
    }
}
