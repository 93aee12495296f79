/// What is served on one network: the whole configuration of its boot servers. Two that are equal serve alike.
package struct BootService: Hashable, Sendable {
    package enum Mode: String, Hashable, Sendable {
        /// The only DHCP server of the segment.
        case server
        /// Beside another server: adds only what booting needs (proxyDHCP).
        case proxy
    }

    /// A boot loader that is named, in place of the host's.
    package enum Loader: Hashable, Sendable {
        case pinned(PinnedFile)
        /// What is named is not what it should be: nobody is given any.
        case withheld
    }

    /// Where is listened. Other than the usual ones in tests only: firmware knows no other.
    package struct Ports: Hashable, Sendable {
        package var dhcp = 67
        package var proxy = 4011
        package var tftp = 69
        package var http = 8080

        package init() {}
    }

    /// The Network it is for.
    package var network: String
    /// The NetBoot that asks for it.
    package var name: String
    /// The host's device on that network.
    package var interface: String
    /// The host's own address there, which all that is served comes from.
    package var server: Address4
    package var prefixLength: Int
    /// nil: machines are told of no router.
    package var gateway: Address4?
    package var dns: [Address4]
    package var mtu: Int
    package var mode: Mode
    package var leaseSeconds: UInt32
    /// In the order of their MAC addresses.
    package var machines: [BootMachine]
    /// Addresses for machines that have none of their own: named ones without a static address, and unknown ones
    /// where those are served.
    package var pool: [Address4]
    /// nil: nothing can be offered just now.
    package var kernel: PinnedFile?
    package var initrd: PinnedFile?
    /// By their names, those that are not taken from where Debian's package has them.
    package var loaders: [String: Loader] = [:]
    package var commandLine: String
    /// Machines that nobody named are served like named ones; otherwise they are only noted.
    package var servesUnknown: Bool
    /// SSH public keys, one a line.
    package var authorizedKeys: [String]
    package var ports = Ports()

    package init(
        network: String, name: String, interface: String, server: Address4, prefixLength: Int, gateway: Address4? = nil,
        dns: [Address4] = [], mtu: Int = 1500, mode: Mode = .server, leaseSeconds: UInt32 = 3600, machines: [BootMachine] = [],
        pool: [Address4] = [], kernel: PinnedFile? = nil, initrd: PinnedFile? = nil, commandLine: String = "",
        servesUnknown: Bool = false, authorizedKeys: [String] = []
    ) {
        self.network = network
        self.name = name
        self.interface = interface
        self.server = server
        self.prefixLength = prefixLength
        self.gateway = gateway
        self.dns = dns
        self.mtu = mtu
        self.mode = mode
        self.leaseSeconds = leaseSeconds
        self.machines = machines
        self.pool = pool
        self.kernel = kernel
        self.initrd = initrd
        self.commandLine = commandLine
        self.servesUnknown = servesUnknown
        self.authorizedKeys = authorizedKeys
    }

    /// "http://192.168.100.1:8080"
    package var url: String { "http://\(server):\(ports.http)" }

    var netmask: Address4 { Address4(number: prefixLength == 0 ? 0 : ~UInt32(0) << UInt32(32 - prefixLength)) }
    var broadcast: Address4 { Address4(number: server.number | ~netmask.number) }

    /// Whether it is a host's address on the segment itself.
    func isOnLink(_ address: Address4) -> Bool {
        address.number & netmask.number == server.number & netmask.number && address != broadcast && address != server
            && address.number != server.number & netmask.number
    }

    func machine(_ mac: HardwareAddress) -> BootMachine? { machines.first { $0.mac == mac } }

    /// Whether sockets bound for `other` can go on serving this: only what is said changes, not where.
    func standsWhere(_ other: BootService) -> Bool {
        interface == other.interface && server == other.server && ports == other.ports && mode == other.mode
    }
}

/// A machine by its network card.
package struct BootMachine: Hashable, Sendable {
    package var node: String
    package var hostname: String
    package var mac: HardwareAddress
    /// nil: one of the pool.
    package var address: Address4?
    /// Whether it is offered what there is to boot. Otherwise it gets its address and no more.
    package var boots: Bool

    package init(node: String, hostname: String, mac: HardwareAddress, address: Address4?, boots: Bool) {
        self.node = node
        self.hostname = hostname
        self.mac = mac
        self.address = address
        self.boots = boots
    }
}

/// A file on the host, served only while it has this digest.
package struct PinnedFile: Hashable, Sendable {
    package var path: String
    /// SHA-256, 64 hexadecimal digits, small.
    package var digest: String

    package init(path: String, digest: String) {
        self.path = path
        self.digest = digest
    }
}
