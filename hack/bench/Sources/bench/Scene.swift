import Foundation
import Kinds
import Reconcile
import Resource
import Store

/// A site of many virtual nodes, a hundred to a cluster and a segment, each with one disk and the layout of the
/// reference cluster. A Node becomes a VirtualMachine and a Disk.
struct Scene {
    static let nodesPerCluster = 100
    static let machinesByHand = 16

    /// At most 25,600: what the addresses and names are made for.
    var nodes: Int

    /// The site whose records, children included, come nearest to `objects`.
    static func of(objects: Int) -> Scene {
        var scene = Scene(nodes: max(1, objects / 3))
        while scene.nodes > 1, scene.objects > objects { scene.nodes -= 1 }
        return scene
    }

    var clusters: Int { (nodes + Self.nodesPerCluster - 1) / Self.nodesPerCluster }
    var clusterNames: [String] { (0..<clusters).map { "c\(padded($0, 3))" } }
    /// One Host, a Cluster and a Network for every hundred nodes, the machines by hand, and of every node itself, its
    /// machine and its disk.
    var objects: Int { 1 + 2 * clusters + Self.machinesByHand + 3 * nodes }
    var summary: String {
        "\(objects) objects (\(nodes) Nodes, \(nodes + Self.machinesByHand) VirtualMachines, \(nodes) Disks, \(clusters) Clusters, "
            + "\(clusters) Networks, 1 Host)"
    }

    /// One file a cluster, and one for the host and the machines that nobody owns.
    func files() -> [(file: String, bytes: [UInt8])] {
        [(file: "host.yaml", bytes: Array((Self.host + (0..<Self.machinesByHand).map { Self.byHand($0) }.joined()).utf8))]
            + (0..<clusters).map { (file: "c\(padded($0, 3)).yaml", bytes: Array(cluster($0).utf8)) }
    }

    private static let host = """
        apiVersion: plasma.cloud/v1alpha1
        kind: Host
        metadata:
          name: \(SimulatedWorld.host)
        spec:
          accelerator: tcg

        """

    static func byHand(_ index: Int, cpus: Int = 1) -> String {
        """
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: VirtualMachine
        metadata:
          name: hand-\(index)
        spec:
          cpus: \(cpus)
          memory: 256MiB
          firmware: bios

        """
    }

    private func cluster(_ index: Int) -> String {
        let first = index * Self.nodesPerCluster
        let members = first..<min(first + Self.nodesPerCluster, nodes)
        let name = "c\(padded(index, 3))"
        return """
            apiVersion: plasma.cloud/v1alpha1
            kind: Cluster
            metadata:
              name: \(name)
            spec:
              domain: \(name).bench.local
              network: \(name)
              nodes: [\(members.map(Self.nodeName).joined(separator: ", "))]
              bootstrap:
                initialPeers: [\(Self.nodeName(first))]
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Network
            metadata:
              name: \(name)
            spec:
              driver: multicast
              multicast:
                group: 230.0.\(index).1:1234
                localAddress: 127.0.0.1
              subnet: 10.0.\(index).0/24
              gateway: 10.0.\(index).1

            """ + members.map { Self.node($0) }.joined()
    }

    static func nodeName(_ index: Int) -> String { "n\(padded(index, 5))" }

    static func node(_ index: Int, cpus: Int = 2, metal: Bool = false) -> String {
        let (cluster, member) = index.quotientAndRemainder(dividingBy: nodesPerCluster)
        let machine = metal
            ? "metal: {bmc: {address: \"https://192.0.2.9\", credentials: {username: admin, passwordFile: /etc/bmc}}}"
            : "virtual: {cpus: \(cpus), memory: 4GiB, firmware: uefi, bootOrder: [disk, network]}"
        let hex = [index >> 16, index >> 8, index].map { padded(String($0 & 0xff, radix: 16), 2) }.joined(separator: ":")
        return """
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Node
            metadata:
              name: \(nodeName(index))
              labels:
                plasma.cloud/cluster: c\(padded(cluster, 3))
            spec:
              hostname: \(nodeName(index))
              domain: c\(padded(cluster, 3)).bench.local
              role: worker
              interfaces:
              - network: c\(padded(cluster, 3))
                address: 10.0.\(cluster).\(member + 10)
                mac: "52:54:00:\(hex)"
              machine:
                \(machine)
              disks:
              - device: /dev/vda
                size: 100GB
                format: qcow2
                layout:
                  content:
                    type: gpt
                    partitions:
                    - name: ESP
                      size: 512MB
                      type: EF00
                      content:
                        type: filesystem
                        format: vfat
                        mountpoint: /boot
                        mountOptions: [umask=0077]
                    - name: lvm
                      size: 100%
                      type: 8E00
                      content:
                        type: lvm_pv
                        vg: pool
                  lvm_vg:
                  - name: pool
                    lvs:
                    - name: root
                      size: 80GB
                      content:
                        type: filesystem
                        format: ext4
                        mountpoint: /
                    - name: data
                      size: 100%FREE
                      content:
                        type: filesystem
                        format: ext4
                        mountpoint: /var/lib
              system:
                flake: path:/etc/plasma/cluster
                attribute: \(nodeName(index))
                installer: nixos-anywhere

            """
    }
}

func padded(_ number: Int, _ width: Int) -> String { padded(String(number), width) }

func padded(_ text: String, _ width: Int) -> String { String(repeating: "0", count: max(0, width - text.count)) + text }

/// Reads manifests that hold no mistake.
func drafts(_ files: [(file: String, bytes: [UInt8])]) throws -> [Draft] {
    let reading = Catalog.table.read(files)
    guard let problem = reading.problems.first else { return reading.drafts }
    throw BenchFailure("the bench's own manifest is refused: \(problem)")
}

func drafts(_ text: String) throws -> [Draft] { try drafts([(file: "change.yaml", bytes: Array(text.utf8))]) }

struct BenchFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
