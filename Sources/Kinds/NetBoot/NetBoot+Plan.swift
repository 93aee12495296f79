import Foundation
import Manifest
import NetBoot
import Reconcile
import Resource

extension NetBoot {
    package struct Sight: Hashable, Sendable {
        /// A file that machines boot.
        package enum File: Hashable, Sendable {
            /// It is there and has its digest.
            case sound(PinnedFile)
            /// It is to be fetched.
            case absent(FetchedFiles.Order)
            /// Why it cannot be served, for a person.
            case unfit(String)
        }

        /// A file of words.
        package enum Text: Hashable, Sendable {
            case words(String)
            /// Why it cannot be used, for a person.
            case unfit(String)
        }

        /// What this object serves on its network now.
        package var served: BootSight?
        /// Other networks that this object still serves, from an earlier spec.
        package var elsewhere: [String]
        /// The other NetBoot that serves the network.
        package var occupant: String?
        package var kernel: File
        package var initrd: File?
        /// Boot loaders that the spec names, by their names as they are served.
        package var loaders: [String: File] = [:]
        /// What the command line begins with.
        package var commandLine: Text?
        /// Paths of what was fetched and is needed no more.
        package var leftovers: [String]
        /// Why some machines cannot boot although all is well otherwise: boot loaders or keys that are not there.
        package var notes: [String]
        package var authorizedKeys: [String]

        package init(
            served: BootSight? = nil, elsewhere: [String] = [], occupant: String? = nil, kernel: File, initrd: File? = nil, commandLine: Text? = nil,
            leftovers: [String] = [], notes: [String] = [], authorizedKeys: [String] = []
        ) {
            self.served = served
            self.elsewhere = elsewhere
            self.occupant = occupant
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
            self.leftovers = leftovers
            self.notes = notes
            self.authorizedKeys = authorizedKeys
        }

        /// Why nothing can be offered.
        var unfit: String? {
            for case .unfit(let why) in files { return why }
            if case .unfit(let why)? = commandLine { return why }
            return nil
        }

        /// What is to be fetched.
        var missing: [FetchedFiles.Order] {
            files.compactMap { if case .absent(let order) = $0 { order } else { nil } }
        }

        private var files: [File] { [kernel, initrd].compactMap(\.self) + loaders.sorted { $0.key < $1.key }.map(\.value) }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case serve(BootService)
        case stop(network: String)
        case fetch(FetchedFiles.Order)
        case discard([String])

        package var description: String {
            switch self {
            case .serve(let service):
                "serve network \(service.network) on \(service.interface), offering to " + NetBoot.nodes(service.machines.filter(\.boots))
            case .stop(let network): "stop serving network \(network)"
            case .fetch(let order): "fetch \(order.url) (sha256:\(order.digest))"
            case .discard(let paths): "remove \(paths.joined(separator: ", "))"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = NetBoot

        package static func plan(_ goal: Goal<NetBoot>, given seen: Sight, _ reader: Reader) -> Plan<NetBoot, Action> {
            let netBoot = goal.resource
            if let former = seen.elsewhere.first { return stop(former, netBoot.status(seen, [])) }
            switch goal {
            case .absent:
                let status = netBoot.status(seen, [])
                if seen.served != nil { return stop(netBoot.spec.network.scalarText, status) }
                return seen.leftovers.isEmpty ? Plan(.ready, status: status) : discard(seen.leftovers, status)
            case .present:
                let machines = machines(of: netBoot, seen, reader)
                var status = netBoot.status(seen, machines)
                switch place(of: netBoot, seen, reader) {
                case .failure(let obstacle):
                    // What is served goes on, unless the network itself goes.
                    if obstacle.isFinal, seen.served != nil { return stop(netBoot.spec.network.scalarText, status) }
                    return Plan(obstacle.condition, status: status)
                case .success(let place):
                    let wanted = service(of: netBoot, on: place, machines, seen, reader)
                    status.offered = Set(wanted.machines.filter(\.boots).map(\.node)).sorted()
                    return keep(wanted, netBoot, seen, status)
                }
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .serve(let service):
                next.served = BootSight(
                    service: service, advertisementFault: seen.served?.advertisementFault, machines: seen.served?.machines ?? [],
                    pending: seen.served?.pending ?? [])
            case .stop(let network):
                next.elsewhere.removeAll { $0 == network }
                if next.served?.service.network == network { next.served = nil }
            case .fetch(let order):
                let file = Sight.File.sound(PinnedFile(path: order.path, digest: order.digest))
                if next.kernel == .absent(order) { next.kernel = file }
                if next.initrd == .absent(order) { next.initrd = file }
                for (name, loader) in next.loaders where loader == .absent(order) { next.loaders[name] = file }
            case .discard(let paths): next.leftovers.removeAll { paths.contains($0) }
            }
            return next
        }

        private static func stop(_ network: String, _ status: Status) -> Plan<NetBoot, Action> {
            Plan(.converging("stopping"), [.stop(network: network)], status: status, differences: [.leaving("servers")])
        }

        private static func discard(_ paths: [String], _ status: Status) -> Plan<NetBoot, Action> {
            Plan(
                .converging("cleaning up; what was fetched before is needed no more"), [.discard(paths)], status: status,
                differences: [Difference("fetched", seen: .array(paths.map { .string($0) }), wanted: nil, impact: .none)])
        }

        /// What machines boot comes first: what is served meanwhile goes on as it is, and offers nothing.
        private static func fetch(_ order: FetchedFiles.Order, _ status: Status) -> Plan<NetBoot, Action> {
            Plan(
                .converging("fetching; \(order.url)"), [.fetch(order)], status: status,
                differences: [Difference("fetched", seen: nil, wanted: .string(order.url), impact: .none)])
        }

        private static func keep(_ wanted: BootService, _ netBoot: Resource<NetBoot>, _ seen: Sight, _ status: Status) -> Plan<NetBoot, Action> {
            let happenings = netBoot.happenings(status)
            var plan: Plan<NetBoot, Action>
            if !seen.missing.isEmpty, let service = seen.served?.service, service != service.withheld {
                let offered = JSON.string(NetBoot.nodes(service.machines.filter(\.boots)))
                plan = Plan(
                    .converging("serving"), [.serve(service.withheld)], status: status,
                    differences: [Difference("offered", seen: offered, wanted: .string(NetBoot.nodes([])), impact: .none)])
            } else if let order = seen.missing.first {
                plan = fetch(order, status)
            } else if let served = seen.served, served.service == wanted, served.fault == nil {
                plan = seen.leftovers.isEmpty ? Plan(standing(seen, status), status: status) : discard(seen.leftovers, status)
            } else {
                let difference = difference(wanted, seen.served)
                plan = Plan(.converging("serving"), [.serve(wanted)], status: status, differences: [difference])
            }
            plan.happenings = happenings
            return plan
        }

        private static func standing(_ seen: Sight, _ status: Status) -> Condition {
            if let why = seen.unfit { return .stalled(why) }
            if let trouble = status.machines.first(where: { $0.problem != nil })?.trouble { return .stalled(trouble) }
            return .ready
        }

        private static func difference(_ wanted: BootService, _ served: BootSight?) -> Difference {
            guard let served else { return Difference("servers", seen: nil, wanted: "serving", impact: .none) }
            if let fault = served.fault { return Difference("servers", seen: .string(fault), wanted: "serving", impact: .reload) }
            let seen = NetBoot.nodes(served.service.machines.filter(\.boots)), offered = NetBoot.nodes(wanted.machines.filter(\.boots))
            if seen != offered { return Difference("offered", seen: .string(seen), wanted: .string(offered), impact: .none) }
            if served.service.loaders != wanted.loaders { return Difference("loaders", seen: "others", wanted: "those of the spec", impact: .reload) }
            if served.service.kernel != wanted.kernel || served.service.initrd != wanted.initrd {
                return Difference(
                    "artefacts", seen: .string(served.service.kernel?.digest ?? "none"), wanted: .string(wanted.kernel?.digest ?? "none"), impact: .reload)
            }
            return Difference("servers", seen: "another configuration", wanted: "this one", impact: .reload)
        }
    }

    static func nodes(_ machines: [BootMachine]) -> String {
        machines.isEmpty ? "no node" : Set(machines.map(\.node)).sorted().joined(separator: ", ")
    }
}

extension NetBoot.Machine {
    fileprivate var trouble: String { "\(node): \(problem ?? "")" }
}

extension Resource where K == NetBoot {
    /// Whether all that is wrong with it is that another node's machine does not boot.
    func isStalledByAnother(than node: String) -> Bool {
        guard let stalled = summary?.condition("Stalled"), stalled.status == .yes, let machines = status?.detail.machines else { return false }
        return machines.contains { $0.problem != nil && $0.node != node && stalled.message == $0.trouble } && !machines.contains { $0.problem != nil && $0.node == node }
    }
}
