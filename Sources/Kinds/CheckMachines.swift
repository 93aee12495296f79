import Manifest
import Resource

/// Within a machine nothing is plugged in twice; between machines no disk, image or UUID is shared.
func checkMachines(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var uuids = FirstOwners<UUIDText>()
    var images = FirstOwners<FilePathText>()
    var attached = FirstOwners<ObjectName>()

    for node in world.nodes {
        var devices = FirstOwners<String>(), serials = FirstOwners<String>()
        for (index, disk) in node.spec.disks.enumerated() {
            let path = "spec.disks[\(index)]"
            if let first = node.isBroken("\(path).device") ? nil : devices.claim(disk.device.scalarText, { path }) {
                problems += node.problem("\(path).device", "\"\(disk.device)\" is already the device of \(first)")
            }
            problems += checkImage(node, path, disk.path, disk.backing, &images)
            if let serial = disk.serial, let first = node.isBroken("\(path).serial") ? nil : serials.claim(serial, { path }) {
                problems += node.problem("\(path).serial", "\"\(serial)\" is already the serial number of \(first)")
            }
        }
        guard case .virtual(let machine) = node.spec.machine else { continue }
        if let uuid = machine.uuid, let first = node.claim(uuid, in: &uuids, at: "spec.machine.virtual.uuid") {
            problems += node.problem("spec.machine.virtual.uuid", "\"\(uuid)\" is already the UUID of \(first)")
        }
    }
    for disk in world.disks { problems += checkImage(disk, "spec", disk.spec.path, disk.spec.backing, &images) }

    for machine in world.machines {
        if let uuid = machine.spec.uuid, let first = machine.claim(uuid, in: &uuids, at: "spec.uuid") {
            problems += machine.problem("spec.uuid", "\"\(uuid)\" is already the UUID of \(first)")
        }
        var devices = FirstOwners<String>()
        var bootIndices = FirstOwners<Int>()
        func claimBootIndex(_ index: Int?, _ path: String) {
            guard let index, let first = bootIndices.claim(index, { path }) else { return }
            problems += machine.problem("\(path).bootIndex", "\"\(index)\" is already the boot index of \(first)")
        }
        for (index, disk) in machine.spec.disks.enumerated() {
            let path = "spec.disks[\(index)]"
            if let first = machine.isBroken("\(path).device") ? nil : devices.claim(disk.device, { path }) {
                problems += machine.problem("\(path).device", "\"\(disk.device)\" is already the device of \(first)")
            }
            if let first = machine.claim(disk.disk, in: &attached, at: "\(path).disk") {
                problems += machine.problem("\(path).disk", "\"\(disk.disk)\" is already a disk of \(first)")
            } else if let owner = world.maker(ofDisk: disk.disk.scalarText) {
                problems += machine.problem("\(path).disk", "\"\(disk.disk)\" is already a disk of \(owner.reference)")
            }
            claimBootIndex(disk.bootIndex, path)
        }
        for (index, interface) in machine.spec.interfaces.enumerated() {
            claimBootIndex(interface.bootIndex, "spec.interfaces[\(index)]")
        }
    }
    return problems
}

/// One file is one disk's, and not its own backing.
private func checkImage<K: Kind>(
    _ entry: CheckedWorld.Entry<K>, _ base: String, _ path: FilePathText?, _ backing: Disk.Backing?,
    _ images: inout FirstOwners<FilePathText>
) -> [Problem] {
    guard let path else { return [] }
    if backing?.path == path { return entry.problem("\(base).backing.path", "\"\(path)\" is the image itself") }
    guard let first = entry.claim(path, in: &images, at: "\(base).path") else { return [] }
    return entry.problem("\(base).path", "\"\(path)\" is already the image of \(first)")
}
