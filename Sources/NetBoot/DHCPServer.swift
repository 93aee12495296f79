import Host

/// Decides what each DHCP message is answered. Only machines that the manifest names are served, each with its own
/// address; machines that it does not name are noted, no more, unless they are to be served.
package struct DHCPServer: Sendable {
    /// What is said, and to whom.
    package struct Reply: Hashable, Sendable {
        package var packet: DHCPPacket
        package var address: Address4
        package var port: Int
    }

    package struct Verdict: Hashable, Sendable {
        package var reply: Reply?
        /// The client was given an address (or, in proxy mode, told what to boot).
        package var served: DHCPClient.Stage?
        /// It asks to boot from the network, and is not in the manifest.
        package var isUnknown = false
        /// A message for people: somebody else has the address that the manifest gives this machine, or there is none for it.
        package var trouble: String?
    }

    struct Lease: Hashable, Sendable {
        var address: Address4
        var ends: Instant
        /// It was acknowledged; otherwise it is only offered.
        var isGiven: Bool
    }

    /// Why a machine gets no address, for a person.
    private struct Lack: Error {
        var why: String
    }

    private static let clientIdentifierBytesMax = 1 + 4 + 130
    /// For a client to choose among the offers of all servers.
    private static let offerTime = Duration.seconds(60)

    private var service: BootService
    private var leases: [HardwareAddress: Lease]
    /// Addresses of the pool that a client found in use by somebody else, until when they are left alone.
    private var declined: [Address4: Instant] = [:]

    package init(_ service: BootService) { self.init(service, given: [:]) }

    /// - Parameter given: by the server that was there before.
    init(_ service: BootService, given: [HardwareAddress: Lease]) {
        self.service = service
        leases = given
    }

    /// What a server that comes after this one has to know.
    var given: [HardwareAddress: Lease] { leases.filter(\.value.isGiven) }

    package mutating func change(to service: BootService) {
        self.service = service
        let pool = Set(service.pool)
        // Who was given an address has it until its lease ends, whomever it is for now.
        leases = leases.filter { $0.value.isGiven || pool.contains($0.value.address) }
        declined = declined.filter { pool.contains($0.key) }
    }

    /// - Parameters:
    ///   - atProxyPort: it came to port 4011.
    ///   - from: who sent it.
    package mutating func receive(_ packet: DHCPPacket, atProxyPort: Bool, from: (address: Address4, port: Int), now: Instant) -> Verdict {
        // What a relay forwards comes from another segment than the one that is served.
        guard packet.operation == .request, packet.relay == .any, packet.hardware.isUnicast, let kind = packet.kind else { return Verdict() }
        let machine = service.machine(packet.hardware)
        // An operating system that wants an address is no machine to be installed.
        let isUnknown = machine == nil && DHCPClient(packet).stage != .system
        guard machine != nil || service.servesUnknown else { return Verdict(isUnknown: isUnknown) }
        var verdict: Verdict
        switch (service.mode, atProxyPort) {
        case (.proxy, _): verdict = proxy(packet, kind, machine, atProxyPort: atProxyPort, from)
        case (.server, true): verdict = Verdict()
        case (.server, false): verdict = serve(packet, kind, machine, now)
        }
        verdict.isUnknown = isUnknown
        return verdict
    }

    /// Who has this address now.
    package func holder(of address: Address4) -> HardwareAddress? {
        if let machine = service.machines.first(where: { $0.address == address }) { return machine.mac }
        return leases.filter { $0.value.address == address }.keys.min()
    }

    private mutating func serve(_ packet: DHCPPacket, _ kind: DHCPPacket.Kind, _ machine: BootMachine?, _ now: Instant) -> Verdict {
        let requested = packet.address(DHCPPacket.Code.requestedAddress)
        let chosen = packet.address(DHCPPacket.Code.serverIdentifier)
        let stage = DHCPClient(packet).stage
        switch kind {
        case .discover:
            switch address(for: packet.hardware, machine, wish: requested, now) {
            case .failure(let lack): return Verdict(trouble: lack.why)
            case .success(let address):
                hold(address, for: packet.hardware, machine, until: now + Self.offerTime, isGiven: false)
                return Verdict(reply: broadcast(answer(packet, .offer, machine, yours: address)))
            }
        case .request:
            if let chosen, chosen != service.server {
                // It chose another server, and has that one's address.
                leases[packet.hardware] = nil
                return Verdict()
            }
            guard let wish = requested ?? (packet.client == .any ? nil : packet.client) else { return Verdict() }
            let address: Address4
            switch self.address(for: packet.hardware, machine, wish: wish, now) {
            case .failure(let lack): return Verdict(trouble: lack.why)
            case .success(let found): address = found
            }
            guard wish == address else {
                if leases[packet.hardware]?.address == wish { leases[packet.hardware] = nil }
                return Verdict(reply: broadcast(refusal(packet)))
            }
            hold(address, for: packet.hardware, machine, until: now + .seconds(Int64(service.leaseSeconds)), isGiven: true)
            let acknowledgement = answer(packet, .acknowledge, machine, yours: address)
            let isRenewal = packet.client == address
            return Verdict(reply: isRenewal ? Reply(packet: acknowledgement, address: address, port: 68) : broadcast(acknowledgement), served: stage)
        case .inform:
            guard service.isOnLink(packet.client) else { return Verdict() }
            return Verdict(reply: Reply(packet: answer(packet, .acknowledge, machine, yours: nil), address: packet.client, port: 68))
        case .release:
            leases[packet.hardware] = nil
            return Verdict()
        case .decline:
            guard let requested else { return Verdict() }
            if machine?.address == requested { return Verdict(trouble: "somebody else on the segment already has \(requested)") }
            if leases[packet.hardware]?.address == requested {
                leases[packet.hardware] = nil
                declined[requested] = now + .seconds(600)
            }
            return Verdict()
        case .offer, .acknowledge, .refuse:
            return Verdict()
        }
    }

    private func proxy(
        _ packet: DHCPPacket, _ kind: DHCPPacket.Kind, _ machine: BootMachine?, atProxyPort: Bool, _ from: (address: Address4, port: Int)
    ) -> Verdict {
        let client = DHCPClient(packet)
        guard client.stage != .system, let file = file(for: client, machine, packet.hardware) else { return Verdict() }
        guard !atProxyPort || service.isOnLink(from.address) else { return Verdict() }
        let isAsked = atProxyPort ? kind == .request || kind == .inform : kind == .discover
        guard isAsked else { return Verdict() }
        var reply = head(packet, atProxyPort ? .acknowledge : .offer)
        reply.set(DHCPPacket.Code.vendorClass, client.stage == .httpBoot ? "HTTPClient" : "PXEClient")
        // PXE 2.1, 2.2.3: tag 6 = 8: start the file that this message names, look for no other server.
        reply.set(DHCPPacket.Code.vendorSpecific, [6, 1, 8, 255])
        if let identifier = packet[DHCPPacket.Code.machineIdentifier], identifier.count <= 17 {
            reply.set(DHCPPacket.Code.machineIdentifier, identifier)
        }
        name(file, in: &reply)
        let place = atProxyPort ? Reply(packet: reply, address: from.address, port: from.port) : broadcast(reply)
        return Verdict(reply: place, served: client.stage)
    }

    private func head(_ packet: DHCPPacket, _ kind: DHCPPacket.Kind) -> DHCPPacket {
        var reply = DHCPPacket(.reply, hardware: packet.hardware)
        reply.transaction = packet.transaction
        reply.wantsBroadcast = packet.wantsBroadcast
        reply.set(DHCPPacket.Code.messageType, [kind.rawValue])
        reply.set(DHCPPacket.Code.serverIdentifier, service.server)
        // RFC 6842, section 3: in every answer. Longer ones than RFC 4361 can make would leave too little room.
        if let identifier = packet[DHCPPacket.Code.clientIdentifier], identifier.count <= Self.clientIdentifierBytesMax {
            reply.set(DHCPPacket.Code.clientIdentifier, identifier)
        }
        return reply
    }

    private func refusal(_ packet: DHCPPacket) -> DHCPPacket {
        var reply = head(packet, .refuse)
        reply.set(DHCPPacket.Code.message, "not your address here")
        return reply
    }

    private func answer(_ packet: DHCPPacket, _ kind: DHCPPacket.Kind, _ machine: BootMachine?, yours: Address4?) -> DHCPPacket {
        var reply = head(packet, kind)
        reply.client = packet.client
        reply.nextServer = service.server
        if let yours {
            reply.yours = yours
            reply.set(DHCPPacket.Code.leaseTime, service.leaseSeconds)
            reply.set(DHCPPacket.Code.renewalTime, service.leaseSeconds / 2)
            reply.set(DHCPPacket.Code.rebindingTime, UInt32(UInt64(service.leaseSeconds) * 7 / 8))
        }
        reply.set(DHCPPacket.Code.subnetMask, service.netmask)
        reply.set(DHCPPacket.Code.broadcastAddress, service.broadcast)
        if let gateway = service.gateway { reply.set(DHCPPacket.Code.router, gateway) }
        if !service.dns.isEmpty { reply.set(DHCPPacket.Code.domainNameServers, service.dns.prefix(8).flatMap(\.octets)) }
        if service.mtu != 1500 {
            reply.set(DHCPPacket.Code.interfaceMTU, [UInt8(truncatingIfNeeded: service.mtu >> 8), UInt8(truncatingIfNeeded: service.mtu)])
        }
        if let machine { reply.set(DHCPPacket.Code.hostName, machine.hostname) }
        let client = DHCPClient(packet)
        if let file = file(for: client, machine, packet.hardware) {
            // A firmware that boots by HTTP takes only offers that say so.
            if client.stage == .httpBoot { reply.set(DHCPPacket.Code.vendorClass, "HTTPClient") }
            name(file, in: &reply)
        }
        return reply
    }

    /// What it is told to load; nil: nothing, so that it goes on to its next boot device.
    private func file(for client: DHCPClient, _ machine: BootMachine?, _ mac: HardwareAddress) -> String? {
        guard service.kernel != nil, machine?.boots ?? service.servesUnknown else { return nil }
        switch client.stage {
        case .system: return nil
        case .iPXE: return "\(service.url)/boot.ipxe?mac=\(mac.dashed)"
        case .httpBoot: return client.loader.map { "\(service.url)/loaders/\($0)" }
        // Its address is another server's matter then, so that the name has to tell who asks.
        case .firmware: return client.loader.map { service.mode == .proxy ? "\(mac.dashed)/\($0)" : $0 }
        }
    }

    /// Option 67 and the field of old: some firmware reads one, some the other.
    private func name(_ file: String, in reply: inout DHCPPacket) {
        reply.nextServer = service.server
        reply.file = file
        reply.set(DHCPPacket.Code.bootFile, file)
    }

    private func broadcast(_ packet: DHCPPacket) -> Reply { Reply(packet: packet, address: .everybody, port: 68) }

    /// The manifest's address, or one of the pool: the one it has, the one it asks for, or the first free one from a
    /// place that depends on its MAC, so that it mostly finds the same again.
    private mutating func address(for mac: HardwareAddress, _ machine: BootMachine?, wish: Address4?, _ now: Instant) -> Result<Address4, Lack> {
        leases = leases.filter { $0.value.ends > now }
        declined = declined.filter { $0.value > now }
        let others = leases.filter { $0.key != mac }
        if let address = machine?.address {
            guard let other = others.first(where: { $0.value.address == address && $0.value.isGiven }) else { return .success(address) }
            return .failure(Lack(why: "\(address) was given to \(other.key) before, whose lease has not ended; it is not given to two"))
        }
        let pool = service.pool
        let taken = Set(others.map(\.value.address)).union(declined.keys)
        func isFree(_ address: Address4) -> Bool { pool.contains(address) && !taken.contains(address) }
        let start = pool.isEmpty ? 0 : Int(mac.number % UInt64(pool.count))
        let choice = [leases[mac]?.address, wish].compactMap { $0 }.first(where: isFree)
            ?? pool.indices.lazy.map { pool[(start + $0) % pool.count] }.first(where: isFree)
        return choice.map { .success($0) } ?? .failure(Lack(why: "no address of the pool is free; it has \(pool.count)"))
    }

    /// Nobody else is given it until then. What its machine has already is not shortened.
    private mutating func hold(_ address: Address4, for mac: HardwareAddress, _ machine: BootMachine?, until end: Instant, isGiven: Bool) {
        // The manifest holds those that it names; what such a machine had before it needs no more.
        if machine?.address != nil {
            if isGiven { leases[mac] = nil }
            return
        }
        let before = leases[mac].flatMap { $0.address == address ? $0 : nil }
        leases[mac] = Lease(address: address, ends: max(end, before?.ends ?? end), isGiven: isGiven || before?.isGiven == true)
    }
}
