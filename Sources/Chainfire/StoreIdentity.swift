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
    /// One of several that begin together, in any order, all given the same members and the same token. Ids are made
    /// of both: another token is another cluster.
    case bootstrap(name: String, members: [FoundingMember], token: String)
    /// A member that the cluster has added, with an empty directory.
    case joined(JoinTicket)
    /// The directory knows, or nothing is opened.
    case existing
}

/// What a membership begins with.
struct Founding {
    var identity: StoreIdentity
    var members: [MemberRecord]
    /// nil: told by a leader.
    var configuration: Configuration?
}

extension ClusterMembership {
    /// What a new directory would begin with; nil where that is random or not known before.
    package var identity: StoreIdentity? {
        switch self {
        case .bootstrap, .joined: (try? founding())?.identity
        case .single, .existing: nil
        }
    }

    /// - Throws: `.mismatch` when the words contradict each other.
    func founding() throws(ChainfireError) -> Founding {
        switch self {
        case .existing:
            throw .mismatch("there is no data yet, and nothing says how this member comes to its cluster: bootstrap or join")
        case .single:
            let record = MemberRecord(id: 1, name: "", peerURLs: [])
            return Founding(
                identity: StoreIdentity(clusterID: .random(in: 1 ... UInt64.max >> 1), memberID: 1), members: [record],
                configuration: Configuration(voters: [1]))
        case .joined(let ticket):
            guard ticket.clusterID != 0, ticket.memberID != 0 else {
                throw .mismatch("the join ticket names no cluster or no member")
            }
            return Founding(
                identity: StoreIdentity(clusterID: ticket.clusterID, memberID: ticket.memberID), members: ticket.members)
        case .bootstrap(let name, let members, let token):
            let sorted = members.sorted { $0.name < $1.name }
            guard Set(sorted.map(\.name)).count == sorted.count else {
                throw .mismatch("two of the initial peers have the same name; names must differ")
            }
            guard sorted.contains(where: { $0.name == name }) else {
                throw .mismatch("\(name) is not among the initial peers \(sorted.map(\.name).joined(separator: ", "))")
            }
            var text = ByteWriter()
            text.text(token)
            let cluster = sorted.reduce(into: text) { out, member in
                out.text(member.name)
                for url in member.peerURLs.sorted() { out.text(url) }
            }
            let clusterID = Self.number(cluster.bytes)
            let records = sorted.map { member in
                var out = cluster
                out.text(member.name)
                return MemberRecord(id: Self.number(out.bytes), name: member.name, peerURLs: member.peerURLs)
            }
            let mine = records.first { $0.name == name }?.id ?? 0
            return Founding(
                identity: StoreIdentity(clusterID: clusterID, memberID: mine), members: records.sorted { $0.id < $1.id },
                configuration: Configuration(voters: records.map(\.id)))
        }
    }

    /// FNV-1a of 64 bits, mixed once more; 63 bits, never 0, so that JSON readers and etcd's signed tools agree on it.
    static func number(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return max(1, (hash ^ (hash >> 31)) >> 1)
    }
}
