import Bytes
import Foundation
import Host
import Raft

/// Whose data a directory holds. Kept in its file `member`, made before anything else and never changed:
///
///     {"cluster":"9f0c…","member":"1"}
package struct StoreIdentity: Hashable, Sendable {
    /// In every answer's header; not 0.
    package var clusterID: UInt64
    /// Not 0.
    package var memberID: UInt64

    package init(clusterID: UInt64, memberID: UInt64) {
        self.clusterID = clusterID
        self.memberID = memberID
    }

    private struct Spelled: Codable {
        var cluster: String
        var member: String
    }

    /// nil: there is none yet.
    static func read(_ directory: String, _ disk: any Disk) throws(ChainfireError) -> StoreIdentity? {
        let path = directory + "/member"
        let bytes: [UInt8]
        do throws(DiskError) {
            bytes = try disk.open(path, .read).read(at: 0, count: 4_096)
        } catch {
            if case .missing = error { return nil }
            throw .storage(error.description)
        }
        guard let spelled = try? JSONDecoder().decode(Spelled.self, from: Data(bytes)),
            let cluster = UInt64(spelled.cluster, radix: 16), let member = UInt64(spelled.member, radix: 16),
            cluster != 0, member != 0
        else { throw .corrupt(file: path, "it does not say which member this is") }
        return StoreIdentity(clusterID: cluster, memberID: member)
    }

    func write(_ directory: String, _ disk: any Disk) throws(ChainfireError) {
        let path = directory + "/member"
        do throws(DiskError) {
            let draft = try disk.open(path + ".new", .create)
            try draft.truncate(to: 0)
            try draft.write(Array("{\"cluster\":\"\(hex(clusterID))\",\"member\":\"\(hex(memberID))\"}\n".utf8), at: 0)
            try draft.sync()
            try disk.rename(path + ".new", to: path)
            try disk.syncDirectory(directory)
        } catch {
            throw .storage(error.description)
        }
    }
}

/// One of the members that begin a cluster together.
package struct FoundingMember: Hashable, Sendable {
    package var name: String
    package var peerURLs: [String]

    package init(name: String, peerURLs: [String]) {
        self.name = name
        self.peerURLs = peerURLs
    }
}

/// What a cluster that has added a member tells it to begin with.
package struct JoinTicket: Hashable, Sendable {
    package var clusterID: UInt64
    package var memberID: UInt64
    /// All members, the new one among them.
    package var members: [MemberRecord]

    package init(clusterID: UInt64, memberID: UInt64, members: [MemberRecord]) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.members = members
    }
}

/// How a member comes to its cluster. Only an empty directory asks; a directory that holds a member keeps it, so
/// that the same configuration may stay for ever.
package enum ClusterMembership: Hashable, Sendable {
    /// The only voter of a cluster of its own.
    case single
    /// One of several that begin together, in any order, all given the same members and the same token. They cannot agree on
    /// a random id before they know each other, so ids are drawn from both by SHA-256, as etcd does by SHA-1: another token
    /// is another cluster. Two clusters of the same names, addresses and token would be one; a random token rules it out.
    case bootstrap(name: String, members: [FoundingMember], token: String)
    /// A member that the cluster has added, with an empty directory.
    case joined(JoinTicket)
    /// The directory knows, or nothing is opened.
    case existing
}
