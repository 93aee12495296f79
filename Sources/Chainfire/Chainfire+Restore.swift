import Foundation
import Host
import Raft
import Replica
import Store

/// What a snapshot's file holds.
package struct SnapshotReport: Hashable, Sendable, CustomStringConvertible {
    package var bytes: Int
    package var revision: Revision
    package var compacted: Revision
    package var keys: Int
    package var appliedIndex: UInt64
    package var appliedTerm: UInt64
    package var clusterID: UInt64
    /// `Keyspace.hash` of everything in it.
    package var hash: UInt32

    package var description: String {
        "\(keys) keys at revision \(revision)\(compacted > 0 ? ", compacted at \(compacted)" : ""), \(bytes) bytes, of cluster \(hex(clusterID)), "
            + "entry \(appliedIndex) of term \(appliedTerm), hash \(hash)"
    }
}

package struct RestoreReport: Hashable, Sendable, CustomStringConvertible {
    package var identity: StoreIdentity
    package var members: [MemberRecord]
    /// The store's, after the bump. Older ones count as compacted.
    package var revision: Revision
    package var keys: Int

    package var description: String {
        "\(keys) keys, revision \(revision), as member \(hex(identity.memberID)) of cluster \(hex(identity.clusterID)) with "
            + members.map(\.name).joined(separator: ", ")
    }
}

extension Chainfire {
    /// Reads a snapshot's file whole, without changing it.
    /// - Throws: `.corrupt` with what is wrong first.
    package static func verify(snapshot path: String) throws(ChainfireError) -> SnapshotReport {
        do {
            let problems = try Storage.check(path)
            if let first = problems.first { throw ChainfireError.corrupt(file: path, first) }
            let image = try Storage.look(path)
            var keyspace = Keyspace(cacheBytes: 0)
            try Storage.readRows(path) { keyspace.take($0) }
            _ = try keyspace.restore(compacted: image.mark.compacted)
            let facts = try image.cluster()
            guard facts.clusterID != 0 || image.mark.appliedIndex > 0 else {
                throw ChainfireError.corrupt(file: path, "it holds no store: no member of a cluster has written to it; with state.db goes state.db-wal, which lies beside it")
            }
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            return SnapshotReport(
                bytes: size ?? 0, revision: image.mark.revision, compacted: image.mark.compacted, keys: keyspace.liveKeys,
                appliedIndex: image.mark.appliedIndex, appliedTerm: image.mark.appliedTerm, clusterID: facts.clusterID,
                hash: keyspace.view.hash(through: .max))
        } catch {
            throw Storage.problem(error, path)
        }
    }

    /// Puts what lies in a database's write-ahead log, which is beside it under its own name, into the database.
    package static func absorbLog(ofDatabase path: String) throws(ChainfireError) {
        do {
            let storage = try Storage(path: path)
            try storage.checkpoint()
            try storage.close()
        } catch {
            throw Storage.problem(error, path)
        }
    }

    /// Makes a new data directory of a snapshot: a new cluster with the keys of the old one.
    ///
    /// The cluster's and its members' ids are new, so that no old member ever talks to it. The revision is raised by
    /// more than the old cluster can have gone on, and everything before it counts as compacted: clients that watch, or
    /// cached something, are told so instead of being shown another history under the same numbers (etcdutl's
    /// `--bump-revision --mark-compacted`).
    /// - Parameters:
    ///   - directory: missing or empty.
    ///   - membership: `.single`, or `.bootstrap` with the same members and token on all of them.
    package static func restore(
        snapshot path: String, to directory: String, membership: ClusterMembership = .single,
        bumpRevision: Revision = 1_000_000_000, disk: any Disk = SystemDisk()
    ) throws(ChainfireError) -> RestoreReport {
        let report = try verify(snapshot: path)
        guard bumpRevision >= 0 else { throw .mismatch("the revision can only be raised, not by \(bumpRevision)") }
        // Half of all numbers are left to the new cluster.
        guard case let (revision, isTooMuch) = report.revision.addingReportingOverflow(bumpRevision), !isTooMuch, revision <= ChangeID.revisionMax / 2 else {
            throw .mismatch("revision \(report.revision) cannot be raised by \(bumpRevision): at most to \(ChangeID.revisionMax / 2)")
        }
        var founding = try membership.founding()
        if case .bootstrap(_, let members, let token) = membership {
            // Another cluster than the one that was founded with the same words; the same on all members.
            let salt = Array("\(token)/restored/\(hex(report.clusterID))/\(report.revision)/\(report.hash)/\(members.count)/\(hex(founding.identity.clusterID))".utf8)
            founding.identity.clusterID = ClusterMembership.number(salt)
        }
        let state = directory + "/state.db"
        do {
            try disk.makeDirectory(directory)
            if let name = try disk.list(directory).first {
                throw ChainfireError.mismatch("\(directory) is not empty (it holds \(name)); name a new directory")
            }
            try copy(path, to: state, disk)
            let storage = try Storage(path: state, disk: disk)
            let image = try storage.restore(valueBytesMax: 0) { _ in }
            var batch = StorageBatch(mark: image.mark)
            batch.mark.appliedIndex = base.index
            batch.mark.appliedTerm = base.term
            batch.mark.revision += bumpRevision
            batch.mark.compacted = bumpRevision > 0 ? batch.mark.revision : batch.mark.compacted
            var facts = Facts()
            facts.clusterID = founding.identity.clusterID
            facts.configuration = founding.configuration
            facts.base = base
            facts.members = Dictionary(uniqueKeysWithValues: founding.members.map { ($0.id, $0) })
            batch.facts = Facts.Name.allCases.map { ($0.rawValue, facts.encoded($0)) }
            try storage.write(batch)
            try storage.checkpoint()
            try storage.close()
            // Last: without it the directory is not taken for a member's.
            try founding.identity.write(directory, disk)
            return RestoreReport(
                identity: founding.identity, members: founding.members, revision: batch.mark.revision, keys: report.keys)
        } catch {
            throw Storage.problem(error, directory)
        }
    }

    /// Where the log of a restored state begins: after one entry that nobody has.
    private static let base = Position(index: 1, term: 1)

    private static func copy(_ source: String, to target: String, _ disk: any Disk) throws {
        let (from, to) = (try disk.open(source, .read), try disk.open(target, .create))
        var at: UInt64 = 0
        while case let part = try from.read(at: at, count: 1 << 20), !part.isEmpty {
            try to.write(part, at: at)
            at += UInt64(part.count)
        }
        try to.sync()
    }
}
