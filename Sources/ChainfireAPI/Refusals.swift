import GRPC
import Store

/// How an etcd call ends: with its message, or with a status whose code and text are etcd's own.
typealias Answer<Message> = @Sendable (Result<Message, GRPCStatus>) -> Void

/// etcd's refusals that this room decides itself. Clients match code and text
/// (etcd `api/v3rpc/rpctypes/error.go`).
extension GRPCStatus {
    static let emptyKey = GRPCStatus(.invalidArgument, "etcdserver: key is not provided")
    static let keyNotFound = GRPCStatus(.invalidArgument, "etcdserver: key not found")
    static let valueProvided = GRPCStatus(.invalidArgument, "etcdserver: value is provided")
    static let leaseProvided = GRPCStatus(.invalidArgument, "etcdserver: lease is provided")
    static let tooManyOperations = GRPCStatus(.invalidArgument, "etcdserver: too many operations in txn request")
    static let duplicateKey = GRPCStatus(.invalidArgument, "etcdserver: duplicate key given in txn request")
    static let invalidSortOption = GRPCStatus(.invalidArgument, "etcdserver: invalid sort option")
    static let leaseNotFound = GRPCStatus(.notFound, "etcdserver: requested lease not found")
    static let leaseTTLTooLarge = GRPCStatus(.outOfRange, "etcdserver: too large lease TTL")
    static let memberBadURLs = GRPCStatus(.invalidArgument, "etcdserver: given member URLs are invalid")
    static let memberNotFound = GRPCStatus(.notFound, "etcdserver: member not found")
    static let notLeader = GRPCStatus(.failedPrecondition, "etcdserver: not leader")
    static let noLeader = GRPCStatus(.unavailable, "etcdserver: no leader")
    static let badTransferee = GRPCStatus(.failedPrecondition, "etcdserver: bad leader transferee")
    static let stopped = GRPCStatus(.unavailable, "etcdserver: server stopped")
    static let userEmpty = GRPCStatus(.invalidArgument, "etcdserver: user name is empty")
    static let userNotFound = GRPCStatus(.failedPrecondition, "etcdserver: user name not found")
    static let roleEmpty = GRPCStatus(.invalidArgument, "etcdserver: role name is empty")
    static let roleNotFound = GRPCStatus(.failedPrecondition, "etcdserver: role name not found")
    static let authNotEnabled = GRPCStatus(.failedPrecondition, "etcdserver: authentication is not enabled")

    /// The store's own errors carry etcd's text; only the code is chosen here.
    init(_ error: StoreError) {
        switch error {
        case .compacted:
            self.init(.outOfRange, "etcdserver: mvcc: required revision has been compacted")
        case .futureRevision:
            self.init(.outOfRange, "etcdserver: mvcc: required revision is a future revision")
        case .invalid(let rule):
            self.init(Self.code(of: rule) ?? .invalidArgument, rule)
        case .noSpace:
            self.init(.resourceExhausted, "etcdserver: mvcc: database space exceeded")
        case .missing(let what): self.init(.notFound, what)
        case .precondition(let what, _): self.init(.failedPrecondition, what)
        case .outOfRange(let what): self.init(.outOfRange, what)
        case .exhausted(let what): self.init(.resourceExhausted, what)
        case .unavailable(let why): self.init(Self.code(of: why) ?? .unavailable, why)
        }
    }

    init(_ error: any Error) {
        switch error {
        case let error as GRPCStatus: self = error
        case let error as StoreError: self.init(error)
        case is CancellationError: self = .stopped
        default: self.init(.unknown, "\(error)")
        }
    }

    /// Texts whose code is not that of their kind.
    private static func code(of text: String) -> Code? {
        switch text {
        case "etcdserver: corrupt cluster": .dataLoss
        default: nil
        }
    }
}

extension Result where Failure == StoreError {
    func answering<Message>(_ body: (Success) -> Message) -> Result<Message, GRPCStatus> {
        switch self {
        case .success(let value): .success(body(value))
        case .failure(let error): .failure(GRPCStatus(error))
        }
    }
}
