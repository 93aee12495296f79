/// All that the NixOS systems of a cluster are made of: a plain value, which knows no records.
package struct ClusterDescription: Hashable, Sendable {
    /// What a port of clients wants to see of them.
    package enum ClientAuthentication: String, Hashable, Sendable { case none, optional, required }

    package struct Inputs: Hashable, Sendable {
        /// URLs of flakes, each of one branch, tag or commit.
        package var nixpkgs: String
        package var disko: String

        package static let usual = Inputs(
            nixpkgs: "github:NixOS/nixpkgs/nixos-26.05", disko: "github:nix-community/disko/v1.13.0")

        package init(nixpkgs: String, disko: String) {
            self.nixpkgs = nixpkgs
            self.disko = disko
        }
    }

    package var name: String
    package var domain: String
    /// In the order of the manifest. Each name is a path component.
    package var nodes: [NodeDescription]
    /// Names of the nodes that form the cluster together; empty: all join through `leaderURL`.
    package var initialPeers: [String]
    /// Client URL of a member of a cluster that exists.
    package var leaderURL: String?
    /// Whether its services speak TLS, with certificates of the cluster's authority.
    package var isSecure: Bool
    /// Whether the nodes are given revocation lists too.
    package var hasRevocationLists: Bool
    package var services: [ServiceDescription]
    /// Public keys, as authorized_keys has them, that may log in as root.
    package var authorizedKeys: [String]
    package var inputs: Inputs
    /// "x86_64-linux"
    package var platform: String
    /// NixOS's `system.stateVersion`: the release whose layout of state the nodes begin with.
    package var stateVersion: String
    /// Of Chainfire; "500ms". nil: its default.
    package var heartbeatInterval: String?
    package var electionTimeout: String?

    package init(
        name: String, domain: String, nodes: [NodeDescription], initialPeers: [String], leaderURL: String? = nil,
        isSecure: Bool, hasRevocationLists: Bool = false, services: [ServiceDescription], authorizedKeys: [String] = [], inputs: Inputs = .usual,
        platform: String = "x86_64-linux", stateVersion: String = "26.05", heartbeatInterval: String? = nil,
        electionTimeout: String? = nil
    ) {
        self.name = name
        self.domain = domain
        self.nodes = nodes
        self.initialPeers = initialPeers
        self.leaderURL = leaderURL
        self.isSecure = isSecure
        self.hasRevocationLists = hasRevocationLists
        self.services = services
        self.authorizedKeys = authorizedKeys
        self.inputs = inputs
        self.platform = platform
        self.stateVersion = stateVersion
        self.heartbeatInterval = heartbeatInterval
        self.electionTimeout = electionTimeout
    }

    func service(_ name: String) -> ServiceDescription? { services.first { $0.name == name } }
    func node(_ name: String) -> NodeDescription? { nodes.first { $0.name == name } }
}

/// One machine of a cluster.
package struct NodeDescription: Hashable, Sendable {
    package enum Firmware: String, Hashable, Sendable { case uefi, bios }

    /// A path component and the name of `nixosConfigurations.<name>`.
    package var name: String
    package var hostname: String
    package var domain: String
    /// "control-plane" or "worker".
    package var role: String
    package var isVirtual: Bool
    package var firmware: Firmware
    /// Its address in the cluster.
    package var address: String
    package var interfaces: [InterfaceDescription]
    /// disko's `disko.devices`, as data.
    package var devices: NixValue
    /// Where the EFI system partition is mounted; nil: nowhere.
    package var espMountpoint: String?
    /// Disks that a boot loader for BIOS is written to; empty when disko knows them by a partition of type EF02.
    package var bootDisks: [String]
    /// Names of the services that run on it.
    package var services: [String]
    /// Whether it is rendered itself; else only the others know of it.
    package var isRendered: Bool
    /// Names the node through which it joins the cluster, which has formed already; nil: as a founder, or as the
    /// description says for those that are none.
    package var joinsThrough: String?

    package init(
        name: String, hostname: String, domain: String, role: String, isVirtual: Bool, firmware: Firmware, address: String,
        interfaces: [InterfaceDescription], devices: NixValue, espMountpoint: String?, bootDisks: [String], services: [String],
        isRendered: Bool = true, joinsThrough: String? = nil
    ) {
        self.name = name
        self.hostname = hostname
        self.domain = domain
        self.role = role
        self.isVirtual = isVirtual
        self.firmware = firmware
        self.address = address
        self.interfaces = interfaces
        self.devices = devices
        self.espMountpoint = espMountpoint
        self.bootDisks = bootDisks
        self.services = services
        self.isRendered = isRendered
        self.joinsThrough = joinsThrough
    }

    package var fullName: String { domain.isEmpty ? hostname : "\(hostname).\(domain)" }
}

/// One network interface of a node.
package struct InterfaceDescription: Hashable, Sendable {
    /// Of the network it is on.
    package var network: String
    /// "52:54:00:00:01:01"
    package var mac: String
    /// nil: by DHCP.
    package var address: String?
    package var prefixLength: Int
    package var gateway: String?
    package var dns: [String]
    package var mtu: Int

    package init(network: String, mac: String, address: String?, prefixLength: Int, gateway: String?, dns: [String], mtu: Int) {
        self.network = network
        self.mac = mac
        self.address = address
        self.prefixLength = prefixLength
        self.gateway = gateway
        self.dns = dns
        self.mtu = mtu
    }
}

/// A service of the cluster.
package struct ServiceDescription: Hashable, Sendable {
    package struct Port: Hashable, Sendable {
        package var name: String
        package var port: Int
        package var isUDP: Bool

        package init(name: String, port: Int, isUDP: Bool = false) {
            self.name = name
            self.port = port
            self.isUDP = isUDP
        }
    }

    package var name: String
    /// The systemd unit: "chainfire.service".
    package var unit: String
    package var ports: [Port]
    /// Names of services that are started before it.
    package var dependsOn: [String]
    package var clientAuthentication: ClusterDescription.ClientAuthentication

    package init(
        name: String, unit: String, ports: [Port], dependsOn: [String],
        clientAuthentication: ClusterDescription.ClientAuthentication
    ) {
        self.name = name
        self.unit = unit
        self.ports = ports
        self.dependsOn = dependsOn
        self.clientAuthentication = clientAuthentication
    }

    func port(_ name: String) -> Int? { ports.first { $0.name == name }?.port }
}
