import Manifest
import Resource

/// No two nodes answer to one name, and nobody takes the name of a node's child.
func checkNames(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var hostnames = FirstOwners<String>()
    var machines: [String: String] = [:]
    var disks: [String: String] = [:]
    var installed: [String: String] = [:]
    var installers = FirstOwners<ObjectName>()
    var domains: [String: DNSName] = [:]
    for cluster in world.clusters where !cluster.isBroken("spec.domain") {
        for name in cluster.spec.nodes { domains[name.scalarText] = cluster.spec.domain }
    }
    for node in world.nodes where !node.isBroken("spec.domain") {
        let domain = node.spec.domain ?? domains[node.name]
        let name = node.spec.hostname.scalarText + (domain.map { ".\($0)" } ?? "")
        if let first = node.claim(name, in: &hostnames, at: "spec.hostname") {
            problems += node.problem("spec.hostname", "\"\(name)\" is already the name of \(first)")
        }
        if node.spec.system != nil { installed[node.name] = node.described(at: "spec.system") }
        guard case .virtual = node.spec.machine else { continue }
        machines[node.name] = node.described(at: "metadata.name")
        for disk in node.spec.disks { disks["\(node.name)-\(disk.deviceName)"] = node.described(at: "metadata.name") }
    }
    for machine in world.machines {
        guard let maker = machines[machine.name] else { continue }
        problems += machine.problem("metadata.name", "\"\(machine.name)\" is the name of the VirtualMachine that \(maker) makes")
    }
    for disk in world.disks {
        guard let maker = disks[disk.name] else { continue }
        problems += disk.problem("metadata.name", "\"\(disk.name)\" is the name of the Disk that \(maker) makes")
    }
    for installation in world.installations {
        let node = installation.spec.node
        if let maker = installed[node.scalarText] {
            problems += installation.problem("spec.node", "\"\(node)\" is installed by the Installation that \(maker) makes")
        } else if let first = installation.claim(node, in: &installers, at: "spec.node") {
            problems += installation.problem("spec.node", "\"\(node)\" is already installed by \(first)")
        }
    }
    return problems
}
