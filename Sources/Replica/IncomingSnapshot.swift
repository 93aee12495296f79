import Host
import Raft
import Synchronization

/// The file of a snapshot that is being received. What takes long is done here, and may be done beside the replica's
/// thread: writing, syncing, comparing the digest, and having the machine read the whole of it.
final class IncomingSnapshot: Sendable {
    private struct State {
        var file: (any DiskFile)?
        var digest = Digest()
        var unsyncedBytes = 0
    }

    let path: String
    private let disk: any Disk
    private let state = Mutex(State())

    init(_ path: String, disk: any Disk) {
        self.path = path
        self.disk = disk
    }

    /// Little by little, so that the end needs no long sync.
    private static let unsyncedBytesMax = 8 << 20

    fileprivate func write(_ chunk: SnapshotChunk) throws(DiskError) -> UInt64 {
        try state.withLock { state -> Result<UInt64, DiskError> in
            do throws(DiskError) {
                if state.file == nil {
                    let file = try disk.open(path, .create)
                    try file.truncate(to: 0)
                    state.file = file
                }
                try state.file?.write(chunk.bytes, at: chunk.offset)
                state.digest.add(chunk.bytes)
                state.unsyncedBytes += chunk.bytes.count
                if state.unsyncedBytes >= Self.unsyncedBytesMax || chunk.isLast {
                    try state.file?.sync()
                    state.unsyncedBytes = 0
                }
                if chunk.isLast { state.file = nil }
                return .success(state.digest.value)
            } catch {
                return .failure(error)
            }
        }.get()
    }
}

/// A part of a snapshot that is to be kept.
package struct SnapshotPart: Sendable {
    let incoming: IncomingSnapshot
    let chunk: SnapshotChunk
    let from: UInt64

    package enum Outcome: Hashable, Sendable {
        case kept
        /// It was the last: the file is whole, durable, and the machine could read it.
        case whole
        /// The file is not what was sent, or nothing that the machine can take.
        case wrong(String)
        case noSpace
        case failed(ReplicaError)
    }

    /// Writes it; after the last one the machine reads the whole file. The parts of a snapshot must be kept one after
    /// another. May take long; runs on any thread.
    package func keep(for machine: some StateMachine) -> Outcome {
        let digest: UInt64
        do throws(DiskError) { digest = try incoming.write(chunk) } catch {
            if case .noSpace = error { return .noSpace }
            return .failed(ReplicaError(error))
        }
        guard chunk.isLast else { return .kept }
        guard digest == chunk.id else { return .wrong("its digest differs") }
        do {
            try machine.prepare(incoming.path, chunk.head)
            return .whole
        } catch DiskError.noSpace {
            return .noSpace
        } catch {
            return .wrong("\(error)")
        }
    }
}

extension SnapshotChunk {
    var isLast: Bool { offset + UInt64(bytes.count) == total }
}
