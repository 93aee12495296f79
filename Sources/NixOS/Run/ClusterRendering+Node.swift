extension ClusterRendering {
    /// `cluster-config.json` of one node; nil when the description has no such node.
    package func clusterConfig(ofNode name: String) -> RenderedFile? {
        description.nodes.first { $0.name == name }.map { node in
            RenderedFile(path: "\(name)/secrets/cluster-config.json", contents: Array((clusterConfig(of: node).json() + "\n").utf8))
        }
    }
}
