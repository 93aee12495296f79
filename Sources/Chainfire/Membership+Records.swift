import Bytes

/// Who a member of the cluster is: replicated, beside the configuration that says who votes.
package struct MemberRecord: Hashable, Sendable {
    /// Not 0.
    package var id: UInt64
    /// Empty until the member has started for the first time.
    package var name: String
    /// Where the other members reach it, as `https://10.0.0.1:2380`.
    package var peerURLs: [String]
    /// Where clients reach it; empty until it has started.
    package var clientURLs: [String]
    package var isLearner: Bool
    /// A learner that becomes a voter by itself once it has caught up.
    package var promotes: Bool
    /// The voter that leaves when this learner becomes one; 0: none.
    package var replaces: UInt64
    /// What tells its disk from another in its place, told by itself when it first ran and never changed: with another it is
    /// not the same member. 0: it has not told yet.
    package var incarnation: UInt64

    package init(
        id: UInt64, name: String, peerURLs: [String], clientURLs: [String] = [], isLearner: Bool = false, promotes: Bool = false,
        replaces: UInt64 = 0, incarnation: UInt64 = 0
    ) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
        self.promotes = promotes
        self.replaces = replaces
        self.incarnation = incarnation
    }
}

package struct Alarm: Hashable, Comparable, Sendable {
    /// etcd's `AlarmType`.
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case noSpace = 1
        /// Members were found to differ: nothing is changed any more. This store raises it for nobody by itself; who compares the
        /// members' hashes may.
        case corrupt = 2
    }

    package var memberID: UInt64
    package var kind: Kind

    package init(memberID: UInt64, kind: Kind) {
        self.memberID = memberID
        self.kind = kind
    }

    package static func < (a: Alarm, b: Alarm) -> Bool { (a.memberID, a.kind.rawValue) < (b.memberID, b.kind.rawValue) }
}

/// Numbers as varints, lists as a count and their members, texts as a length and UTF-8:
///
///     id, name, peer URLs, client URLs,
///     flags (1: bit 0 learner, bit 1 promotes itself, bit 2: then whom it replaces, bit 3: then its incarnation)
extension MemberRecord {
    func write(to out: inout ByteWriter) {
        out.writeVarint(id)
        out.text(name)
        for list in [peerURLs, clientURLs] {
            out.count(list.count)
            for url in list { out.text(url) }
        }
        out.write(UInt8((isLearner ? 1 : 0) | (promotes ? 2 : 0) | (replaces != 0 ? 4 : 0) | (incarnation != 0 ? 8 : 0)))
        if replaces != 0 { out.writeVarint(replaces) }
        if incarnation != 0 { out.writeVarint(incarnation) }
    }

    init(reading input: inout ByteReader) throws(CommandProblem) {
        id = try input.unsigned()
        name = try input.text()
        peerURLs = try input.texts()
        clientURLs = try input.texts()
        let flags = try input.byte()
        isLearner = flags & 1 != 0
        promotes = flags & 2 != 0
        replaces = flags & 4 != 0 ? try input.unsigned() : 0
        incarnation = flags & 8 != 0 ? try input.unsigned() : 0
    }
}
