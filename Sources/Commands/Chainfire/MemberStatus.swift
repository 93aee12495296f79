import Etcd
import Manifest

/// What a member says of itself.
struct MemberStatus: Hashable, Sendable {
    var cluster: UInt64
    var id: UInt64
    var version: String
    var revision: Int64
    /// 0: it knows none.
    var leader: UInt64
    var isLearner: Bool
    var term: UInt64
    var index: UInt64
    var applied: UInt64
    var bytes: Int64
    var bytesInUse: Int64
    /// Alarms, and what else is wrong.
    var errors: [String]

    init(_ answer: Etcdserverpb_StatusResponse) {
        (cluster, id, revision) = (answer.header.clusterID, answer.header.memberID, answer.header.revision)
        (version, leader, isLearner) = (answer.version, answer.leader, answer.isLearner)
        (term, index, applied) = (answer.raftTerm, answer.raftIndex, answer.raftAppliedIndex)
        (bytes, bytesInUse, errors) = (answer.dbSize, answer.dbSizeInUse, answer.errors)
    }

    var json: JSON {
        [
            "clusterID": .string(hex(cluster)), "memberID": .string(hex(id)), "version": .string(version), "revision": .integer(revision),
            "leader": leader == 0 ? .null : .string(hex(leader)), "learner": .bool(isLearner), "term": .integer(Int64(clamping: term)),
            "index": .integer(Int64(clamping: index)), "appliedIndex": .integer(Int64(clamping: applied)), "dbSize": .integer(bytes),
            "dbSizeInUse": .integer(bytesInUse), "errors": .array(errors.map { .string($0) }),
        ]
    }
}
