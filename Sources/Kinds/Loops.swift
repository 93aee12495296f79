import Foundation
import Logging
import NixOS
import PKI
import Probe
import NetBoot
import QEMU
import Reconcile
import Resource
import Segment
import ServiceLifecycle

import protocol Host.Processes
import protocol Host.Time
import protocol Store.Store

/// The drivers of one host and the loops that use them: everything of the world that reconciling needs.
package struct Drivers: Sendable {
    package let hypervisor: Hypervisor
    package let segments: Segments
    package let images: Images
    private let prober: Prober
    /// What plasma shows to the machines that it installs.
    private let identity: SSHIdentity
    package let bootServers: BootServers
    private let fetched: FetchedFiles
    private let pinned = PinnedFiles()
    /// The name of the Host that this machine is.
    package let host: String
    private let directory: String
    /// Where drivers keep what is no record: certificates with their keys, and other secrets.
    package let vault: Vault
    private let store: any Store
    private let processes: any Processes
    private let time: any Time

    /// - Parameter directory: the data directory; machines, disks and facts of the host get folders in it.
    package init(directory: String, host: String, store: any Store, processes: any Processes, time: any Time, logger: Logger) {
        self.directory = directory
        self.store = store
        self.host = host
        self.processes = processes
        self.time = time
        hypervisor = Hypervisor(machines: directory + "/machines", processes: processes, time: time, logger: logger)
        segments = Segments(logger: logger)
        images = Images(processes: processes)
        bootServers = BootServers(leases: directory + "/leases", time: time, logger: logger)
        fetched = FetchedFiles(directory: directory + "/netboot")
        vault = Vault(store: store, sealingKeyFile: directory + "/vault.key")
        identity = SSHIdentity(directory: directory + "/ssh", processes: processes)
        prober = Prober(time: time, shell: NodeShell(identity: identity, vault: vault, processes: processes))
    }

    /// Where installers have their directories.
    private var installations: String { directory + "/installations" }

    /// The log of what installs a node.
    package func log(of installation: Resource<Installation>) -> String {
        Installation.Keeper.log(ofNode: installation.spec.node.scalarText, in: installations)
    }

    /// Makes what drivers need before anything is looked at: a look makes nothing.
    package func prepare() async throws { _ = try await identity.publicKey() }

    /// Every kind that has a reconcile loop.
    /// - Parameters:
    ///   - performs: false leaves every performer out: what remains can only look.
    ///   - looksAnew: for a diff, which tells of now: machines are asked whenever they are looked at.
    package func loops(performs: Bool, looksAnew: Bool = false) -> [AnyLoop] {
        let hostDriver = Host.Keeper(here: host, directory: directory + "/host", processes: processes, time: time)
        let machines = VirtualMachine.Keeper(
            hypervisor: hypervisor, segments: segments, time: time, host: host, findFirmware: { QEMU.findFirmware() })
        let disks = Disk.Keeper(images: images, hypervisor: hypervisor, directory: directory + "/disks")
        let networks = Network.Keeper(segments: segments)
        let health = Service.Keeper(prober: prober, certificates: vault, assigns: performs, time: time)
        let vaulted = Authorities(vault: vault)
        let authorities = CertificateAuthority.Keeper(authorities: vaulted, time: time)
        let certificates = Certificate.Keeper(identities: Identities(vault: vault), authorities: vaulted, time: time)
        let installations = Installation.Keeper(
            directory: self.installations, identity: identity, vault: vault, processes: processes, images: pinned, time: time, mustSee: !performs,
            looksAnew: looksAnew)
        let netBoots = NetBoot.Keeper(servers: bootServers, fetched: fetched) { [identity] in
            guard let key = identity.knownKey else { throw NixOSError.system("plasma has no SSH key yet: its server makes one when it starts") }
            return [key]
        }
        return [
            AnyLoop(Loop<Cluster.Planning>(observer: Cluster.Keeper(), performer: performs ? Cluster.Keeper() : nil, interval: .seconds(60))),
            AnyLoop(Loop<Host.Planning>(observer: hostDriver, performer: performs ? hostDriver : nil, interval: .seconds(30))),
            AnyLoop(Loop<Network.Planning>(observer: networks, performer: performs ? networks : nil)),
            AnyLoop(Loop<Disk.Planning>(observer: disks, performer: performs ? disks : nil, interval: .seconds(15))),
            AnyLoop(Loop<VirtualMachine.Planning>(
                observer: machines, performer: performs ? machines : nil, wakes: { machines.wakes() })),
            AnyLoop(Loop<Service.Planning>(
                observer: health, performer: performs ? health : nil, wakes: { health.wakes() }, interval: .seconds(60))),
            AnyLoop(Loop<CertificateAuthority.Planning>(
                observer: authorities, performer: performs ? authorities : nil, wakes: { authorities.wakes() }, interval: .seconds(60))),
            AnyLoop(Loop<Certificate.Planning>(observer: certificates, performer: performs ? certificates : nil, interval: .seconds(60))),
            AnyLoop(Loop<Installation.Planning>(observer: installations, performer: performs ? installations : nil, interval: .seconds(60))),
            AnyLoop(Loop<NetBoot.Planning>(observer: netBoots, performer: performs ? netBoots : nil, wakes: { netBoots.wakes() })),
            AnyLoop(Loop<Node.Planning>(observer: Node.Keeper(), performer: performs ? Node.Keeper() : nil, interval: .seconds(60))),
        ]
    }

    /// What must run for the drivers to work: QMP connections, relays, boot servers, probes.
    package var services: [any ServiceLifecycle.Service] {
        [
            DriverService { try await hypervisor.run() }, DriverService { try await segments.run() },
            DriverService { try await bootServers.run() }, DriverService { try await prober.run() },
        ]
    }
}

private struct DriverService: ServiceLifecycle.Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await body() }
        } catch is CancellationError {}
    }
}

extension Catalog {
    /// The kinds that have a reconcile loop; objects of the others are recorded and checked, no more.
    package static let reconciled: Set<String> = [
        Cluster.name, Host.name, Network.name, Disk.name, VirtualMachine.name, Node.name,
        CertificateAuthority.name, Certificate.name, NetBoot.name, Installation.name, Service.name,
    ]

    /// What each Node among the drafts becomes.
    package static func children(of drafts: [Draft]) -> [any AnyResource] {
        drafts.flatMap { draft -> [any AnyResource] in
            (draft.resource as? Resource<Node>).flatMap { Node.children(of: $0) } ?? []
        }
    }
}
