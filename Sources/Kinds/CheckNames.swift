import Manifest
import Resource

/// No two nodes answer to one name, and nobody takes the name of a node's child.
func checkNames(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var hostnames = FirstOwners<String>()
    var machines: [String: CheckedWorld.Entry<Node>] = [:]
    var disks: [String: CheckedWorld.Entry<Node>] = [:]
    var installed: [String: CheckedWorld.Entry<Node>] = [:]
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
        if node.spec.system != nil { installed[node.name] = node }
        guard case .virtual = node.spec.machine else { continue }
        machines[node.name] = node
        for disk in node.spec.disks { disks["\(node.name)-\(disk.deviceName)"] = node }
    }
    /// Whichever of the two is written here can be written otherwise.
    func clash<K: Kind>(_ child: CheckedWorld.Entry<K>, _ maker: CheckedWorld.Entry<Node>?) -> [Problem] {
        guard let maker else { return [] }
        guard child.draft == nil else {
            return child.problem("metadata.name", "\"\(child.name)\" is the name of the \(K.name) that \(maker.described(at: "metadata.name")) makes")
        }
        return maker.problem("metadata.name", "would make \(child.reference), and there is one that is nobody's; delete that first, or choose another name")
    }
    for machine in world.machines { problems += clash(machine, machines[machine.name]) }
    for disk in world.disks { problems += clash(disk, disks[disk.name]) }
    for installation in world.installations {
        let node = installation.spec.node
        if let maker = installed[node.scalarText] {
            problems += installation.problem("spec.node", "\"\(node)\" is installed by the Installation that \(maker.described(at: "spec.system")) makes")
            if installation.draft == nil {
                problems += maker.problem("spec.system", "makes an Installation, and the node is installed by \(installation.reference) already; delete that, or leave spec.system out")
            }
        } else if let first = installation.claim(node, in: &installers, at: "spec.node") {
            problems += installation.problem("spec.node", "\"\(node)\" is already installed by \(first)")
        }
    }
    return problems
}
