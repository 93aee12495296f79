/// What a disk, partition or volume should be like; a layout, written out flat.
package struct ExpectedStorage: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// "/dev/vda"
        case disk(String)
        /// The partition of a disk with this label.
        case partition(disk: String, label: String)
        case volume(group: String, name: String)
    }

    package var place: Place
    /// As a person knows it: "vda", "vda.ESP", "pool.root".
    package var name: String
    /// nil: whatever is left.
    package var bytes: UInt64?
    /// What lsblk calls its contents: "vfat", "ext4", "LVM2_member"; nil: not judged.
    package var filesystem: String?
    package var mountpoint: String?

    package init(place: Place, name: String, bytes: UInt64? = nil, filesystem: String? = nil, mountpoint: String? = nil) {
        self.place = place
        self.name = name
        self.bytes = bytes
        self.filesystem = filesystem
        self.mountpoint = mountpoint
    }
}

/// One difference between the storage of a machine and what it should be.
package struct StorageDifference: Hashable, Sendable {
    package enum Impact: Hashable, Sendable {
        /// Not there: could be made without losing anything.
        case missing
        /// Nobody asked for it.
        case extra
        /// Cannot be put right without destroying what it holds.
        case destructive
        /// Only mounted elsewhere, or not at all.
        case mount
    }

    /// "pool.root.size"
    package var path: String
    package var seen: String?
    package var wanted: String?
    package var impact: Impact

    package init(_ path: String, seen: String?, wanted: String?, impact: Impact) {
        self.path = path
        self.seen = seen
        self.wanted = wanted
        self.impact = impact
    }
}

/// Sizes are rounded to extents (4 MiB) and alignment (1 MiB), and tables take a little.
private let tolerance: UInt64 = 8 << 20

/// Compares what lsblk and lvs say with what is expected, in the order of what is expected; then what nobody expects.
package func storageDifferences(
    _ expected: [ExpectedStorage], devices: [BlockDevice], volumes: [LogicalVolume]
) -> [StorageDifference] {
    var found: [StorageDifference] = []
    let all = devices.flatMap(\.all)
    func device(_ place: ExpectedStorage.Place) -> BlockDevice? {
        switch place {
        case .disk(let path): devices.first { $0.path == path }
        case .partition(let disk, let label): devices.first { $0.path == disk }?.children.first { $0.partitionLabel == label }
        case .volume(let group, let name):
            all.first { $0.type == "lvm" && $0.name == LogicalVolume(group: group, name: name, bytes: 0).mapperName }
        }
    }
    for item in expected {
        var bytes: UInt64?
        let device = device(item.place)
        if case .volume(let group, let name) = item.place {
            let volume = volumes.first { $0.group == group && $0.name == name }
            bytes = volume?.bytes ?? device?.bytes
            if volume == nil, device == nil {
                found.append(StorageDifference(item.name, seen: nil, wanted: described(item), impact: .missing))
                continue
            }
        } else {
            guard let device else {
                found.append(StorageDifference(item.name, seen: nil, wanted: described(item), impact: .missing))
                continue
            }
            bytes = device.bytes
        }
        if let wanted = item.bytes, let bytes, max(wanted, bytes) - min(wanted, bytes) > tolerance {
            found.append(StorageDifference("\(item.name).size", seen: "\(bytes)", wanted: "\(wanted)", impact: .destructive))
        }
        if let wanted = item.filesystem, let device, device.filesystem != wanted {
            let impact: StorageDifference.Impact = device.filesystem == nil ? .missing : .destructive
            found.append(StorageDifference("\(item.name).type", seen: device.filesystem, wanted: wanted, impact: impact))
        }
        if let wanted = item.mountpoint, let device, !device.all.contains(where: { $0.mountpoints.contains(wanted) }) {
            let seen = device.mountpoints.isEmpty ? nil : device.mountpoints.joined(separator: ", ")
            found.append(StorageDifference("\(item.name).mountpoint", seen: seen, wanted: wanted, impact: .mount))
        }
    }
    return found + extras(expected, devices, volumes)
}

private func described(_ item: ExpectedStorage) -> String {
    [item.filesystem, item.bytes.map { "\($0) bytes" }, item.mountpoint.map { "at \($0)" }].compactMap { $0 }.joined(separator: " ")
}

/// Partitions of the disks and volumes of the groups that are laid out, which the layout does not name.
private func extras(_ expected: [ExpectedStorage], _ devices: [BlockDevice], _ volumes: [LogicalVolume]) -> [StorageDifference] {
    var labels: [String: Set<String>] = [:]
    var names: [String: Set<String>] = [:]
    for item in expected {
        switch item.place {
        case .disk: break
        case .partition(let disk, let label): labels[disk, default: []].insert(label)
        case .volume(let group, let name): names[group, default: []].insert(name)
        }
    }
    var found: [StorageDifference] = []
    for device in devices where labels[device.path] != nil {
        for part in device.children where part.type == "part" && !labels[device.path]!.contains(part.partitionLabel ?? "") {
            found.append(StorageDifference(
                "\(device.name).\(part.name)", seen: part.partitionLabel ?? part.filesystem ?? "a partition", wanted: nil, impact: .extra))
        }
    }
    for volume in volumes where names[volume.group].map({ !$0.contains(volume.name) }) ?? false {
        found.append(StorageDifference("\(volume.group).\(volume.name)", seen: "\(volume.bytes) bytes", wanted: nil, impact: .extra))
    }
    return found
}
