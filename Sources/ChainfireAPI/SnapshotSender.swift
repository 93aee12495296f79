import Chainfire
import Crypto
import Etcd
import Foundation
import GRPC
import Host

/// Sends a snapshot as etcd does: the file in pieces with what remains after each, then its SHA-256
/// (etcd `v3rpc/maintenance.go`). The file is SQLite's, not bbolt's.
struct SnapshotSender {
    private static let pieceBytes = 64 * 1024

    let store: Chainfire
    let scratchDirectory: String
    let time: any Time
    /// Two copies at once are made, and one that nobody reads keeps its place from others.
    var patience = Duration.seconds(60)

    func send(to sink: any Sink) async throws {
        let path = "\(scratchDirectory)/outgoing-\(UInt64.random(in: 0 ... .max)).snapshot"
        defer { unlink(path) }
        try await store.snapshot(to: path)
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        var remaining = try file.seekToEnd()
        try file.seek(toOffset: 0)
        var digest = SHA256()
        while remaining > 0 {
            guard let piece = try file.read(upToCount: Self.pieceBytes), !piece.isEmpty else {
                throw GRPCStatus(.internalError, "the snapshot \(path) became shorter while it was sent")
            }
            remaining -= UInt64(piece.count)
            digest.update(data: piece)
            try await sink.waitUntilWritable(within: patience, time)
            sink.send(Etcdserverpb_SnapshotResponse.with {
                $0.remainingBytes = remaining
                $0.blob = piece
            })
        }
        sink.send(Etcdserverpb_SnapshotResponse.with { $0.blob = Data(digest.finalize()) })
    }
}
