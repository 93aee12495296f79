import Manifest
import NixOS

extension Layout {
    /// One disk in disko's words: its part of `disko.devices`, groups included. A group may span disks: the parts of a
    /// node's disks are merged.
    func disko(of disk: Node.NodeDisk) -> NixValue {
        func named(_ list: [(String, NixValue)]) -> NixValue? {
            list.isEmpty ? nil : .attributes(Dictionary(list, uniquingKeysWith: { $1 }))
        }
        let own = NixValue.set([
            "type": "disk", "device": .string(disk.device.scalarText), "content": content.disko,
            // What must not be wiped is not destroyed by the installer either.
            "destroy": disk.wipePolicy == .never ? false : nil,
        ])
        return .set([
            "disk": .attributes([disk.deviceName: own]),
            "lvm_vg": named(lvm_vg.map { ($0.name, $0.disko) }),
            "mdadm": named(mdadm.map { ($0.name, $0.disko) }),
            "zpool": named(zpool.map { ($0.name, $0.disko) }),
            "bcachefs_filesystems": named(bcachefs_filesystems.map { ($0.name, $0.disko) }),
        ])
    }

    /// Where the EFI system partition is mounted.
    var espMountpoint: String? {
        guard case .gpt(let table) = content else { return nil }
        for partition in table.partitions where partition.type == .efiSystem {
            if case .filesystem(let filesystem)? = partition.content { return filesystem.mountpoint?.scalarText }
        }
        return nil
    }

    /// disko installs grub onto disks with such a partition by itself.
    var hasBIOSBootPartition: Bool {
        if case .gpt(let table) = content { table.partitions.contains { $0.type.code == "EF02" } } else { false }
    }
}

extension Layout.Content {
    var isGPT: Bool {
        switch self {
        case .gpt: true
        case .table(let table): table.format == .gpt
        default: false
        }
    }

    var disko: NixValue {
        let own: NixValue =
            switch self {
            case .gpt(let table): table.disko
            case .table(let table): table.disko
            case .filesystem(let filesystem): filesystem.disko
            case .swap(let swap):
                .set([
                    "priority": swap.priority.map { .integer($0) }, "randomEncryption": swap.randomEncryption ? true : nil,
                    "resumeDevice": swap.resumeDevice ? true : nil,
                ])
            case .luks(let container):
                .set([
                    "name": .string(container.name), "passwordFile": container.passwordFile.map { .string($0.scalarText) },
                    "content": container.content?.disko,
                ])
            case .lvm_pv(let volume): .set(["vg": .string(volume.vg)])
            case .mdraid(let member): .set(["name": .string(member.name)])
            case .zfs(let member): .set(["pool": .string(member.pool)])
            case .btrfs(let filesystem): filesystem.disko
            case .bcachefs(let member):
                .set(["filesystem": .string(member.filesystem), "label": member.label.map(NixValue.string)])
            }
        return own.merged(with: ["type": .string(type)])
    }
}

extension Layout.PartitionTable {
    /// disko has a set, which has no order: it makes partitions in the order of their `priority`.
    fileprivate var disko: NixValue {
        let all = partitions.enumerated().map { index, partition in
            (
                partition.name,
                NixValue.set([
                    "priority": .integer(index + 1), "size": .string(partition.size.disko), "type": .string(partition.type.code),
                    "content": partition.content?.disko,
                ])
            )
        }
        return .set(["partitions": .attributes(Dictionary(all, uniquingKeysWith: { $1 }))])
    }
}

extension Layout.LegacyTable {
    /// Start and end for parted, which takes bytes: the first partition begins after 1 MiB, each at a whole MiB.
    fileprivate var disko: NixValue {
        let step: UInt64 = 1 << 20
        var start = step
        let all = partitions.map { partition -> NixValue in
            var end = "100%"
            let begin = start
            if case .bytes(let size) = partition.size {
                // parted's end belongs to the partition.
                end = "\(start + size.bytes - 1)B"
                start = (start + size.bytes + step - 1) / step * step
            }
            return .set([
                "name": .string(partition.name), "start": .string("\(begin)B"), "end": .string(end),
                "bootable": partition.bootable ? true : nil, "content": partition.content?.disko,
            ])
        }
        return .set(["format": .string(format.rawValue), "partitions": .list(all)])
    }
}

extension Layout.Filesystem {
    /// disko has no word for a label: it is an argument of mkfs.
    fileprivate var disko: NixValue {
        let flag =
            switch format {
            case .ext2, .ext3, .ext4, .xfs, .btrfs, .exfat: "-L"
            case .vfat: "-n"
            case .f2fs: "-l"
            }
        let arguments = (label.map { [flag, $0] } ?? []) + extraArgs
        return mounted(mountpoint, mountOptions).merged(
            with: .set(["format": .string(format.rawValue), "extraArgs": arguments.isEmpty ? nil : .strings(arguments)]))
    }
}

extension Layout.Btrfs {
    fileprivate var disko: NixValue {
        let all = subvolumes.map { ($0.name, mounted($0.mountpoint, $0.mountOptions)) }
        return mounted(mountpoint, mountOptions).merged(
            with: .set([
                "extraArgs": extraArgs.isEmpty ? nil : .strings(extraArgs),
                "subvolumes": all.isEmpty ? nil : .attributes(Dictionary(all, uniquingKeysWith: { $1 })),
            ]))
    }
}

extension Layout.VolumeGroup {
    fileprivate var disko: NixValue {
        let all = lvs.enumerated().map { index, volume in
            (
                volume.name,
                NixValue.set([
                    "priority": .integer(index + 1), "size": .string(volume.size.disko), "content": volume.content?.disko,
                ])
            )
        }
        return ["type": "lvm_vg", "lvs": .attributes(Dictionary(all, uniquingKeysWith: { $1 }))]
    }
}

extension Layout.RAID {
    fileprivate var disko: NixValue {
        .set(["type": "mdadm", "level": .integer(level), "metadata": .string(metadata), "content": content?.disko])
    }
}

extension Layout.Pool {
    fileprivate var disko: NixValue {
        let all = datasets.map { dataset in
            (
                dataset.name,
                mounted(dataset.mountpoint, []).merged(
                    with: .set([
                        "type": .string(dataset.type.rawValue), "size": dataset.size.map { .string(sized($0)) },
                        "options": options(dataset.options), "content": dataset.content?.disko,
                    ]))
            )
        }
        return mounted(mountpoint, []).merged(
            with: .set([
                "type": "zpool", "mode": .string(mode.rawValue), "rootFsOptions": options(rootFsOptions),
                "datasets": .attributes(Dictionary(all, uniquingKeysWith: { $1 })),
            ]))
    }

    private func options(_ all: [String: String]) -> NixValue? { all.isEmpty ? nil : .attributes(all.mapValues(NixValue.string)) }
}

extension Layout.BcachefsFilesystem {
    fileprivate var disko: NixValue { mounted(mountpoint, mountOptions).merged(with: ["type": "bcachefs_filesystem"]) }
}

private func mounted(_ mountpoint: AbsolutePath?, _ options: [String]) -> NixValue {
    .set([
        "mountpoint": mountpoint.map { .string($0.scalarText) }, "mountOptions": options.isEmpty ? nil : .strings(options),
    ])
}

extension PartitionSize {
    /// As sgdisk has it.
    fileprivate var disko: String {
        switch self {
        case .bytes(let size): sized(size)
        case .rest: "100%"
        }
    }
}

extension VolumeSize {
    /// As lvcreate has it.
    fileprivate var disko: String {
        switch self {
        case .bytes(let size): sized(size)
        case .rest: "100%FREE"
        }
    }
}

/// In the largest of K, M, G, T and P that has no fraction. The three tools agree that these are binary; what is no
/// whole number of KiB is rounded up to one.
private func sized(_ size: ByteCount) -> String {
    var count = size.bytes / 1024 + (size.bytes % 1024 == 0 ? 0 : 1)
    var units = "KMGTP"[...]
    while count % 1024 == 0, units.count > 1 {
        count /= 1024
        units = units.dropFirst()
    }
    return "\(count)\(units.prefix(1))"
}
