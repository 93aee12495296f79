import Foundation
import Host
import Logging
@testable import Replica
import Simulation
import Testing

@Suite struct ReplicaTests {
    private func quiet() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    private func open(_ disk: any Disk, _ machine: Notebook, _ options: ReplicaOptions = small()) throws -> Replica<Notebook> {
        try Replica(directory: "/log", disk: disk, machine: machine, options: options, membership: alone, logger: quiet())
    }

    /// Runs the replica beside the body and ends it afterwards.
    private func running(_ replica: Replica<Notebook>, _ body: () async throws -> Void) async throws {
        let run = Task { try await replica.run() }
        do { try await body() } catch {
            run.cancel()
            _ = await run.result
            throw error
        }
        run.cancel()
        try await run.value
    }

    @Test func `many tasks propose at once, and each gets the output of its own command`() async throws {
        let machine = Notebook()
        let disk = SimulatedDisk(seed: 1)
        let replica = try open(disk, machine)
        try await running(replica) {
            try await withThrowingTaskGroup { group in
                for task in 0..<20 {
                    group.addTask {
                        var before: UInt64 = 0
                        for number in 0..<50 {
                            let mine = command(task * 1000 + number, bytes: 20)
                            let index = try await replica.propose(mine)
                            #expect(index > before, "a task's commands keep their order")
                            #expect(machine.commands.first { $0.index == index }?.bytes == mine)
                            before = index
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        #expect(machine.commands.count == 1000)
        #expect(replica.status.appliedIndex == 1002)
        #expect(replica.status.durableIndex == 1002)
        #expect(disk.syncs < 1200)
        let again = Notebook()
        _ = try open(disk, again)
        #expect(again.commands == machine.commands)
    }

    @Test func `what was proposed before run waits for it`() async throws {
        let replica = try open(SimulatedDisk(seed: 2), Notebook())
        async let first = replica.propose([1])
        try await running(replica) { _ = try await replica.propose([2]) }
        // Either it came in time or it was refused by name; it never hangs.
        do { _ = try await first } catch ReplicaError.stopped {}
    }

    @Test func `after the end proposals are refused as stopped, and the log can be opened again`() async throws {
        let disk = SimulatedDisk(seed: 3)
        let replica = try open(disk, Notebook())
        try await running(replica) { _ = try await replica.propose([1]) }
        await #expect(throws: ReplicaError.stopped) { try await replica.propose([2]) }
        _ = try open(disk, Notebook())
    }

    @Test func `a failed sync ends run, and every waiter hears of it`() async throws {
        let disk = SimulatedDisk(seed: 4)
        let replica = try open(disk, Notebook())
        disk.failSyncs(after: 0)
        let run = Task { try await replica.run() }
        await withTaskGroup { group in
            for number in 1...20 {
                group.addTask {
                    do throws(ReplicaError) {
                        _ = try await replica.propose([UInt8(number)])
                        Issue.record("acknowledged without a sync")
                    } catch {
                        guard case .storage = error else {
                            Issue.record("\(error)")
                            return
                        }
                    }
                }
            }
        }
        await #expect(throws: ReplicaError.self) { try await run.value }
    }

    @Test func `a machine that fails ends run`() async throws {
        let machine = Notebook()
        let replica = try open(SimulatedDisk(seed: 5), machine)
        machine.fail(.noSpace(operation: "write", path: "/db"))
        let run = Task { try await replica.run() }
        await #expect(throws: ReplicaError.self) { try await replica.propose([1]) }
        await #expect(throws: ReplicaError.self) { try await run.value }
    }

    @Test func `limits are refused by name`() async throws {
        var options = small()
        options.waitingBytesMax = 100
        let disk = SimulatedDisk(seed: 6)
        let replica = try open(disk, Notebook(), options)
        await #expect(throws: ReplicaError.tooLarge(bytes: 5000, bytesMax: 3384)) {
            try await replica.propose([UInt8](repeating: 1, count: 5000))
        }
        try await running(replica) {
            _ = try await replica.propose([UInt8](repeating: 1, count: 3384))
            disk.setFullness(.growth)
            // A segment may have been prepared before.
            var refusal: ReplicaError?
            for _ in 0..<4 where refusal == nil {
                do throws(ReplicaError) { _ = try await replica.propose([UInt8](repeating: 2, count: 3384)) } catch { refusal = error }
            }
            #expect(refusal == .noSpace)
            disk.setFullness(.none)
            _ = try await replica.propose([3])
        }
    }

    @Test func `checkpoints keep the log short`() async throws {
        let machine = Notebook()
        let replica = try open(SimulatedDisk(seed: 7), machine, small(checkpointCommands: 10))
        try await running(replica) {
            for number in 0..<200 { _ = try await replica.propose(command(number, bytes: 300)) }
        }
        #expect(machine.checkpoints >= 10)
        #expect(replica.status.segments <= 4)
        #expect(machine.commands.count == 200)
    }
}
