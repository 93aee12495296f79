import Bytes
import Crypto
import Foundation
import Raft

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

    /// The first 63 bits of a SHA-256, never 0, so that JSON readers and etcd's signed tools agree on it.
    static func number(_ bytes: [UInt8]) -> UInt64 {
        let digest = SHA256.hash(data: bytes).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return max(1, digest >> 1)
    }
}
