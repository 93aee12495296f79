import Bytes
import Crypto

extension ClusterRendering {
    /// Where everything lies that is copied to a node beside its system.
    package static let secretsDirectory = "/etc/nixos/secrets"

    /// The services that nix/modules has a module for.
    static let knownServices = [
        "chainfire", "flaredb", "iam", "plasmavmc", "prismnet", "flashdns", "fiberlb", "lightningstor", "k8shost",
    ]

    /// A NixOS module that is data alone, so that it can be compared with the manifest.
    func configuration(of node: NodeDescription) -> NixValue {
        var all = base(of: node)
        for part in [network(of: node), bootLoader(of: node), machine(of: node), services(of: node)] { all = all.merged(with: part) }
        return all
    }

    /// What a node's configuration says, as a digest of each of its parts: "networking", "services.chainfire". Of the others' names,
    /// which come and go with them, and of who may log in nothing is told; disks are not among it.
    /// - Returns: empty when there is no such node.
    package func parts(of name: String) -> [String: String] {
        var alone = self
        alone.description.nodes = description.nodes.filter { $0.name == name }
        alone.description.authorizedKeys = []
        guard let node = alone.description.nodes.first, case .attributes(let all) = alone.configuration(of: node) else { return [:] }
        var parts = [Self.formKey: "\(Self.form)"]
        for (key, value) in all {
            if key == "services", case .attributes(let services) = value {
                for (service, value) in services { parts["services.\(service)"] = Self.digest(of: value) }
            } else {
                parts[key] = Self.digest(of: value)
            }
        }
        return parts
    }

    /// Raised when the same manifest is rendered otherwise than before: what was told of another form says nothing of the manifest.
    private static let form = 2
    package static let formKey = "form"

    private static func digest(of value: NixValue) -> String { Hex.encode(SHA256.hash(data: Array(value.nix().utf8)).prefix(6)) }

    private func base(of node: NodeDescription) -> NixValue {
        [
            "networking": .set([
                "hostName": .string(node.hostname),
                "domain": node.domain.isEmpty ? nil : .string(node.domain),
                // ZFS knows by it whose a pool is.
                "hostId": node.devices["zpool"] == nil ? nil : .string(hostID(of: node)),
            ]),
            "services": [
                "openssh": [
                    "enable": true,
                    "settings": [
                        "KbdInteractiveAuthentication": false, "PasswordAuthentication": false,
                        "PermitRootLogin": "prohibit-password",
                    ],
                ]
            ],
            "users": ["users": ["root": ["openssh": ["authorizedKeys": ["keys": .strings(description.authorizedKeys)]]]]],
            "nixpkgs": ["hostPlatform": .string(description.platform)],
            "system": ["stateVersion": .string(description.stateVersion)],
        ]
    }

    private func hostID(of node: NodeDescription) -> String {
        Hex.encode(SHA256.hash(data: Array("\(description.name)/\(node.name)".utf8)).prefix(4))
    }

    /// systemd-networkd, each interface found by its MAC: names of devices differ between machines.
    private func network(of node: NodeDescription) -> NixValue {
        let networks = node.interfaces.enumerated().map { index, interface -> (String, NixValue) in
            let isStatic = interface.address != nil
            return (
                "\(10 + index)-\(interface.network)",
                .set([
                    "matchConfig": ["MACAddress": .string(interface.mac)],
                    "address": interface.address.map { .strings(["\($0)/\(interface.prefixLength)"]) },
                    // One way out: the primary's.
                    "gateway": isStatic && index == 0 ? interface.gateway.map { .strings([$0]) } : nil,
                    "dns": isStatic && !interface.dns.isEmpty ? .strings(interface.dns) : nil,
                    "domains": index == 0 && !node.domain.isEmpty ? .strings([node.domain]) : nil,
                    "networkConfig": isStatic ? ["IPv6AcceptRA": false] : ["DHCP": "ipv4"],
                    "linkConfig": .set([
                        "MTUBytes": interface.mtu == 1500 ? nil : .string("\(interface.mtu)"), "RequiredForOnline": "routable",
                    ]),
                ])
            )
        }
        let hosts = description.nodes.map { ($0.address, NixValue.strings($0.fullName == $0.hostname ? [$0.hostname] : [$0.fullName, $0.hostname])) }
        return [
            "networking": [
                "firewall": ["enable": true],
                "hosts": .attributes(Dictionary(hosts, uniquingKeysWith: { first, _ in first })),
                "useDHCP": false,
                "useNetworkd": true,
            ],
            "systemd": ["network": ["enable": true, "networks": .attributes(Dictionary(networks, uniquingKeysWith: { $1 }))]],
        ]
    }

    private func bootLoader(of node: NodeDescription) -> NixValue {
        switch node.firmware {
        case .uefi:
            // A virtual machine's variables may be lost; systemd-boot stands at the path that firmware looks at by itself.
            [
                "boot": [
                    "loader": [
                        "efi": .set([
                            "canTouchEfiVariables": .bool(!node.isVirtual),
                            "efiSysMountPoint": node.espMountpoint == "/boot" ? nil : node.espMountpoint.map(NixValue.string),
                        ]),
                        "systemd-boot": ["enable": true],
                    ]
                ]
            ]
        case .bios:
            [
                "boot": [
                    "loader": [
                        "grub": .set([
                            "enable": true, "devices": node.bootDisks.isEmpty ? nil : .strings(node.bootDisks),
                        ])
                    ]
                ]
            ]
        }
    }

    private func machine(of node: NodeDescription) -> NixValue {
        let usual = ["ahci", "nvme", "sd_mod", "usb_storage", "xhci_pci"]
        let virtual = ["virtio_blk", "virtio_net", "virtio_pci", "virtio_scsi"]
        // What servers have between them and their disks; and a machine may be real to us, and somebody else's virtual one.
        let controllers = ["aacraid", "hpsa", "isci", "megaraid_sas", "mpi3mr", "mpt3sas", "sdhci_pci", "smartpqi", "uas", "vmd"]
        let found = usual + virtual + (node.isVirtual ? [] : controllers)
        let modules: NixValue = ["boot": ["initrd": ["availableKernelModules": .strings(found)]]]
        return node.isVirtual
            ? modules.merged(with: ["boot": ["kernelParams": ["console=tty0", "console=ttyS0,115200"]]])
            : modules.merged(with: ["hardware": ["enableRedistributableFirmware": true]])
    }

    private func services(of node: NodeDescription) -> NixValue {
        let all = description.services.filter { node.services.contains($0.name) }
        let here = all.filter { Self.knownServices.contains($0.name) }
        let configFile = NixValue.string(Self.secretsDirectory + "/cluster-config.json")
        var services: [String: NixValue] = [:]
        for service in here {
            services[service.name] = .set([
                "enable": true,
                "openFirewall": true,
                "configFile": configFile,
                "ports": tcp(service).isEmpty
                    ? nil : .attributes(Dictionary(tcp(service).map { ($0.name, .integer($0.port)) }, uniquingKeysWith: { $1 })),
                "dependsOn": service.dependsOn.isEmpty ? nil : .strings(service.dependsOn.filter(Self.knownServices.contains)),
                // Chainfire's stands in its file.
                "clientAuth": service.name == "chainfire" ? nil : .string(service.clientAuthentication.rawValue),
                "tls": description.isSecure ? tlsFiles(of: node) : nil,
            ])
        }
        let joining = here.map(\.name).filter { ["chainfire", "flaredb"].contains($0) }
        if !joining.isEmpty {
            services["first-boot-automation"] = ["enable": true, "configFile": configFile, "services": .strings(joining)]
        }
        // What no module opens: UDP, and services of others.
        let strangers = all.filter { !Self.knownServices.contains($0.name) }
        return .set(["services": .attributes(services), "networking": firewall(tcp: strangers.flatMap(tcp), udp: all.flatMap { $0.ports.filter(\.isUDP) })])
    }

    private func tcp(_ service: ServiceDescription) -> [ServiceDescription.Port] { service.ports.filter { !$0.isUDP } }

    private func firewall(tcp: [ServiceDescription.Port], udp: [ServiceDescription.Port]) -> NixValue? {
        func numbers(_ ports: [ServiceDescription.Port]) -> NixValue? {
            ports.isEmpty ? nil : .list(Set(ports.map(\.port)).sorted().map { .integer($0) })
        }
        let ports = NixValue.set(["allowedTCPPorts": numbers(tcp), "allowedUDPPorts": numbers(udp)])
        return ports == [:] ? nil : ["firewall": ports]
    }

    private func tlsFiles(of node: NodeDescription) -> NixValue {
        func file(_ name: String) -> NixValue { .string(Self.secretsDirectory + "/" + name) }
        return .set([
            "enable": true, "caFile": file("ca.crt"), "certificateFile": file(node.name + ".crt"),
            "crlFile": description.hasRevocationLists ? file("crl.pem") : nil, "keyFile": file(node.name + ".key"),
        ])
    }
}
