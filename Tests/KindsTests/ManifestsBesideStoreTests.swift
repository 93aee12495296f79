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
}
