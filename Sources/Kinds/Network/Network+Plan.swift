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

        package init(device: Device?) { self.device = device }
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
            status.isOurs = network.status?.detail.isOurs
            status.addresses = seen.device?.address.map { [$0] } ?? []
            switch goal {
            case .absent:
                let users = reader.mentioning(network.reference, VirtualMachine.self)
                if let user = users.first { return Plan(.waiting(on: user.reference, "it is on the segment"), status: status) }
                guard seen.device != nil, let segment, status.isOurs == true else { return Plan(.ready, status: status) }
                return Plan(.converging("removing"), [.remove(segment)], status: status, differences: [.leaving("interface")])
            case .present:
                return keep(segment, seen, status)
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            switch action {
            case .create(let segment), .adjust(let segment):
                Sight(device: Sight.Device(interface: segment.interface, address: segment.hostAddress, mtu: segment.mtu))
            case .remove: Sight(device: nil)
            }
        }

        private static func keep(_ segment: SegmentDefinition?, _ seen: Sight, _ status: Status) -> Plan<Network, Action> {
            guard let segment else { return Plan(.ready, status: status) }
            guard let device = seen.device else {
                let difference = Difference("interface", seen: nil, wanted: .string(segment.interface), impact: .none)
                // Written before the device is made: it is known for ours even if we die in between.
                var status = status
                status.isOurs = true
                return Plan(.converging("creating"), [.create(segment)], status: status, differences: [difference])
            }
            var differences: [Difference] = []
            if device.address != segment.hostAddress {
                differences.append(Difference(
                    "spec.gateway", seen: device.address.map { .string($0) }, wanted: segment.hostAddress.map { .string($0) }, impact: .reload))
            }
            if device.mtu != segment.mtu {
                differences.append(Difference("spec.mtu", seen: .integer(Int64(device.mtu)), wanted: .integer(Int64(segment.mtu)), impact: .reload))
            }
            if !device.isUp { differences.append(Difference("interface", seen: "down", wanted: "up", impact: .reload)) }
            if let fault = device.fault { differences.append(Difference("relay", seen: .string(fault), wanted: "running", impact: .reload)) }
            if differences.isEmpty { return Plan(.ready, status: status) }
            guard status.isOurs == true else {
                return Plan(
                    .stalled("\(segment.interface) was here before this network, so plasma does not change it; make it fit yourself, or name another interface"),
                    status: status, differences: differences)
            }
            // A relay that stands still is made anew with its device, the host's own end: a bridge has none.
            let actions: [Action] = device.fault == nil ? [.adjust(segment)] : [.remove(segment), .create(segment)]
            return Plan(.converging("repairing"), actions, status: status, differences: differences)
        }
    }

    /// The host's end of the segment; nil when the host has none.
    static func segment(of network: Resource<Network>) -> SegmentDefinition? {
        let spec = network.spec
        let gateway = spec.hostOnSegment ? spec.gateway?.scalarText : nil
        switch spec.driver {
        case .user: return nil
        case .multicast:
            guard spec.hostOnSegment else { return nil }
            let group = spec.multicast?.group ?? defaultGroup
            return SegmentDefinition(
                name: network.name, driver: .multicast(group: group.scalarText), interface: spec.interface ?? deviceName("pl", network.name),
                gateway: gateway, prefixLength: spec.subnet.prefixLength, mtu: spec.mtu)
        case .bridge:
            return SegmentDefinition(
                name: network.name, driver: .bridge, interface: spec.bridge?.interface ?? spec.interface ?? deviceName("pl", network.name),
                gateway: gateway, prefixLength: spec.subnet.prefixLength, mtu: spec.mtu)
        }
    }

    /// At most 15 characters (Linux: IFNAMSIZ), readable where the name is short.
    static func deviceName(_ prefix: String, _ name: String) -> String {
        let plain = "\(prefix)-\(name)"
        if plain.count <= 15, plain.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }) { return plain }
        let hash = SHA256.hash(data: Data(name.utf8)).prefix(5).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        return "\(prefix)-\(hash)"
    }
}

extension SegmentDefinition {
    /// "192.168.100.1/24"
    var hostAddress: String? { gateway.map { "\($0)/\(prefixLength)" } }
}
