/// How the other side of a connection introduced itself; its cluster, version and certificate have been looked at.
package struct PeerHello: Hashable, Sendable {
    package var cluster: UInt64
    package var from: UInt64
    package var to: UInt64
    package var incarnation: UInt64

    package init(cluster: UInt64, from: UInt64, to: UInt64, incarnation: UInt64) {
        self.cluster = cluster
        self.from = from
        self.to = to
        self.incarnation = incarnation
    }
}

/// Why a connection between members is refused. The other side is told.
package enum PeerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case cluster(theirs: UInt64, ours: UInt64)
    /// The member's disk was lost or swapped: what it promised is forgotten, so it must not vote under its old id.
    /// Of so many voters; 0: that is not known.
    case incarnation(member: UInt64, known: UInt64, theirs: UInt64, voters: Int)
    /// It is a member no longer.
    case removed(member: UInt64)
    /// An address leads to somebody else.
    case wrongMember(wanted: UInt64, here: UInt64)
    case version(theirs: UInt64, ours: UInt64)
    /// The certificate is genuine but not this member's.
    case certificate(String)
    case other(String)

    package var description: String {
        switch self {
        case .cluster(let theirs, let ours):
            """
            cluster id differs: \(Self.hex(theirs)) came, this is \(Self.hex(ours)); \
            start that member with this cluster's data, or join it anew
            """
        case .incarnation(let member, let known, let theirs, let voters):
            """
            member \(Self.hex(member)) comes with another disk than before (\(Self.hex(theirs)), known is \(Self.hex(known))): what \
            it promised is forgotten, so it never votes again under this id and counts as one that is down\
            \(voters > 0 ? "; there \(voters == 1 ? "is 1 voter" : "are \(voters) voters"), and \(voters / 2 + 1) must agree" : ""). \
            Give its place to a new member: plasma chainfire member replace \(Self.hex(member)) NAME --peer-urls URL, and start \
            that with an empty directory
            """
        case .removed(let member):
            "member \(Self.hex(member)) was removed from this cluster; empty its directory, and it may join as a new member"
        case .wrongMember(let wanted, let here):
            "member \(Self.hex(wanted)) was looked for, but here is member \(Self.hex(here)); correct the peer address"
        case .version(let theirs, let ours):
            "peer protocol version \(theirs) is not spoken here (this is \(ours)); upgrade the older member"
        case .certificate(let text), .other(let text):
            text
        }
    }

    /// Why the member that is refused so ends.
    package var endsThisMember: String { "this member takes no part any more: \(self)" }

    private static func hex(_ id: UInt64) -> String { String(id, radix: 16) }
}
