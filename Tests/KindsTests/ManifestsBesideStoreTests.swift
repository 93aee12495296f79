import Manifest
import Resource
import Testing

@testable import Kinds

@Suite struct ManifestsBesideStoreTests {
    private func objects(_ text: String) -> [any AnyResource] {
        Catalog.table.read([("store.yaml", Array(text.utf8))]).drafts.map(\.resource)
    }

    private let network = """
        apiVersion: plasma.cloud/v1alpha1
        kind: Network
        metadata: {name: lan}
        spec: {driver: multicast, subnet: 10.0.0.0/24, gateway: 10.0.0.1}

        """

    private func node(_ name: String, _ address: String, _ mac: String) -> String {
        """
        apiVersion: plasma.cloud/v1alpha1
        kind: Node
        metadata: {name: \(name)}
        spec:
          hostname: \(name)
          interfaces: [{network: lan, address: \(address), mac: "\(mac)"}]
          machine: {virtual: {memory: 1GiB}}

        """
    }

    @Test func `a draft may refer to what is stored`() {
        #expect(problems(node("a", "10.0.0.11", "52:54:00:00:00:01"), beside: objects(network)) == [])
    }

    @Test func `a draft may not take what a stored object has`() {
        let stored = objects(network + "---\n" + node("a", "10.0.0.11", "52:54:00:00:00:01"))
        #expect(
            problems(node("b", "10.0.0.11", "52:54:00:00:00:01"), beside: stored) == [
                "test.yaml:6:40: Node/b spec.interfaces[0].address: \"10.0.0.11\" is already the address of Node/a",
                "test.yaml:6:56: Node/b spec.interfaces[0].mac: \"52:54:00:00:00:01\" is already the MAC address of Node/a",
            ])
    }

    @Test func `a stored object that is drafted anew does not clash with itself`() {
        let text = network + "---\n" + node("a", "10.0.0.11", "52:54:00:00:00:01")
        #expect(problems(text, beside: objects(text)) == [])
    }

    @Test func `a leaving object cannot be named any more`() {
        var stored = objects(network)
        stored[0].metadata.deletionTimestamp = .now
        #expect(
            problems(node("a", "10.0.0.11", "52:54:00:00:00:01"), beside: stored) == [
                "test.yaml:6:26: Node/a spec.interfaces[0].network: "
                    + "\"lan\" is being deleted; name another Network, or delete this too, and apply both again once they are gone"
            ])
    }

    @Test func `children that are stored do not clash with their owners`() {
        let child = """
            apiVersion: plasma.cloud/v1alpha1
            kind: VirtualMachine
            metadata: {name: a}
            spec:
              memory: 1GiB
              interfaces: [{network: lan, address: 10.0.0.11, mac: "52:54:00:00:00:01"}]

            """
        let text = network + "---\n" + node("a", "10.0.0.11", "52:54:00:00:00:01")
        var machine = objects(child)[0]
        machine.metadata.ownerReferences = [OwnerReference(kind: "Node", name: "a", uid: "1")]
        #expect(problems(text, beside: [machine]) == [])
        #expect(problems(text + "---\n" + child, beside: objects(text) + [machine]) == [])
        #expect(problems(text + "---\n" + child).count == 3)
    }

    @Test func `what is wrong in the store already is not told of a draft`() {
        let stored = objects(node("a", "10.9.0.11", "52:54:00:00:00:01") + "---\n" + node("b", "10.9.0.11", "52:54:00:00:00:01"))
        #expect(problems(network, beside: stored) == [])
    }

    @Test func `a node does not take the place of what somebody made by hand`() {
        let machine = """
            apiVersion: plasma.cloud/v1alpha1
            kind: VirtualMachine
            metadata: {name: a}
            spec:
              memory: 1GiB

            """
        let installation = """
            apiVersion: plasma.cloud/v1alpha1
            kind: Installation
            metadata: {name: by-hand}
            spec: {node: a, flake: "github:example/cluster"}

            """
        let drawn = node("a", "10.0.0.11", "52:54:00:00:00:01")
        let stored = objects(network + "---\n" + drawn + "---\n" + installation)
        #expect(
            problems(drawn + "  system: {flake: \"github:example/cluster\"}\n", beside: stored) == [
                "test.yaml:8:11: Node/a spec.system: makes an Installation, and the node is installed by Installation/by-hand already; delete that, or leave spec.system out"
            ])
        #expect(
            problems(drawn, beside: objects(network + "---\n" + machine)) == [
                "test.yaml:3:18: Node/a metadata.name: would make VirtualMachine/a, and there is one that is nobody's; delete that first, or choose another name"
            ])
    }

    @Test func `the members of a Raft group are the nodes of one cluster`() {
        func cluster(_ name: String, _ node: String) -> String {
            """
            apiVersion: plasma.cloud/v1alpha1
            kind: Cluster
            metadata: {name: \(name)}
            spec:
              domain: \(name).local
              network: lan
              nodes: [\(node)]
              services: [flashdns, chainfire]
              bootstrap: {initialPeers: [\(node)]}

            """
        }
        func service(_ name: String, _ nodes: String = "") -> String {
            """
            apiVersion: plasma.cloud/v1alpha1
            kind: Service
            metadata: {name: \(name)}
            spec: {ports: [{name: clients, port: \(name == "chainfire" ? 2379 : 8053)}]\(nodes)}

            """
        }
        let first = [network, node("a", "10.0.0.11", "52:54:00:00:00:01"), node("b", "10.0.0.12", "52:54:00:00:00:02"), service("flashdns")]
        let stored = (first + [service("chainfire"), cluster("one", "a")]).joined(separator: "---\n")
        #expect(
            problems(cluster("two", "b"), beside: objects(stored)) == [
                "test.yaml:8:24: Cluster/two spec.services[1]: \"chainfire\" runs on the nodes of Cluster/one already, and its members are one Raft group; leave it out here, or have another plasma server keep this cluster"
            ])
        let own = (first + [service("chainfire", ", nodes: [a]"), cluster("one", "a")]).joined(separator: "---\n")
        #expect(problems(cluster("two", "b"), beside: objects(own)) == [])
    }
}
