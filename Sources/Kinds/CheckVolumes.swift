import Manifest

/// Groups: every member's group is there, every group has members, and volumes fit.
extension LayoutCheck {
    mutating func checkGroups() {
        var groups: [Membership.Group] = []
        var firsts = FirstOwners<Membership.Group>()
        // Arrays first: a group may be made of them. Then pools and volumes.
        for (index, disk) in disks.enumerated() {
            for (place, array) in disk.layout.mdadm.enumerated() {
                let path = "\(disk.path).layout.mdadm[\(place)]"
                guard declare("mdadm", array.name, index, path, &firsts, &groups) else { continue }
                let parts = members[Membership.Group(list: "mdadm", name: array.name)] ?? []
                let least = [0: 2, 1: 2, 4: 3, 5: 3, 6: 4, 10: 2][array.level] ?? 2
                if !parts.isEmpty, parts.count < least {
                    note(
                        disk: index, "\(path).level",
                        "\"\(array.level)\" needs at least \(least) members; \"\(array.name)\" has \(parts.count)")
                }
                walk(disk: index, array.content, "\(path).content", bytes: capacity(level: array.level, parts.map(\.bytes)))
            }
        }
        for (index, disk) in disks.enumerated() {
            for (place, pool) in disk.layout.zpool.enumerated() {
                let path = "\(disk.path).layout.zpool[\(place)]"
                guard declare("zpool", pool.name, index, path, &firsts, &groups) else { continue }
                claim(pool.mountpoint, path)
                for (number, dataset) in pool.datasets.enumerated() {
                    claim(dataset.mountpoint, "\(path).datasets[\(number)]")
                    walk(disk: index, dataset.content, "\(path).datasets[\(number)].content", bytes: dataset.size?.bytes)
                }
            }
            for (place, filesystem) in disk.layout.bcachefs_filesystems.enumerated() {
                let path = "\(disk.path).layout.bcachefs_filesystems[\(place)]"
                guard declare("bcachefs_filesystems", filesystem.name, index, path, &firsts, &groups) else { continue }
                walk(disk: index, nil, path, bytes: nil)
                claim(filesystem.mountpoint, path)
            }
            for (place, group) in disk.layout.lvm_vg.enumerated() {
                let path = "\(disk.path).layout.lvm_vg[\(place)]"
                guard declare("lvm_vg", group.name, index, path, &firsts, &groups) else { continue }
                checkVolumes(group, disk: index, path)
            }
        }
        for (group, leaves) in members.sorted(by: { ($0.key.list, $0.key.name) < ($1.key.list, $1.key.name) }) {
            guard !groups.contains(group) else {
                checkPolicies(group, leaves)
                continue
            }
            let known = groups.filter { $0.list == group.list }.map(\.name)
            for leaf in leaves {
                note(
                    disk: leaf.disk, leaf.path, "\"\(group.name)\" names nothing in \(group.list)\(suggestion(group.name, known))"
                )
            }
        }
    }

    /// disko destroys a group as a whole, with what its members on other disks hold.
    private mutating func checkPolicies(_ group: Membership.Group, _ leaves: [Membership]) {
        guard let kept = leaves.first(where: { disks[$0.disk].isKept }), leaves.contains(where: { !disks[$0.disk].isKept }) else { return }
        note(
            disk: kept.disk, kept.path,
            "\"\(group.name)\" has members on other disks, which may be wiped, and an installer destroys it with all of them; give its disks the same wipePolicy")
    }

    /// False when the name is taken.
    private mutating func declare(
        _ list: String, _ name: String, _ disk: Int, _ path: String, _ firsts: inout FirstOwners<Membership.Group>,
        _ groups: inout [Membership.Group]
    ) -> Bool {
        let group = Membership.Group(list: list, name: name)
        if let first = firsts.claim(group, { path }) {
            note(disk: disk, "\(path).name", "\"\(name)\" is already the name of \(first)")
            return false
        }
        groups.append(group)
        if members[group] == nil {
            let leaf = ["lvm_vg": "lvm_pv", "mdadm": "mdraid", "zpool": "zfs"][list] ?? "bcachefs"
            note(disk: disk, "\(path).name", "\"\(name)\" has no members: no content of type \(leaf) names it")
        }
        return true
    }

    /// A volume takes whole extents of 4 MiB; a physical volume keeps 1 MiB for itself.
    private mutating func checkVolumes(_ group: Layout.VolumeGroup, disk: Int, _ path: String) {
        let extent: UInt64 = 4 << 20
        let parts = members[Membership.Group(list: "lvm_vg", name: group.name)] ?? []
        let room = total(parts.map { $0.bytes.map { ($0 - min($0, 1 << 20)) / extent * extent } })
        var used: UInt64 = 0
        var names = FirstOwners<String>()
        for (index, volume) in group.lvs.enumerated() {
            let here = "\(path).lvs[\(index)]"
            if let first = names.claim(volume.name, { here }) {
                note(disk: disk, "\(here).name", "\"\(volume.name)\" is already the name of \(first)")
            }
            var bytes: UInt64?
            switch volume.size {
            case .bytes(let size):
                bytes = size.bytes
                let fitted = room.map { used <= $0 } ?? true
                used = sum(used, roundedUp(size.bytes, to: extent))
                if let room, !parts.isEmpty, used > room, fitted {
                    note(
                        disk: disk, "\(here).size",
                        "\"\(size)\" does not fit: with it the volumes take \(human(used, of: room)) of the group")
                }
            case .rest:
                bytes = room.map { $0 - min($0, used) }
                if index < group.lvs.count - 1 {
                    let next = group.lvs[index + 1].name
                    note(
                        disk: disk, "\(here).size",
                        "\"100%FREE\" takes all that is left, so it must be the last volume; \"\(next)\" comes after it")
                } else if let left = bytes, left < extent, !parts.isEmpty, let room, used <= room {
                    note(disk: disk, "\(here).size", "\"100%FREE\" is nothing: the volumes before it take all \(human(room))")
                }
            }
            walk(disk: disk, volume.content, "\(here).content", bytes: bytes)
        }
    }

    /// nil when one of them is not known.
    private func total(_ bytes: [UInt64?]) -> UInt64? {
        bytes.reduce(UInt64?.some(0)) { total, part in
            guard let total, let part else { return nil }
            return sum(total, part)
        }
    }

    private func capacity(level: Int, _ parts: [UInt64?]) -> UInt64? {
        let known = parts.compactMap(\.self)
        guard known.count == parts.count, let least = known.min(), let all = total(parts) else { return nil }
        return switch level {
        case 1: least
        case 4, 5: least * UInt64(known.count - 1)
        case 6: least * UInt64(max(known.count - 2, 0))
        case 10: all / 2
        default: all
        }
    }
}
