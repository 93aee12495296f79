import Bytes
import Crypto
import Foundation
import Manifest
import Reconcile
import Resource
import Segment

extension Network {
    package struct Sight: Hashable, Sendable {
        /// The host's device; nil when there is none.
        package var device: Device?
        /// A device of an earlier spec, made by plasma, is still there.
        package var hasFormer: Bool

        package struct Device: Hashable, Sendable {
            package var interface: String
            /// With its prefix: "192.168.100.1/24".
            package var address: String?
            package var mtu: Int
            package var isUp: Bool
            /// Why frames do not travel, where a relay carries them; nil when they do.
            package var fault: String?

            package init(interface: String, address: String?, mtu: Int, isUp: Bool = true, fault: String? = nil) {
                self.interface = interface
                self.address = address
                self.mtu = mtu
                self.isUp = isUp
                self.fault = fault
            }
        }

        package init(device: Device?, hasFormer: Bool = false) {
            self.device = device
            self.hasFormer = hasFormer
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case create(SegmentDefinition)
        /// Changes the device in place: machines on it do not notice.
        case adjust(SegmentDefinition)
        case remove(SegmentDefinition)

        package var description: String {
            switch self {
            case .create(let segment):
                "create \(segment.interface)" + (segment.hostAddress.map { " with \($0)" } ?? "")
            case .adjust(let segment):
                "adjust \(segment.interface) to" + (segment.hostAddress.map { " \($0)," } ?? "") + " mtu \(segment.mtu), up"
            case .remove(let segment): "remove \(segment.interface)"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = Network

        package static func plan(_ goal: Goal<Network>, given seen: Sight, _ reader: Reader) -> Plan<Network, Action> {
            let network = goal.resource
            let segment = Network.segment(of: network)
            var status = Status()
            status.driver = network.spec.driver.rawValue
            status.interface = seen.device?.interface
            status.made = network.status?.detail.made
            status.addresses = seen.device?.address.map { [$0] } ?? []
            let former = Network.former(of: network)
            switch goal {
            case .absent:
                let users = reader.mentioning(network.reference, VirtualMachine.self)
                if let user = users.first { return Plan(.waiting(on: user.reference, "it is on the segment"), status: status) }
                if seen.hasFormer, let former { return clear(former, status) }
                guard seen.device != nil, let segment, status.made == segment.device else { return Plan(.ready, status: status) }
                return clear(segment, status)
            case .present:
                if seen.hasFormer, let former { return clear(former, status) }
                if former != nil { status.made = nil }
                return keep(segment, seen, status, addressField: network.spec.hostAddress == nil ? "spec.gateway" : "spec.hostAddress")
            }
        }

        private static func clear(_ segment: SegmentDefinition, _ status: Status) -> Plan<Network, Action> {
            Plan(
                .converging("removing"), [.remove(segment)], status: status,
                differences: [Difference("interface", seen: .string(segment.interface), wanted: nil, impact: .replace)])
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .create(let segment), .adjust(let segment):
                next.device = Sight.Device(interface: segment.interface, address: segment.hostAddress, mtu: segment.mtu)
            case .remove(let segment):
                // The former device may have the name that is wanted now.
                if segment.interface == next.device?.interface { next.device = nil }
                next.hasFormer = false
            }
            return next
        }

        private static func keep(_ segment: SegmentDefinition?, _ seen: Sight, _ status: Status, addressField: String) -> Plan<Network, Action> {
            guard let segment else { return Plan(.ready, status: status) }
            guard let device = seen.device else {
                let difference = Difference("interface", seen: nil, wanted: .string(segment.interface), impact: .none)
                // Written before the device is made: it is known for ours even if we die in between.
                var made = status
                made.made = segment.device
                var plan = Plan<Network, Action>(.converging("creating"), [.create(segment)], status: made, differences: [difference])
                plan.statusIfHeld = status
                return plan
            }
            var differences: [Difference] = []
            if device.address != segment.hostAddress {
                differences.append(Difference(
                    addressField, seen: device.address.map { .string($0) }, wanted: segment.hostAddress.map { .string($0) }, impact: .reload))
            }
            if device.mtu != segment.mtu {
                differences.append(Difference("spec.mtu", seen: .integer(Int64(device.mtu)), wanted: .integer(Int64(segment.mtu)), impact: .reload))
            }
            if !device.isUp { differences.append(Difference("interface", seen: "down", wanted: "up", impact: .reload)) }
            if let fault = device.fault { differences.append(Difference("relay", seen: .string(fault), wanted: "running", impact: .reload)) }
            if differences.isEmpty { return Plan(.ready, status: status) }
            guard status.made == segment.device else {
                return Plan(
                    .stalled("\(segment.interface) was here before this network, so plasma does not change it; make it fit yourself, or name another interface"),
                    status: status, differences: differences)
            }
            // A relay that stands still is made anew with its device, the host's own end: a bridge has none.
            let actions: [Action] = device.fault == nil ? [.adjust(segment)] : [.remove(segment), .create(segment)]
            return Plan(.converging("repairing"), actions, status: status, differences: differences)
        }
    }

    /// The device of an earlier spec that plasma made, where the spec wants another one now.
    static func former(of network: Resource<Network>) -> SegmentDefinition? {
        guard let made = network.status?.detail.made, made != segment(of: network)?.device else { return nil }
        let driver: SegmentDefinition.Driver = made.driver == .bridge ? .bridge : .multicast(group: defaultGroup.scalarText)
        return SegmentDefinition(name: network.name, driver: driver, interface: made.interface)
    }

    /// The host's end of the segment; nil when the host has none.
    static func segment(of network: Resource<Network>) -> SegmentDefinition? {
        let spec = network.spec
        let address = spec.hostOnSegment ? spec.ownAddress?.scalarText : nil
        switch spec.driver {
        case .user: return nil
        case .multicast:
            guard spec.hostOnSegment else { return nil }
            let multicast = spec.multicast ?? Multicast(group: defaultGroup, localAddress: loopback)
            return SegmentDefinition(
                name: network.name, driver: .multicast(group: multicast.group.scalarText, localAddress: multicast.localAddress.scalarText), interface: spec.interface ?? deviceName("pl", network.name),
                address: address, prefixLength: spec.subnet.prefixLength, mtu: spec.mtu)
        case .bridge:
            return SegmentDefinition(
                name: network.name, driver: .bridge, interface: spec.bridge?.interface ?? spec.interface ?? deviceName("pl", network.name),
                address: address, prefixLength: spec.subnet.prefixLength, mtu: spec.mtu)
        }
    }

    /// At most 15 characters (Linux: IFNAMSIZ), readable where the name is short.
    static func deviceName(_ prefix: String, _ name: String) -> String {
        let plain = "\(prefix)-\(name)"
        if plain.count <= 15, plain.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }) { return plain }
        let hash = SHA256.hash(data: Data(name.utf8)).prefix(5)
        return "\(prefix)-\(Hex.encode(hash))"
    }
}

extension SegmentDefinition {
    var device: Network.Device {
        if case .bridge = driver { Network.Device(driver: .bridge, interface: interface) } else { Network.Device(driver: .multicast, interface: interface) }
    }

    /// "192.168.100.1/24"
    var hostAddress: String? { address.map { "\($0)/\(prefixLength)" } }
}
