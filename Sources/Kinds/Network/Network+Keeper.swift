import Reconcile
import Resource
import Segment

extension Network {
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let segments: Segments

        package init(segments: Segments) { self.segments = segments }

        package func observe(_ goal: Goal<Network>, _ reader: Reader) async throws -> Sight {
            var hasFormer = false
            if let former = Network.former(of: goal.resource) { hasFormer = try await segments.observe(former) != nil }
            guard let segment = Network.segment(of: goal.resource), let sight = try await segments.observe(segment) else {
                return Sight(device: nil, hasFormer: hasFormer)
            }
            var fault = sight.relay?.fault
            if let group = segment.relayed {
                switch sight.relay {
                case nil: fault = "no relay of this server carries its frames"
                case let relay? where relay.group != group: fault = "its relay serves \(relay.group)"
                default: break
                }
            }
            return Sight(
                device: Sight.Device(
                    interface: sight.interface, address: sight.address, mtu: sight.mtu, isUp: sight.isUp, fault: fault),
                hasFormer: hasFormer)
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .create(let segment), .adjust(let segment): try await segments.create(segment)
            case .remove(let segment): try await segments.remove(segment)
            }
        }
    }
}
