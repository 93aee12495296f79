import Manifest
import Resource

/// Every name of another object leads to one; and no list names one twice.
func checkReferences(_ world: CheckedWorld) -> [Problem] {
    var check = ReferenceCheck(world: world)
    for cluster in world.clusters {
        let spec = cluster.spec
        check.one(cluster, "spec.network", Network.self, spec.network)
        check.all(cluster, "spec.nodes", Node.self, spec.nodes)
        check.all(cluster, "spec.services", Service.self, spec.services)
        check.all(cluster, "spec.bootstrap.initialPeers", Node.self, spec.bootstrap.initialPeers)
        check.one(cluster, "spec.trust.certificateAuthority", CertificateAuthority.self, spec.trust?.certificateAuthority)
    }
    for node in world.nodes {
        for (index, interface) in node.spec.interfaces.enumerated() {
            check.one(node, "spec.interfaces[\(index)].network", Network.self, interface.network)
        }
        if case .virtual(let machine) = node.spec.machine {
            check.one(node, "spec.machine.virtual.host", Host.self, machine.host)
        }
        check.one(node, "spec.system.netBoot", NetBoot.self, node.spec.system?.netBoot)
        check.all(node, "spec.services", Service.self, node.spec.services)
    }
    for machine in world.machines {
        for (index, disk) in machine.spec.disks.enumerated() {
            check.one(machine, "spec.disks[\(index)].disk", Disk.self, disk.disk)
        }
        for (index, interface) in machine.spec.interfaces.enumerated() {
            check.one(machine, "spec.interfaces[\(index)].network", Network.self, interface.network)
        }
        check.one(machine, "spec.host", Host.self, machine.spec.host)
    }
    for authority in world.authorities {
        check.one(authority, "spec.issuerRef.name", CertificateAuthority.self, authority.spec.issuerRef?.name)
    }
    for certificate in world.certificates {
        check.one(certificate, "spec.issuerRef.name", CertificateAuthority.self, certificate.spec.issuerRef.name)
        check.one(certificate, "spec.node", Node.self, certificate.spec.node)
    }
    for netBoot in world.netBoots {
        check.one(netBoot, "spec.network", Network.self, netBoot.spec.network)
        check.all(netBoot, "spec.nodes", Node.self, netBoot.spec.nodes)
    }
    for installation in world.installations {
        check.one(installation, "spec.node", Node.self, installation.spec.node)
        check.one(installation, "spec.netBoot", NetBoot.self, installation.spec.netBoot)
    }
    for service in world.services {
        check.all(service, "spec.nodes", Node.self, service.spec.nodes)
        check.all(service, "spec.dependsOn", Service.self, service.spec.dependsOn)
        check.one(service, "spec.certificate", Certificate.self, service.spec.certificate)
    }
    return check.problems
}

private struct ReferenceCheck {
    let world: CheckedWorld
    var problems: [Problem] = []

    /// - Parameter others: named beside it, so not what was meant.
    mutating func one<K: Kind, Target: Kind>(
        _ entry: CheckedWorld.Entry<K>, _ path: String, _: Target.Type, _ name: ObjectName?, others: Set<ObjectName> = []
    ) {
        guard let name, !world.has(Target.self, name), !entry.isBroken(path) else { return }
        if world.isLeaving(Target.self, name) {
            problems += entry.problem(path, "\"\(name)\" is being deleted; name another \(Target.name), or delete this too, and apply both again once they are gone")
            return
        }
        let known = world.names(of: Target.self).filter { name in !others.contains { $0.scalarText == name } }
        let hint = suggestion(
            name.scalarText, known, else: world.names(of: Target.self).isEmpty ? "; there is no \(Target.name) at all" : "")
        problems += entry.problem(path, "\"\(name)\" names no \(Target.name) that exists\(hint)")
    }

    mutating func all<K: Kind, Target: Kind>(
        _ entry: CheckedWorld.Entry<K>, _ path: String, _: Target.Type, _ names: [ObjectName]
    ) {
        guard !entry.isBroken(path) else { return }  // places in the list would be others than those written
        let others = Set(names)
        var before: Set<ObjectName> = []
        for (index, name) in names.enumerated() {
            one(entry, "\(path)[\(index)]", Target.self, name, others: others)
            if !before.insert(name).inserted { problems += entry.problem("\(path)[\(index)]", "\"\(name)\" is named twice") }
        }
    }
}
