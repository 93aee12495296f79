import Foundation
import Manifest
import QEMU
import Reconcile
import Resource

extension VirtualMachine {
    /// What is seen of a machine.
    package struct Sight: Hashable, Sendable {
        package enum Process: Hashable, Sendable {
            case none
            /// It was just started and does not answer yet.
            case unsettled
            case running(Running)
        }

        package struct Running: Hashable, Sendable {
            package var pid: Int
            package var startedAt: Date?
            package var commandLine: [String]
            /// QMP's run state: "running", "paused", …
            package var state: String
            package var isPoweringDown: Bool
            /// It was asked to power down and has had its time.
            package var isOverdue: Bool
            /// It was asked, but not lately: a guest that is still booting does not hear the first time.
            package var isDeaf: Bool
            /// The bridges that its TAP devices are ports of; empty: of none.
            package var bridges: [String: String]

            package init(
                pid: Int, startedAt: Date? = nil, commandLine: [String], state: String = "running", isPoweringDown: Bool = false,
                isOverdue: Bool = false, isDeaf: Bool = false, bridges: [String: String] = [:]
            ) {
                self.pid = pid
                self.startedAt = startedAt
                self.commandLine = commandLine
                self.state = state
                self.isPoweringDown = isPoweringDown
                self.isOverdue = isOverdue
                self.isDeaf = isDeaf
                self.bridges = bridges
            }
        }

        package var process: Process
        /// Files of it are there: variables, logs.
        package var hasFiles: Bool
        package var premises: Premises

        package init(process: Process, hasFiles: Bool, premises: Premises) {
            self.process = process
            self.hasFiles = hasFiles
            self.premises = premises
        }
    }

    /// What the host gives a machine: where its files are and which firmware there is.
    package struct Premises: Hashable, Sendable {
        /// The name of the Host that plasma runs on.
        package var host: String
        /// Where the machine's files are.
        package var directory: String
        package var firmware: FoundFirmware?

        package init(host: String, directory: String, firmware: FoundFirmware?) {
            self.host = host
            self.directory = directory
            self.firmware = firmware
        }
    }

    /// A TAP device and the bridge it is a port of.
    package struct BridgePort: Hashable, Sendable {
        package var tap: String
        package var bridge: String
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case start(MachineDefinition, ports: [BridgePort])
        /// Moves the cables of a machine that runs.
        case plug(String, ports: [BridgePort])
        /// Lets a machine that somebody, or a full disk, had paused run on.
        case resume(String)
        /// Boots it anew at once, as its reset button does.
        case reset(String)
        /// Asks the guest to power off. `wakes`: its processors stand still, and run on first, or it would not hear.
        case powerDown(String, wakes: Bool = false)
        /// Ends the process: the guest had its time.
        case end(String)
        /// Removes the files and the TAP devices of a machine that does not run.
        case clear(String, taps: [String])

        package var description: String {
            switch self {
            case .start(let machine, _): "start \(machine.name)"
            case .plug(let name, let ports): "plug \(name) into \(ports.map(\.bridge).joined(separator: ", "))"
            case .resume(let name): "let \(name) run on"
            case .reset(let name): "reset \(name)"
            case .powerDown(let name, let wakes): wakes ? "wake and power down \(name)" : "power down \(name)"
            case .end(let name): "end \(name) by force"
            case .clear(let name, _): "remove the files of \(name)"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = VirtualMachine

        package static func plan(_ goal: Goal<VirtualMachine>, given seen: Sight, _ reader: Reader) -> Plan<VirtualMachine, Action> {
            let status = goal.resource.status(seen, reader)
            switch (goal, seen.process) {
            case (_, .unsettled):
                return Plan(.converging("waiting for QEMU to answer"), status: status, lookAgain: .milliseconds(200))
            case (.absent, .none):
                return seen.hasFiles
                    ? Plan(.converging("removing files"), [.clear(goal.resource.name, taps: taps(of: goal.resource.name))], status: status, differences: [.leaving("files")])
                    : Plan(.ready, status: status)
            case (.absent(let machine), .running(let running)):
                return stop(machine, running, "stopping", status, [.leaving("process")])
            case (.present(let machine), .none):
                switch machine.spec.runPolicy {
                case .halted: return Plan(.ready, status: status)
                case .always: return start(machine, seen, status, reader)
                }
            case (.present(let machine), .running(let running)):
                switch machine.spec.runPolicy {
                case .halted:
                    let difference = Difference("process", seen: "running", wanted: "halted", impact: .restart)
                    return stop(machine, running, "stopping", status, [difference])
                case .always: return keep(machine, seen, running, status, reader)
                }
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .start(let machine, let ports):
                next.process = .running(.init(
                    pid: 0, commandLine: ["qemu"] + machine.arguments().flatMap(\.arguments),
                    bridges: Dictionary(ports.map { ($0.tap, $0.bridge) }, uniquingKeysWith: { first, _ in first })))
                next.hasFiles = true
            case .plug(_, let ports):
                if case .running(var running) = next.process {
                    for port in ports { running.bridges[port.tap] = port.bridge }
                    next.process = .running(running)
                }
            case .resume:
                if case .running(var running) = next.process {
                    running.state = "running"
                    next.process = .running(running)
                }
            // It runs as before.
            case .reset: break
            case .powerDown, .end:
                next.process = .none
                next.hasFiles = true
            case .clear:
                next.hasFiles = false
            }
            return next
        }

        private static func start(
            _ machine: Resource<VirtualMachine>, _ seen: Sight, _ status: Status, _ reader: Reader
        ) -> Plan<VirtualMachine, Action> {
            let difference = Difference("process", seen: nil, wanted: "running", impact: .restart)
            switch definition(of: machine, seen.premises, reader) {
            case .failure(let obstacle): return Plan(obstacle.condition, status: status, differences: [difference])
            case .success(let wanted):
                // Written before the process opens them: nobody may take them away in between.
                var announced = status
                announced.disks = machine.spec.disks.map(\.disk.scalarText)
                var plan = Plan<VirtualMachine, Action>(
                    .converging("starting"), [.start(wanted.machine, ports: wanted.ports)], status: announced, differences: [difference])
                plan.statusIfHeld = status
                return plan
            }
        }

        private static func keep(
            _ machine: Resource<VirtualMachine>, _ seen: Sight, _ running: Sight.Running, _ status: Status, _ reader: Reader
        ) -> Plan<VirtualMachine, Action> {
            if running.isPoweringDown {
                let difference = Difference("process", seen: "powering down", wanted: "running", impact: .restart)
                return stop(machine, running, "powering down", status, [difference])
            }
            switch definition(of: machine, seen.premises, reader) {
            case .failure(let obstacle):
                return Plan(obstacle.condition, status: status, differences: changes(outline(of: machine, seen.premises), running).filter(\.isOfOutline))
            case .success(let wanted):
                var differences = changes(wanted.machine, running)
                switch running.state {
                // A guest that put itself to sleep does as it likes.
                case "running", "suspended": break
                case "paused", "io-error":
                    differences.append(Difference("process", seen: .string(running.state), wanted: "running", impact: .none))
                    return Plan(.converging("resuming"), [.resume(machine.name)], status: status, differences: differences)
                case "shutdown", "prelaunch", "save-vm", "restore-vm", "inmigrate", "finish-migrate", "postmigrate":
                    return Plan(.converging("QEMU says \(running.state)"), status: status, differences: differences, lookAgain: .milliseconds(200))
                default:
                    differences.append(Difference("process", seen: .string(running.state), wanted: "running", impact: .restart))
                    return Plan(
                        .stalled("QEMU says it is \(running.state); end process \(running.pid) and it is started again"),
                        status: status, differences: differences)
                }
                let loose = wanted.ports.filter { port in running.bridges[port.tap].map { $0 != port.bridge } ?? false }
                // Of a machine that is to become another one anyway, its start moves them: an interface that it has may be to become that of another network.
                let isAsStarted = differences.isEmpty
                differences += loose.map { port in
                    let index = machine.spec.interfaces.indices.first { VirtualMachine.tap(machine.name, $0) == port.tap } ?? 0
                    return Difference("spec.interfaces[\(index)].network", seen: running.bridges[port.tap].flatMap { $0.isEmpty ? nil : .string($0) }, wanted: .string(port.bridge), impact: .none)
                }
                if isAsStarted, !loose.isEmpty {
                    return Plan(.converging("moving to its network"), [.plug(machine.name, ports: loose)], status: status, differences: differences)
                }
                var status = status
                // Asked for once, and true for good: it stands on the machine itself and need not be looked at again.
                if let installation = reader.glance(Installation.self, machine.name), installation.spec.node.scalarText == machine.name,
                    let wanted = installation.status?.detail.boots?.latest, status.bootedFor != wanted, status.startedAt.map({ $0 < wanted }) ?? true {
                    let before = status
                    status.bootedFor = wanted
                    var plan = Plan<VirtualMachine, Action>(
                        .converging("starting anew; its installer does not answer"), [.reset(machine.name)], status: status, differences: differences)
                    plan.statusIfHeld = before
                    return plan
                }
                if differences.isEmpty { return Plan(.ready, status: status) }
                status.pendingRestart = differences.map(\.path)
                switch machine.spec.updatePolicy {
                case .onNextBoot: return Plan(.ready, status: status, differences: differences)
                case .restart: return stop(machine, running, "restarting", status, differences)
                }
            }
        }

        /// One graceful request, then patience, then force.
        private static func stop(
            _ machine: Resource<VirtualMachine>, _ running: Sight.Running, _ phase: String, _ status: Status, _ differences: [Difference]
        ) -> Plan<VirtualMachine, Action> {
            let timeout = machine.spec.stopTimeout
            if running.isOverdue {
                return Plan(.converging("\(phase) by force"), [.end(machine.name)], status: status, differences: differences)
            }
            if running.isPoweringDown {
                return Plan(
                    .converging("\(phase); the guest has \(timeout.scalarText) to power off"), running.isDeaf ? [.powerDown(machine.name)] : [], status: status, differences: differences,
                    lookAgain: .milliseconds(500))
            }
            let isAsleep = ["paused", "io-error"].contains(running.state)
            return Plan(.converging(phase), [.powerDown(machine.name, wakes: isAsleep)], status: status, differences: differences)
        }

        /// Which fields of the running machine differ, one difference a field.
        private static func changes(_ wanted: MachineDefinition, _ running: Sight.Running) -> [Difference] {
            var found: [Difference] = []
            for difference in differences(wanted: wanted.arguments(), running: running.commandLine) {
                let path = specPath(difference.field)
                if let index = found.firstIndex(where: { $0.path == path }) {
                    found[index].seen = joined(found[index].seen, difference.seen)
                    found[index].wanted = joined(found[index].wanted, difference.wanted)
                } else {
                    found.append(Difference(
                        path, seen: difference.seen.map { .string($0) }, wanted: difference.wanted.map { .string($0) },
                        impact: Impact(rawValue: difference.impact) ?? .restart))
                }
            }
            return found
        }

        /// As far as it can be said without what it waits for: processors and memory.
        private static func outline(of machine: Resource<VirtualMachine>, _ premises: Premises) -> MachineDefinition {
            MachineDefinition(
                name: machine.name, uuid: uuid(of: machine, premises), cpus: machine.spec.cpus, memoryBytes: machine.spec.memory.bytes, accelerator: .tcg,
                firmware: .bios, directory: premises.directory)
        }

        private static func joined(_ first: JSON?, _ second: String?) -> JSON? {
            let parts = [first?.string, second].compactMap { $0 }
            return parts.isEmpty ? nil : .string(parts.joined(separator: " "))
        }

        /// The name by which a person knows what a group of QEMU's arguments came from.
        private static func specPath(_ field: String) -> String {
            switch field {
            case "cpus", "memory", "firmware", "uuid": "spec.\(field)"
            case "kernel": "spec.boot"
            case _ where field.hasPrefix("drives"): "spec.disks" + field.dropFirst("drives".count)
            case _ where field.hasPrefix("interfaces"): "spec.\(field)"
            default: field
            }
        }
    }
}

extension Difference {
    fileprivate var isOfOutline: Bool { ["spec.cpus", "spec.memory"].contains(path) }

    static func leaving(_ what: String) -> Difference { Difference(what, seen: "there", wanted: nil, impact: .replace) }
}

extension Resource where K == VirtualMachine {
    fileprivate func status(_ seen: VirtualMachine.Sight, _ reader: Reader) -> VirtualMachine.Status {
        let files = MachineFiles(directory: seen.premises.directory)
        var status = self.status?.detail ?? VirtualMachine.Status()
        status.uuid = VirtualMachine.uuid(of: self, seen.premises)
        status.host = spec.host?.scalarText ?? seen.premises.host
        status.accelerator = reader.get(Host.self, status.host ?? "")?.status?.detail.accelerator
        status.serialLog = files.serialLog
        status.console = files.console
        status.addresses = spec.interfaces.compactMap { $0.address?.scalarText }
        status.pendingRestart = []
        status.stopRequestedAt = nil
        switch seen.process {
        case .unsettled: break
        case .none:
            status.pid = nil
            status.startedAt = nil
            status.disks = []
        case .running(let running):
            if status.pid != running.pid {
                status.starts += 1
                status.startedAt = nil
            }
            status.pid = running.pid
            // Another server reckons the same start some milliseconds apart: the first one's word stands.
            status.startedAt = status.startedAt ?? running.startedAt.map { Moment($0) }
            status.disks = Set(status.disks + spec.disks.map(\.disk.scalarText)).sorted().filter { name in
                guard let path = reader.get(Disk.self, name)?.status?.detail.path else { return false }
                return running.commandLine.contains { $0.hasSuffix("file=" + escaped(path)) }
            }
        }
        return status
    }
}
