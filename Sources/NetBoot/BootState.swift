import Foundation
import Host

/// What the servers of one network know, and all that they decide together. A decider: the shells feed it.
struct BootState: Sendable {
    /// More unknown machines than a person reads. Those that come later take the place of who has not asked for an hour.
    static let pendingMax = 64
    private static let pendingPatience = Duration.seconds(3600)

    private(set) var service: BootService
    private(set) var dhcp: DHCPServer
    private(set) var timelines: [HardwareAddress: Timeline] = [:]
    /// Machines that asked to boot and that nobody named, and when they did last.
    private var unknown: [HardwareAddress: (machine: BootSight.Unknown, asked: Instant)] = [:]
    private var loops = LoopDetector()
    private var troubles: [HardwareAddress: String] = [:]

    /// - Parameter leases: given by the server that was there before.
    init(_ service: BootService, leases: [HardwareAddress: DHCPServer.Lease] = [:]) {
        self.service = service
        dhcp = DHCPServer(service, given: leases)
    }

    mutating func change(to service: BootService) {
        self.service = service
        dhcp.change(to: service)
        unknown = unknown.filter { service.machine($0.key) == nil }
        if !service.servesUnknown { timelines = timelines.filter { service.machine($0.key) != nil } }
        troubles = troubles.filter { service.machine($0.key) != nil || unknown[$0.key] != nil }
        // One that is no longer offered anything has come where it should.
        loops.keep { service.machine($0)?.boots ?? service.servesUnknown }
    }

    /// - Returns: the answer, and whether there is news for people.
    mutating func receive(
        _ packet: DHCPPacket, atProxyPort: Bool, from: (address: Address4, port: Int), now: Instant, date: Date
    ) -> (reply: DHCPServer.Reply?, isNews: Bool) {
        let verdict = dhcp.receive(packet, atProxyPort: atProxyPort, from: from, now: now)
        var isNews = false
        if verdict.isUnknown { isNews = noteUnknown(packet, now: now, date: date) }
        if let stage = verdict.served, stage != .system, isTracked(packet.hardware) {
            let before = (boots: timelines[packet.hardware]?.boots ?? 0, loop: loops.loop(of: packet.hardware, now: now))
            isNews = timelines[packet.hardware, default: Timeline()].noteAddress(for: stage, at: date) || isNews
            // Who is offered nothing boots what it has.
            if timelines[packet.hardware]?.boots != before.boots, service.machine(packet.hardware)?.boots ?? service.servesUnknown {
                loops.bootBegan(by: packet.hardware, now: now)
            }
            isNews = isNews || loops.loop(of: packet.hardware, now: now) != before.loop
        }
        // It took the address after all.
        if verdict.served != nil, troubles.removeValue(forKey: packet.hardware) != nil { isNews = true }
        if let trouble = verdict.trouble, troubles[packet.hardware] != trouble, isConcern(packet.hardware, now) {
            troubles = troubles.filter { isConcern($0.key, now) }
            troubles[packet.hardware] = trouble
            isNews = true
        }
        return (verdict.reply, isNews)
    }

    /// - Returns: whether it is news.
    private mutating func noteUnknown(_ packet: DHCPPacket, now: Instant, date: Date) -> Bool {
        let mac = packet.hardware
        if unknown[mac] != nil {
            unknown[mac]?.asked = now
            return false
        }
        if unknown.count >= Self.pendingMax { unknown = unknown.filter { now - $0.value.asked < Self.pendingPatience } }
        guard unknown.count < Self.pendingMax else { return false }
        unknown[mac] = (BootSight.Unknown(mac: mac, firmware: DHCPClient(packet).firmware, since: date), now)
        return true
    }

    /// In the order of their MAC addresses.
    var pending: [BootSight.Unknown] { unknown.values.map(\.machine).sorted { $0.mac < $1.mac } }

    /// Who speaks: the one that the request names, or the one that was given this address.
    func mac(named: HardwareAddress?, at address: Address4?) -> HardwareAddress? {
        if let named, service.machine(named) != nil || service.servesUnknown { return named }
        return address.flatMap { dhcp.holder(of: $0) }
    }

    mutating func note(_ phase: Timeline.Phase, of mac: HardwareAddress?, now: Instant, date: Date) -> Bool {
        guard let mac, isTracked(mac) else { return false }
        let before = loops.loop(of: mac, now: now)
        if phase == .kernel { loops.kernelFetched(by: mac, now: now) }
        if phase == .installer { loops.forget(mac) }
        let isFirst = timelines[mac, default: Timeline()].note(phase, at: date)
        return isFirst || before != loops.loop(of: mac, now: now)
    }

    mutating func noteAnswer(to mac: HardwareAddress, after wait: Duration) { timelines[mac]?.noteAnswer(after: wait) }

    /// One that nobody named may never come again.
    private func isConcern(_ mac: HardwareAddress, _ now: Instant) -> Bool {
        service.machine(mac) != nil || unknown[mac].map { now - $0.asked < Self.pendingPatience } == true
    }

    /// Only as many as a person reads of those that nobody named.
    private func isTracked(_ mac: HardwareAddress) -> Bool {
        service.machine(mac) != nil || (service.servesUnknown && (timelines[mac] != nil || timelines.count < service.machines.count + Self.pendingMax))
    }

    func sight(now: Instant) -> [BootSight.Machine] {
        let troubles = troubles.filter { isConcern($0.key, now) }
        return Set(timelines.keys).union(troubles.keys).sorted().map {
            BootSight.Machine(mac: $0, timeline: timelines[$0] ?? Timeline(), loop: loops.loop(of: $0, now: now), trouble: troubles[$0])
        }
    }
}

/// What is served on one network now, and what was seen there.
package struct BootSight: Hashable, Sendable {
    package struct Machine: Hashable, Sendable {
        package var mac: HardwareAddress
        package var timeline: Timeline
        /// What it did again and again, and reached nothing.
        package var loop: BootLoop?
        /// "somebody else on the segment already has 192.168.100.11", "no address of the pool is free; it has 64"
        package var trouble: String?

        package init(mac: HardwareAddress, timeline: Timeline, loop: BootLoop? = nil, trouble: String? = nil) {
            self.mac = mac
            self.timeline = timeline
            self.loop = loop
            self.trouble = trouble
        }
    }

    package struct Unknown: Hashable, Sendable {
        package var mac: HardwareAddress
        /// "UEFI x86-64"
        package var firmware: String
        /// When it asked first.
        package var since: Date

        package init(mac: HardwareAddress, firmware: String, since: Date) {
            self.mac = mac
            self.firmware = firmware
            self.since = since
        }
    }

    package var service: BootService
    /// Why the servers no longer work; nil while they do.
    package var fault: String?
    /// Why no router advertisements are sent; nil while they are. Machines boot without them, some seconds later.
    package var advertisementFault: String?
    /// In the order of their MAC addresses.
    package var machines: [Machine]
    /// Machines that asked to boot and that nobody named, in the order of their MAC addresses.
    package var pending: [Unknown]

    package init(
        service: BootService, fault: String? = nil, advertisementFault: String? = nil, machines: [Machine] = [],
        pending: [Unknown] = []
    ) {
        self.service = service
        self.fault = fault
        self.advertisementFault = advertisementFault
        self.machines = machines
        self.pending = pending
    }
}
