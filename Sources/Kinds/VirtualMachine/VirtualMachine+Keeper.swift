import Foundation
import Glibc
import Host
import QEMU
import Reconcile
import Resource
import Segment
import Synchronization

extension VirtualMachine {
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let hypervisor: Hypervisor
        private let segments: Segments
        private let time: any Time
        private let host: String
        private let firmware: Firmware
        private let presses = Presses()

        /// When each machine's power button was last pressed, and when it was started.
        private final class Presses: Sendable {
            let last = Mutex<[String: Instant]>([:])
            let started = Mutex<[String: Instant]>([:])
        }

        /// A guest without its drivers loaded yet ignores the button: it is pressed again so often.
        private static let pressAgain = Duration.seconds(5)
        /// QEMU opens its monitor a moment after its process is there; on a busy host it takes a while.
        private static let settling = Duration.seconds(15)

        /// Looked for until it is found: somebody who is told to install it does. What was found stays, so that a newer one restarts nothing.
        private final class Firmware: Sendable {
            private let found = Mutex<FoundFirmware?>(nil)
            private let find: @Sendable () -> FoundFirmware?

            init(_ find: @escaping @Sendable () -> FoundFirmware?) { self.find = find }

            var now: FoundFirmware? {
                found.withLock { found in
                    if found == nil { found = find() }
                    return found
                }
            }
        }

        package init(
            hypervisor: Hypervisor, segments: Segments, time: any Time, host: String, findFirmware: @escaping @Sendable () -> FoundFirmware?
        ) {
            self.hypervisor = hypervisor
            self.segments = segments
            self.time = time
            self.host = host
            firmware = Firmware(findFirmware)
        }

        package func observe(_ goal: Goal<VirtualMachine>, _ reader: Reader) async throws -> Sight {
            let machine = goal.resource
            let premises = Premises(host: host, directory: hypervisor.directory(of: machine.name), firmware: firmware.now)
            switch try await hypervisor.observe(machine.name) {
            case .absent:
                // A start that failed early may have made these and nothing else.
                var hasTaps = false
                if case .absent = goal { hasTaps = VirtualMachine.taps(of: machine.name).contains(where: segments.hasDevice) }
                return Sight(process: .none, hasFiles: hasTaps, premises: premises)
            case .leftovers: return Sight(process: .none, hasFiles: true, premises: premises)
            case .unreachable where presses.started.withLock({ $0[machine.name] }).map({ time.now() - $0 < Self.settling }) ?? false:
                return Sight(process: .unsettled, hasFiles: true, premises: premises)
            case .unreachable(let why): throw MachineError.unreachable(name: machine.name, why)
            case .running(let running):
                let isOverdue = running.poweringDownSince.map { time.now() - $0 >= machine.spec.stopTimeout.duration } ?? false
                let held = VirtualMachine.taps(of: machine.name).filter { tap in running.commandLine.contains { $0.contains("ifname=\(tap),") } }
                let bridges = Dictionary(uniqueKeysWithValues: held.compactMap { tap in segments.bridge(of: tap).map { (tap, $0) } })
                let isDeaf = presses.last.withLock { $0[machine.name] }.map { time.now() - $0 >= Self.pressAgain } ?? true
                return Sight(
                    process: .running(Sight.Running(
                        pid: Int(running.pid), startedAt: ClockTicks.date(running.startTime), commandLine: running.commandLine,
                        state: running.status, isPoweringDown: running.isPoweringDown, isOverdue: isOverdue, isDeaf: running.isPoweringDown && isDeaf,
                        bridges: bridges)),
                    hasFiles: true, premises: premises)
            }
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .start(let machine, let ports):
                for port in ports { try await segments.addTap(port.tap, to: port.bridge) }
                // Of networks that it was on before; what cannot be removed hinders nobody.
                for tap in VirtualMachine.taps(of: machine.name) where !ports.contains(where: { $0.tap == tap }) { try? await segments.removeTap(tap) }
                presses.started.withLock { $0[machine.name] = time.now() }
                try await hypervisor.start(machine)
            case .plug(_, let ports): for port in ports { try await segments.addTap(port.tap, to: port.bridge) }
            case .powerDown(let name, let wakes):
                // One that cannot run on has its time all the same, and is ended.
                if wakes { try? await hypervisor.resume(name) }
                try await hypervisor.powerDown(name)
                presses.last.withLock { $0[name] = time.now() }
            case .reset(let name): try await hypervisor.reset(name)
            case .resume(let name): try await hypervisor.resume(name)
            case .end(let name): try await hypervisor.quit(name)
            case .clear(let name, let taps):
                presses.last.withLock { $0[name] = nil }
                presses.started.withLock { $0[name] = nil }
                for tap in taps { try await segments.removeTap(tap) }
                try await hypervisor.clear(name)
            }
        }

        package func strays(_ reader: Reader) async throws -> [Reconcile.Stray] {
            let known = Set(reader.list(VirtualMachine.self).map(\.name))
            return try await hypervisor.strays(known: known).map { stray in
                switch stray.sight {
                case .running(let running):
                    Reconcile.Stray(Reference(VirtualMachine.self, stray.name), "a machine that runs as pid \(running.pid)")
                case .unreachable(let why):
                    Reconcile.Stray(Reference(VirtualMachine.self, stray.name), "a machine that runs; \(why)")
                case .leftovers, .absent:
                    Reconcile.Stray(
                        Reference(VirtualMachine.self, stray.name),
                        "files of a machine in \(hypervisor.directory(of: stray.name))")
                }
            }
        }

        /// Names of machines to look at now: QEMU said something, or ended.
        package func wakes() -> AsyncStream<String> {
            let (stream, continuation) = AsyncStream.makeStream(of: String.self)
            let task = Task { [hypervisor] in
                for await event in hypervisor.events() { continuation.yield(event.name) }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
            return stream
        }
    }
}

/// Turns the start time that the kernel keeps of a process into a date, to a hundredth of a second.
private enum ClockTicks {
    /// When the machine that we run on was started, by its calendar; reckoned once, so that a process's start stays what it is.
    private static let boot: TimeInterval? = {
        var sinceBoot = timespec()
        guard clock_gettime(CLOCK_BOOTTIME, &sinceBoot) == 0 else { return nil }
        return Date().timeIntervalSince1970 - TimeInterval(sinceBoot.tv_sec) - TimeInterval(sinceBoot.tv_nsec) / 1e9
    }()

    static func date(_ ticks: UInt64) -> Date? {
        // USER_HZ is 100 on every Linux that Swift runs on (proc(5)).
        boot.map { Date(timeIntervalSince1970: $0 + TimeInterval(ticks) / 100) }
    }
}
