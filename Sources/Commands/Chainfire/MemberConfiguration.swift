import Manifest

/// What `plasma chainfire serve` is told, by a file and by flags, without contradictions.
struct MemberConfiguration: Hashable, Sendable {
    /// How the member comes to its cluster. Only a directory that holds nothing yet takes notice of it.
    enum Beginning: Hashable, Sendable {
        /// One member, for ever or until others are added.
        case alone
        /// With all founding members, each told the same.
        case bootstrap([Founder])
        /// Added by a cluster that runs: any member is asked, the token shown. Where that does not answer, it is the founders that the
        /// file names, at their hosts and the same port.
        case join(MemberURL, others: [MemberURL])
    }

    struct Founder: Hashable, Sendable {
        var name: String
        var peerURL: String
    }

    enum ClientAuthentication: String, CaseIterable, Sendable { case none, optional, required }

    /// PEM files of one port.
    struct TLS: Hashable, Sendable {
        var certificate: String
        var key: String
        /// Of those whose certificates are trusted.
        var ca: String?
        /// Revocation lists of those.
        var crl: String?
        /// Of members: one of these their certificates bear; empty: any that is good for the member's address.
        var allowedNames: [String] = []
        var clientAuthentication: ClientAuthentication
    }

    var name: String
    var directory: String
    var beginning: Beginning
    /// Shown by who joins, and asked of who wants to. nil: nobody joins by `leader_url`.
    var joinToken: String?
    var listenClient: MemberURL
    var listenPeer: MemberURL
    /// Plain HTTP for `/metrics` and `/health`; nil: only the client port has them.
    var listenMetrics: MemberURL?
    var advertiseClient: [String]
    var advertisePeer: [String]
    var clientTLS: TLS?
    var peerTLS: TLS?
    var heartbeat: TimeSpan
    var election: TimeSpan
    /// Reads of a leader that heard a majority lately ask nobody.
    var leaseReads: Bool
    /// Live bytes; 0: no limit.
    var quota: UInt64
    /// Revisions kept by automatic compaction; nil: it never compacts by itself.
    var compactionKeep: Int64?
    /// Most bytes of log before the state is checkpointed and the log cut.
    var snapshotBytes: Int
    var cacheBytes: Int
    /// Worth saying at the start: what was ignored, what is unsafe.
    var notices: [String] = []

    /// The URLs by which the members call each other have this scheme.
    static func scheme(_ tls: TLS?) -> String { tls == nil ? "http" : "https" }
}
