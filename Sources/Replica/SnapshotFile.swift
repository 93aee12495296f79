import Bytes
import Host
import Raft

/// A snapshot of the machine that lies ready to be sent.
package struct SnapshotFile: Hashable, Sendable {
    package var path: String
    package var head: SnapshotHead
    package var bytes: UInt64
    /// `Digest` of the whole file.
    package var digest: UInt64

    /// Has the machine write a snapshot, and reads it once. Takes long; runs beside the replica's thread.
    package static func make(_ path: String, machine: some StateMachine, disk: any Disk) -> Result<SnapshotFile, ReplicaError> {
        let head: SnapshotHead
        do { head = try machine.snapshot(to: path) } catch {
            // What was begun may have filled the disk.
            try? disk.remove(path)
            if let error = error as? DiskError { return .failure(ReplicaError(error)) }
            return .failure(.storage("could not make a snapshot: \(error)"))
        }
        do throws(DiskError) {
            let file = try disk.open(path, .read)
            let bytes = try file.size()
            var digest = Digest()
            var at: UInt64 = 0
            while at < bytes {
                let part = try file.read(at: at, count: 1 << 20)
                if part.isEmpty { break }
                digest.add(part)
                at += UInt64(part.count)
            }
            return .success(SnapshotFile(path: path, head: head, bytes: bytes, digest: digest.value))
        } catch {
            try? disk.remove(path)
            return .failure(ReplicaError(error))
        }
    }
}
