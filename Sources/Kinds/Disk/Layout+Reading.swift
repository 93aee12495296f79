import Manifest

extension Layout {
    static func read(_ fields: inout Fields) -> Layout {
        Layout(
            content: fields.tagged("content", "What the disk holds.", deviceContents),
            lvm_vg: fields.list("lvm_vg", 0...64, "LVM volume groups made of the disk's lvm_pv.", readVolumeGroup),
            mdadm: fields.list("mdadm", 0...64, "Linux RAID arrays made of the disk's mdraid.", readRAID),
            zpool: fields.list("zpool", 0...64, "ZFS pools made of the disk's zfs.", readPool),
            bcachefs_filesystems: fields.list("bcachefs_filesystems", 0...64, "bcachefs filesystems made of the disk's bcachefs.")
            { fields in
                BcachefsFilesystem(
                    name: readName(&fields), mountpoint: readMountpoint(&fields), mountOptions: readMountOptions(&fields))
            })
    }

    /// A partition, a volume and so on may hold these. LUKS does not hold LUKS, so that the tree ends.
    private static var partitionContents: [Fields.Case<Content>] {
        plainContents + [
            .init("luks", "An encrypted container.") { fields in
                .luks(
                    LUKS(
                        name: readName(&fields),
                        passwordFile: fields.optional("passwordFile", "Path, on the installer, of the file with the passphrase."),
                        content: fields.optionalTagged("content", "What the container holds.", plainContents)))
            }
        ]
    }

    private static var plainContents: [Fields.Case<Content>] {
        [
            .init("filesystem", "A filesystem.") { .filesystem(readFilesystem(&$0)) },
            .init("swap", "Swap space.") { fields in
                .swap(
                    Swap(
                        priority: fields.optionalInteger("priority", -1...32767, "Higher is used earlier."),
                        randomEncryption: fields.value(
                            "randomEncryption", default: false, "Encrypts with a key made at each boot."),
                        resumeDevice: fields.value("resumeDevice", default: false, "Used to resume from hibernation.")))
            },
            .init("lvm_pv", "A physical volume of an LVM group.") {
                .lvm_pv(PhysicalVolume(vg: $0.required("vg", "Names a group of lvm_vg.")))
            },
            .init("mdraid", "A member of a Linux RAID array.") {
                .mdraid(RAIDMember(name: $0.required("name", "Names an array of mdadm.")))
            },
            .init("zfs", "A member of a ZFS pool.") { .zfs(PoolMember(pool: $0.required("pool", "Names a pool of zpool."))) },
            .init("btrfs", "A btrfs filesystem with subvolumes.") { .btrfs(readBtrfs(&$0)) },
            .init("bcachefs", "A member of a bcachefs filesystem.") { fields in
                .bcachefs(
                    BcachefsMember(
                        filesystem: fields.required("filesystem", "Names a filesystem of bcachefs_filesystems."),
                        label: fields.optional("label", "Label of the member: group.device.")))
            },
        ]
    }

    /// A whole disk or array may also hold a partition table.
    private static var deviceContents: [Fields.Case<Content>] {
        [
            .init("gpt", "A GUID partition table.") { fields in
                .gpt(
                    PartitionTable(
                        partitions: fields.list("partitions", 1...128, "The partitions, in the order on the disk.", readPartition)
                    ))
            },
            .init("table", "A partition table of the older kind: MBR.") { fields in
                .table(
                    LegacyTable(
                        format: fields.choice("format", default: .msdos, "Format of the table."),
                        partitions: fields.list("partitions", 1...128, "The partitions, in the order on the disk.") { fields in
                            LegacyTable.Partition(
                                name: readName(&fields), size: fields.required("size", "512MB, 80GiB, or 100% for the rest."),
                                bootable: fields.value("bootable", default: false, "Marks it active."),
                                content: readContent(&fields, "What the partition holds."))
                        }))
            },
        ] + partitionContents
    }

    private static func readContent(_ fields: inout Fields, _ help: String) -> Content? {
        fields.optionalTagged("content", help, partitionContents)
    }

    private static func readPartition(_ fields: inout Fields) -> Partition {
        Partition(
            name: readName(&fields), size: fields.required("size", "512MB, 80GiB, or 100% for the rest."),
            type: fields.value(
                "type", default: .linux, "Type as gdisk has it: EF00 (EFI system), EF02 (BIOS boot), 8300, 8200, 8E00, FD00."),
            content: readContent(&fields, "What the partition holds."))
    }

    private static func readFilesystem(_ fields: inout Fields) -> Filesystem {
        let format: Filesystem.Format = fields.choice("format", "Which filesystem.")
        let labelMax =
            switch format {
            case .ext2, .ext3, .ext4: 16
            case .xfs: 12
            case .vfat: 11
            case .exfat: 15
            case .btrfs, .f2fs: 255
            }
        return Filesystem(
            format: format, mountpoint: readMountpoint(&fields), mountOptions: readMountOptions(&fields),
            label: fields.checked("label", { $0.optional("label", String.self, "Its label.") }) { label in
                guard let label, label.isEmpty || label.utf8.count > labelMax else { return nil }
                return "\"\(label)\" does not fit: a \(format.rawValue) label has 1 to \(labelMax) bytes"
            },
            extraArgs: fields.scalars("extraArgs", String.self, "Further arguments of mkfs."))
    }

    private static func readBtrfs(_ fields: inout Fields) -> Btrfs {
        Btrfs(
            mountpoint: readMountpoint(&fields), mountOptions: readMountOptions(&fields),
            subvolumes: fields.list("subvolumes", 0...256, "Its subvolumes.") { fields in
                Btrfs.Subvolume(
                    name: fields.required("name", "Path of the subvolume: /rootfs."), mountpoint: readMountpoint(&fields),
                    mountOptions: readMountOptions(&fields))
            },
            extraArgs: fields.scalars("extraArgs", String.self, "Further arguments of mkfs."))
    }

    private static func readVolumeGroup(_ fields: inout Fields) -> VolumeGroup {
        VolumeGroup(
            name: readName(&fields),
            lvs: fields.list("lvs", 0...256, "Its logical volumes, in the order they are made.") { fields in
                VolumeGroup.Volume(
                    name: readName(&fields), size: fields.required("size", "80GB, 10GiB, or 100%FREE for the rest."),
                    content: readContent(&fields, "What the volume holds."))
            })
    }

    private static func readRAID(_ fields: inout Fields) -> RAID {
        RAID(
            name: readName(&fields),
            level: fields.checked("level", { $0.integer("level", 0...10, default: 1, "RAID level: 0, 1, 4, 5, 6 or 10.") }) {
                level in
                [0, 1, 4, 5, 6, 10].contains(level) ? nil : "\"\(level)\" is not a RAID level: 0, 1, 4, 5, 6 or 10"
            },
            metadata: fields.value("metadata", default: "1.2", "Version of the metadata."),
            content: fields.optionalTagged("content", "What the array holds.", deviceContents))
    }

    private static func readPool(_ fields: inout Fields) -> Pool {
        Pool(
            name: readName(&fields),
            mode: fields.choice("mode", default: .stripe, "How its members are used; a stripe when absent."),
            mountpoint: readMountpoint(&fields), rootFsOptions: fields.stringMap("rootFsOptions", "Options of the root dataset."),
            datasets: fields.list("datasets", 0...256, "Its datasets.") { fields in
                let type: Pool.Dataset.Kind = fields.choice("type", default: .zfs_fs, "A filesystem or a volume.")
                return Pool.Dataset(
                    name: fields.required("name", "Path of the dataset within the pool: root/nix."), type: type,
                    mountpoint: readMountpoint(&fields),
                    size: fields.checked("size", { $0.optional("size", ByteCount.self, "Size of a zfs_volume.") }) { size in
                        switch (type, size) {
                        case (.zfs_volume, nil): "is required for a zfs_volume"
                        case (.zfs_fs, _?): "is for a zfs_volume, but the type is zfs_fs"
                        default: nil
                        }
                    },
                    options: fields.stringMap("options", "ZFS properties."),
                    content: readContent(&fields, "What a zfs_volume holds."))
            })
    }

    private static func readMountpoint(_ fields: inout Fields) -> AbsolutePath? {
        fields.optional("mountpoint", "Where it is mounted: /var/lib.")
    }

    private static func readMountOptions(_ fields: inout Fields) -> [String] {
        fields.checked("mountOptions", { $0.scalars("mountOptions", String.self, 0...64, "Options of mount: noatime, umask=0077.") }) { options in
            options.first { $0.isEmpty || $0.contains { $0.isWhitespace || $0 == "," } }.map { "\"\($0)\" is no option of mount; write each by itself, as noatime" }
        }
    }

    private static let name = TextForm(
        marks: "_.+-", firstMarks: "_", count: 1...36, name: "a name: 1 to 36 letters, digits, or any of _ . + -")

    /// Names become device-mapper and partition labels: letters, digits and a few marks.
    private static func readName(_ fields: inout Fields) -> String {
        fields.text("name", name, "Its name.")
    }
}
