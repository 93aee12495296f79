import Manifest
import Resource

/// What the disks of a machine hold fits them, hangs together, and boots.
func checkLayouts(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var attached: Set<String> = []
    for node in world.nodes where !node.isBroken("spec.disks") {
        let isDirect = if case .virtual(let machine) = node.spec.machine { machine.boot != nil } else { false }
        let disks = node.spec.disks.enumerated().compactMap { index, disk in
            disk.layout.map { LaidOutDisk(path: "spec.disks[\(index)]", size: disk.size, layout: $0, isKept: disk.wipePolicy == .never) { node.problem($0, $1) } }
        }
        var check = LayoutCheck(disks: disks)
        problems += check.run(firmware: isDirect || node.isBroken("spec.machine") ? nil : node.spec.machine.firmware) {
            node.problem("spec.disks", $0)
        }
    }
    for machine in world.machines {
        let disks = machine.spec.disks.compactMap { use -> LaidOutDisk? in
            guard let disk = world.disk(use.disk), attached.insert(disk.name).inserted, !disk.isBroken("spec.layout"),
                !disk.isBroken("spec.size"),
                let layout = disk.spec.layout
            else { return nil }
            return LaidOutDisk(path: "spec", size: disk.spec.size, layout: layout, isKept: disk.spec.wipePolicy == .never) { disk.problem($0, $1) }
        }
        var check = LayoutCheck(disks: disks)
        let needsBoot = machine.spec.boot == nil && machine.draft?.isSound ?? true
        problems += check.run(firmware: needsBoot ? machine.spec.firmware : nil) { machine.problem("spec.disks", $0) }
    }
    for disk in world.disks where !attached.contains(disk.name) {
        guard let layout = disk.spec.layout, !disk.isBroken("spec.layout"), !disk.isBroken("spec.size") else { continue }
        var check = LayoutCheck(disks: [LaidOutDisk(path: "spec", size: disk.spec.size, layout: layout, isKept: disk.spec.wipePolicy == .never) { disk.problem($0, $1) }])
        problems += check.run(firmware: nil) { disk.problem("spec.layout", $0) }
    }
    return problems
}

struct LaidOutDisk {
    /// Where the disk stands in its object: "spec.disks[0]".
    var path: String
    var size: ByteCount
    var layout: Layout
    /// Its wipePolicy is Never.
    var isKept: Bool
    var problem: (_ path: String, _ message: String) -> [Problem]
}

/// The layouts of one machine's disks, looked at together: a group may span disks, and mounts are the machine's.
struct LayoutCheck {
    let disks: [LaidOutDisk]
    var problems: [Problem] = []
    /// The disk that is being walked.
    private var current = 0
    private var mounts = FirstOwners<String>()
    private var mapped = FirstOwners<String>()
    private var hasESP = false, mountsESP = false
    /// What the leaves say they belong to: group, place and bytes that they bring (nil: not known).
    var members: [Membership.Group: [Membership]] = [:]

    struct Membership {
        struct Group: Hashable {
            /// "lvm_vg", "mdadm", "zpool", "bcachefs_filesystems"
            var list: String
            var name: String
        }

        var disk: Int
        var path: String
        var bytes: UInt64?
    }

    init(disks: [LaidOutDisk]) { self.disks = disks }

    mutating func note(_ path: String, _ message: String) { problems += disks[current].problem(path, message) }
    mutating func note(disk: Int, _ path: String, _ message: String) { problems += disks[disk].problem(path, message) }

    /// - Parameter firmware: of a machine that boots from these disks; nil when nothing needs to boot.
    mutating func run(firmware: VirtualMachine.Firmware?, whole: (String) -> [Problem]) -> [Problem] {
        guard !disks.isEmpty else { return [] }
        for (index, disk) in disks.enumerated() {
            current = index
            walk(disk.layout.content, "\(disk.path).layout.content", bytes: disk.size.bytes)
        }
        checkGroups()
        guard let firmware else { return problems }
        if mounts.claim("/", { "" }) == nil {
            problems += whole("nothing is mounted at \"/\": one filesystem of the layout needs mountpoint: /")
        }
        switch firmware {
        case .uefi where !hasESP:
            problems += whole("has no EFI system partition: firmware uefi needs a partition of type EF00 that holds vfat")
        case .uefi where !mountsESP:
            problems += whole("mounts its EFI system partition nowhere, and the boot loader is installed where it is mounted: give it mountpoint: /boot")
        case .uefi: break
        case .bios: checkGrub()
        }
        return problems
    }

    /// It goes onto the first disk, unless one has a partition for it: between a GPT and its partitions it has no room of its own.
    private mutating func checkGrub() {
        guard !disks.contains(where: \.layout.hasBIOSBootPartition), disks[0].layout.content.isGPT else { return }
        note(
            disk: 0, "\(disks[0].path).layout.content.partitions",
            "have none for the boot loader: firmware bios needs a partition of type EF02 in a GPT, of 1MiB and without content")
    }

    /// - Parameter bytes: what the content has; nil when not known.
    mutating func walk(_ content: Layout.Content?, _ path: String, bytes: UInt64?) {
        switch content {
        case nil, .swap?: break
        case .gpt(let table)?:
            walk(table.partitions.map { ($0.name, $0.size, $0.content, $0.type) }, path, bytes: bytes)
        case .table(let table)?:
            if table.format == .msdos, table.partitions.count > 4 {
                note("\(path).partitions", "has \(table.partitions.count) partitions; an MBR has at most 4")
            }
            walk(table.partitions.map { ($0.name, $0.size, $0.content, .linux) }, path, bytes: bytes)
        case .filesystem(let filesystem)?:
            claim(filesystem.mountpoint, path)
            if filesystem.mountpoint?.scalarText == "/", [.vfat, .exfat].contains(filesystem.format) {
                note("\(path).format", "\"\(filesystem.format.rawValue)\" cannot hold a root: it knows no owners and modes")
            }
        case .luks(let container)?:
            if let first = mapped.claim(container.name, { "\(path).name" }) {
                note("\(path).name", "\"\(container.name)\" is already the name of \(first)")
            }
            walk(container.content, "\(path).content", bytes: bytes.map { $0 - min($0, 16 << 20) })
        case .lvm_pv(let volume)?: join("lvm_vg", volume.vg, "\(path).vg", bytes)
        case .mdraid(let member)?: join("mdadm", member.name, "\(path).name", bytes)
        case .zfs(let member)?: join("zpool", member.pool, "\(path).pool", bytes)
        case .bcachefs(let member)?: join("bcachefs_filesystems", member.filesystem, "\(path).filesystem", bytes)
        case .btrfs(let filesystem)?:
            claim(filesystem.mountpoint, path)
            for (index, volume) in filesystem.subvolumes.enumerated() { claim(volume.mountpoint, "\(path).subvolumes[\(index)]") }
        }
    }

    /// At "mountpoint" of what stands at the path.
    mutating func claim(_ mountpoint: AbsolutePath?, _ path: String) {
        guard let mountpoint, let first = mounts.claim(mountpoint.scalarText, { "\(path).mountpoint" }) else { return }
        note("\(path).mountpoint", "\"\(mountpoint)\" is already mounted: \(first)")
    }

    private mutating func join(_ list: String, _ name: String, _ path: String, _ bytes: UInt64?) {
        members[Membership.Group(list: list, name: name), default: []].append(Membership(disk: current, path: path, bytes: bytes))
    }

    mutating func walk(disk: Int, _ content: Layout.Content?, _ path: String, bytes: UInt64?) {
        current = disk
        walk(content, path, bytes: bytes)
    }

    /// Partitions begin at whole MiB, the first after one MiB; the end holds the second GPT.
    private mutating func walk(
        _ partitions: [(name: String, size: PartitionSize, content: Layout.Content?, type: PartitionType)], _ path: String,
        bytes: UInt64?
    ) {
        var names = FirstOwners<String>()
        var used: UInt64 = 1 << 20
        let room = bytes.map { $0 - min($0, 1 << 20) }
        for (index, partition) in partitions.enumerated() {
            let here = "\(path).partitions[\(index)]"
            if let first = names.claim(partition.name, { here }) {
                note("\(here).name", "\"\(partition.name)\" is already the name of \(first)")
            }
            var size: UInt64?
            switch partition.size {
            case .bytes(let wanted):
                size = wanted.bytes
                let fitted = room.map { used <= $0 } ?? true
                used = sum(used, roundedUp(wanted.bytes, to: 1 << 20))
                if let room, used > room, fitted {
                    note("\(here).size", "\"\(wanted)\" does not fit: with it the partitions take \(human(used, of: room))")
                }
            case .rest:
                size = room.map { $0 - min($0, used) }
                if index < partitions.count - 1 {
                    let next = partitions[index + 1].name
                    note(
                        "\(here).size",
                        "\"100%\" takes all that is left, so it must be the last partition; \"\(next)\" comes after it")
                } else if let left = size, left < 1 << 20, let room, used <= room {
                    note("\(here).size", "\"100%\" is nothing: the partitions before it take all \(human(room))")
                }
            }
            if partition.type == .efiSystem { checkESP(partition.content, here) }
            walk(partition.content, "\(here).content", bytes: size)
        }
    }

    private mutating func checkESP(_ content: Layout.Content?, _ path: String) {
        hasESP = true
        switch content {
        case .filesystem(let filesystem)? where filesystem.format == .vfat: mountsESP = mountsESP || filesystem.mountpoint != nil
        case .mdraid(let member)?:
            let array = disks.lazy.flatMap(\.layout.mdadm).first { $0.name == member.name }
            mountsESP = mountsESP || array?.content?.mountpoint != nil
        default:
            let held =
                if case .filesystem(let filesystem)? = content { filesystem.format.rawValue } else { content?.type ?? "nothing" }
            note("\(path).content", "is an EFI system partition (EF00), which must hold vfat, not \(held)")
            mountsESP = true
        }
    }
}

func roundedUp(_ bytes: UInt64, to unit: UInt64) -> UInt64 { sum(bytes, unit - 1) / unit * unit }

/// Ends at the largest number instead of trapping: sizes come from people.
func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

/// "20.5 GB", for sums that no round unit divides.
func human(_ bytes: UInt64) -> String {
    let (unit, name): (UInt64, String) = bytes >= 1_000_000_000 ? (1_000_000_000, "GB") : (1_000_000, "MB")
    return "\(bytes / unit).\(bytes % unit / (unit / 10)) \(name)"
}

/// "120.5 GB of 99.9 GB"; in bytes where the two would look the same.
func human(_ bytes: UInt64, of room: UInt64) -> String {
    human(bytes) == human(room) ? "\(bytes) of \(room) bytes" : "\(human(bytes)) of \(human(room))"
}
