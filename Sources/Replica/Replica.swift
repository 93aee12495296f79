import Dispatch
import Foundation
import Host
import Logging
import Raft
import Synchronization

/// A Raft group made real: proposals go into the log, and when they are durable, to the machine. All that
/// blocks happens on a thread of its own.
package final class Replica<Machine: StateMachine>: Sendable {
    package typealias Options = ReplicaOptions

    private let inbox: Inbox<Machine.Output>
    /// Held by the writing thread while it runs; nil afterwards, which closes the files and lets go of the lock.
    private let core: Mutex<ReplicaCore<Machine>?>
    private let published: Mutex<ReplicaStatus>
    private let commandBytesMax: Int
    private let logger: Logger
    private let background = DispatchQueue(label: "plasma.replica.spare", qos: .utility)

    /// Opens and locks the directory (made when missing), recovers the log and replays what the machine has not
    /// applied. Blocks while it reads.
    /// - Throws: `.corrupt` with file and offset when the log is damaged; `.locked` when it is open already;
    ///   `.mismatch` when log and machine do not belong together.
    package init(
        directory: String, disk: any Disk, machine: Machine, options: Options = Options(), logger: Logger
    ) throws(ReplicaError) {
        var core = try ReplicaCore.open(
            directory: directory, disk: disk, machine: machine, options: options, identity: .random(in: 1 ... .max))
        try core.rest()
        inbox = Inbox(bytesMax: options.waitingBytesMax)
        commandBytesMax = core.commandBytesMax
        published = Mutex(core.status)
        self.core = Mutex(consume core)
        self.logger = logger
    }

    /// Writes and applies until the task is cancelled; then what is being written is finished, and what waits is
    /// refused as stopped. May be called once.
    /// - Throws: `.storage` when the disk or the machine failed. The process must end then.
    package func run() async throws {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (done: CheckedContinuation<Result<Void, ReplicaError>, Never>) in
                let thread = Thread { done.resume(returning: self.work()) }
                thread.name = "replica"
                thread.stackSize = 8 << 20
                thread.start()
            }
        } onCancel: {
            inbox.stop()
        }
        try result.get()
    }

    /// Returns when the command is durable and applied. Commands of one task are applied in the order of its
    /// calls; a cancelled task still waits for the outcome.
    /// - Parameter bytes: not empty.
    /// - Throws: `.noSpace`, `.tooLarge`, `.overloaded`, `.stopped`: nothing was written. `.storage`: unknown.
    package func propose(_ bytes: [UInt8]) async throws(ReplicaError) -> Machine.Output {
        precondition(!bytes.isEmpty, "an empty command was proposed")
        guard bytes.count <= commandBytesMax else { throw .tooLarge(bytes: bytes.count, bytesMax: commandBytesMax) }
        return try await withCheckedContinuation { answer in
            inbox.put(.init(bytes: bytes, answer: answer))
        }.get()
    }

    package var status: ReplicaStatus { published.withLock { $0 } }

    private func work() -> Result<Void, ReplicaError> {
        let result = core.withLock { core -> Result<Void, ReplicaError> in
            guard var taken = core.take() else { preconditionFailure("a replica was run twice") }
            do throws(ReplicaError) {
                try serve(&taken)
                try taken.close()
                // A spare being made must not outlive the lock.
                background.sync {}
                return .success(())
            } catch {
                background.sync {}
                return .failure(error)
            }
        }
        if case .failure(let error) = result { logger.critical("the replica ends: \(error)") }
        inbox.end(result.failure ?? .stopped)
        return result
    }

    private func serve(_ core: inout ReplicaCore<Machine>) throws(ReplicaError) {
        var spareAskedBy: String?
        while let proposals = inbox.take() {
            var start = 0
            while start < proposals.count {
                var end = start
                var room = core.batchBytesMax
                while end < proposals.count {
                    room -= ReplicaCore<Machine>.recordBytes(proposals[end].bytes)
                    if room < 0, end > start { break }
                    end += 1
                }
                do throws(ReplicaError) {
                    try write(proposals[start..<end], &core)
                } catch {
                    // Those behind were not begun; they are refused with the rest of the inbox's.
                    for proposal in proposals[end...] { proposal.answer.resume(returning: .failure(error)) }
                    throw error
                }
                start = end
            }
            if core.log.wantsSpare, spareAskedBy != core.log.segments.last?.name {
                spareAskedBy = core.log.segments.last?.name
                prepareSpare(core.log.spare)
            }
            let someoneWaits = !inbox.isEmpty
            if !someoneWaits { try core.rest() }
            try core.checkpointIfDue(someoneWaits: someoneWaits)
        }
    }

    /// Answers every proposal, also before a throw.
    private func write(
        _ proposals: ArraySlice<Inbox<Machine.Output>.Proposal>, _ core: inout ReplicaCore<Machine>
    ) throws(ReplicaError) {
        defer { inbox.answered(bytes: proposals.reduce(0) { $0 + $1.bytes.count }) }
        do throws(ReplicaError) {
            let outputs = try core.commit(proposals.map(\.bytes))
            let status = core.status
            published.withLock { $0 = status }
            for (proposal, output) in zip(proposals, outputs) { proposal.answer.resume(returning: .success(output)) }
        } catch {
            for proposal in proposals { proposal.answer.resume(returning: .failure(error)) }
            guard error == .noSpace else { throw error }
            logger.warning("\(proposals.count) commands were refused: \(error)")
        }
    }

    private func prepareSpare(_ spare: SpareSegment) {
        background.async { [logger] in
            do { try spare.prepare() } catch { logger.info("no segment was prepared: \(error)") }
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
