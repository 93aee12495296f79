import Bytes
import Crypto
import Foundation
import Manifest
import NixOS

extension Layout {
    /// What lsblk and lvs should show of a disk that was laid out so: partitions by their labels, volumes by their
    /// names. Of arrays, pools and what is encrypted only the members are judged.
    /// - Parameter path: the kernel's for the disk, where the manifest has another name of it.
    func storage(of disk: Node.NodeDisk, at path: String? = nil) -> [ExpectedStorage] {
        let name = disk.deviceName, path = path ?? disk.device.scalarText
        var found = [ExpectedStorage(place: .disk(path), name: name, filesystem: content.signature, mountpoint: content.mountpoint)]
        if case .gpt(let table) = content {
            found += table.partitions.map { partition in
                var bytes: UInt64?
                if case .bytes(let size) = partition.size { bytes = size.bytes }
                return ExpectedStorage(
                    place: .partition(disk: path, label: Self.label(disk: name, partition: partition.name)), name: "\(name).\(partition.name)",
                    bytes: bytes, filesystem: partition.content?.signature, mountpoint: partition.content?.mountpoint)
            }
        }
        for group in lvm_vg {
            found += group.lvs.map { volume in
                var bytes: UInt64?
                if case .bytes(let size) = volume.size { bytes = size.bytes }
                return ExpectedStorage(
                    place: .volume(group: group.name, name: volume.name), name: "\(group.name).\(volume.name)", bytes: bytes,
                    filesystem: volume.content?.signature, mountpoint: volume.content?.mountpoint)
            }
        }
        return found
    }

    /// Whether a system may be on it, or what it boots: not where all its file systems are mounted elsewhere, or nowhere.
    var mayHoldSystem: Bool {
        guard mdadm.isEmpty, zpool.isEmpty, bcachefs_filesystems.isEmpty else { return true }
        return content.mayHoldSystem || lvm_vg.contains { $0.lvs.contains { $0.content?.mayHoldSystem == true } }
    }

    /// As disko labels a partition (lib/types/gpt.nix): a GPT has 36 characters for it.
    static func label(disk: String, partition: String) -> String {
        let label = "disk-\(disk)-\(partition)"
        return label.utf8.count <= 36 ? label : String(Hex.encode(SHA256.hash(data: Data(label.utf8))).prefix(36))
    }
}

extension Layout.Content {
    /// What lsblk calls it; nil where it shows nothing of it.
    fileprivate var signature: String? {
        switch self {
        case .gpt, .table: nil
        case .filesystem(let filesystem): filesystem.format.rawValue
        case .swap(let swap): swap.randomEncryption ? nil : "swap"
        case .luks: "crypto_LUKS"
        case .lvm_pv: "LVM2_member"
        case .mdraid: "linux_raid_member"
        case .zfs: "zfs_member"
        case .btrfs: "btrfs"
        case .bcachefs: "bcachefs"
        }
    }

    fileprivate var mayHoldSystem: Bool {
        switch self {
        case .gpt(let table): table.partitions.contains { $0.content?.mayHoldSystem ?? false }
        case .table(let table): table.partitions.contains { $0.content?.mayHoldSystem ?? false }
        case .filesystem(let filesystem): Self.isSystem(filesystem.mountpoint)
        case .btrfs(let filesystem): Self.isSystem(filesystem.mountpoint) || filesystem.subvolumes.contains { Self.isSystem($0.mountpoint) }
        case .luks(let luks): luks.content?.mayHoldSystem ?? false
        case .swap: false
        // Volumes are looked at by themselves; of arrays and pools nobody knows on which of their disks a file system is.
        case .lvm_pv: false
        case .mdraid, .zfs, .bcachefs: true
        }
    }

    /// Of what NixOS cannot boot without (nixpkgs, nixos/lib/utils.nix, pathsNeededForBoot), and what boots it.
    private static func isSystem(_ mountpoint: AbsolutePath?) -> Bool {
        guard let path = mountpoint?.scalarText else { return false }
        return path.hasPrefix("/boot") || path.hasPrefix("/nix") || ["/", "/usr", "/etc", "/efi", "/var", "/var/log", "/var/lib", "/var/lib/nixos"].contains(path)
    }

    var mountpoint: String? {
        switch self {
        case .filesystem(let filesystem): filesystem.mountpoint?.scalarText
        case .btrfs(let filesystem): filesystem.mountpoint?.scalarText
        default: nil
        }
    }
}
