import Foundation
import Host
import NIOCore

extension Hypervisor {
    /// How often the processes are looked at. QMP tells most ends sooner, but not of a machine whose QMP
    /// another client holds.
    static let glance = Duration.milliseconds(250)

    /// Listens to every running machine until its task is cancelled: finds those that run, holds their QMP
    /// connections, and tells `events()` of what happens, of an exit within a second. Keeps their serial logs short.
    package func run() async throws {
        var watched: [String: ProcessIdentity] = [:]
        var troubles: [String: String] = [:]
        while !Task.isCancelled {
            do throws(MachineError) { try look(&watched, &troubles) } catch {
                logger.error("could not look at the machines: \(error)")
            }
            do { try await time.sleep(for: Self.glance) } catch { break }
        }
        await monitor.release()
    }

    /// - Parameter troubles: with serial logs, by machine: each is told once, and not at every glance.
    private func look(_ watched: inout [String: ProcessIdentity], _ troubles: inout [String: String]) throws(MachineError) {
        for (name, identity) in watched.sorted(by: { $0.key < $1.key }) {
            guard try !looking({ () throws(ProcessError) in try processes.isAlive(identity) }) else { continue }
            watched[name] = nil
            monitor.forget(name, identity)
            monitor.tell(MachineEvent(name: name, kind: .exited))
        }
        for name in try directories() {
            guard let process = try findByPidFile(name) else { continue }
            let trouble = serialLogBound.hold(files(of: name))
            if let trouble, trouble != troubles[name] { logger.error("\(trouble)", metadata: ["machine": "\(name)"]) }
            troubles[name] = trouble
            if watched[name] != process.identity {
                watched[name] = process.identity
                monitor.tell(MachineEvent(name: name, kind: .attached))
            }
            // Held from now on; opened again when it broke.
            _ = monitor.connection(to: name, process.identity, uuid: uuid(of: process), socket: files(of: name).qmp)
        }
    }
}
