import Manifest
import Resource

/// Services wait for one another without a circle, and no two listen on one port of a node.
func checkServices(_ world: CheckedWorld) -> [Problem] {
    let entries = Dictionary(world.services.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var problems: [Problem] = []
    for circle in circles(world.services.map { ($0.name, $0.spec.dependsOn.map(\.scalarText)) }) {
        guard let service = entries[circle[0]],
            let place = service.spec.dependsOn.firstIndex(where: { $0.scalarText == circle[1] })
        else { continue }
        problems += service.problem("spec.dependsOn[\(place)]", "depends on itself: \(circle.joined(separator: " → "))")
    }
    return problems + checkPorts(world)
}

private func checkPorts(_ world: CheckedWorld) -> [Problem] {
    struct Listener: Hashable {
        var node: String
        var port: Int
        var transport: Service.Port.Transport
    }
    var problems: [Problem] = []
    var taken = FirstOwners<Listener>()
    let placement = Placement(world)
    for service in world.services {
        let nodes = placement.nodes(of: service)
        for (index, port) in service.spec.ports.enumerated() {
            let path = "spec.ports[\(index)].port"
            let clashes = nodes.compactMap { node in
                service.claim(Listener(node: node, port: port.port, transport: port.protocol), in: &taken, at: path).map {
                    (node, $0)
                }
            }
            guard let (node, first) = clashes.first else { continue }
            let others = clashes.count == 1 ? "" : " and \(clashes.count - 1) more"
            problems += service.problem(
                path, "\"\(port.port)\" (\(port.protocol.rawValue)) on Node/\(node)\(others) is already taken by \(first)")
        }
    }
    return problems
}

/// Where services run: on the nodes they name, else on those of the Clusters that name them; and on every Node that names them.
private struct Placement {
    private var byNode: [String: [String]] = [:]
    private var byCluster: [String: [String]] = [:]

    init(_ world: CheckedWorld) {
        for node in world.nodes {
            for service in node.spec.services { byNode[service.scalarText, default: []].append(node.name) }
        }
        for cluster in world.clusters {
            for service in cluster.spec.services {
                byCluster[service.scalarText, default: []] += cluster.spec.nodes.map(\.scalarText)
            }
        }
    }

    /// Each once, in order.
    func nodes(of service: CheckedWorld.Entry<Service>) -> [String] {
        let own = service.spec.nodes.map(\.scalarText)
        return Set((own.isEmpty ? byCluster[service.name] ?? [] : own) + (byNode[service.name] ?? [])).sorted()
    }
}

/// The circles of a graph, from the member that a search in the given order meets first back to it: [a, b, a].
/// At least one of every knot of circles.
func circles(_ graph: [(name: String, next: [String])]) -> [[String]] {
    let next = Dictionary(graph.map { ($0.name, $0.next) }, uniquingKeysWith: { first, _ in first })
    var finished: Set<String> = []
    var found: [[String]] = []
    for start in graph.map(\.name) where !finished.contains(start) {
        // A search with its own stack: a chain may be as long as the manifest.
        var trail = [(name: start, place: 0)]
        var onTrail: Set<String> = [start]
        while let (name, place) = trail.last {
            guard let ways = next[name], place < ways.count else {
                finished.insert(name)
                onTrail.remove(name)
                trail.removeLast()
                continue
            }
            trail[trail.count - 1].place += 1
            let way = ways[place]
            if onTrail.contains(way) {
                found.append(trail.map(\.name).drop { $0 != way } + [way])
            } else if !finished.contains(way) {
                trail.append((way, 0))
                onTrail.insert(way)
            }
        }
    }
    return found
}
