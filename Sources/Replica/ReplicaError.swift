import Host

package enum ReplicaError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The log is damaged at this offset. Nothing was changed.
    case corrupt(file: String, offset: UInt64, String)
    /// The log's end and the state machine do not belong together, or the log is of another version.
    case mismatch(String)
    /// Another process has the directory open.
    case locked(String)
    /// The disk is full. The proposal was not written; the next one tries again.
    case noSpace
    /// The command is larger than one log entry may be.
    case tooLarge(bytes: Int, bytesMax: Int)
    /// More bytes wait to be written or committed than the options allow. Nothing was written; try again later.
    case overloaded(bytesWaiting: Int)
    /// The replica has stopped, or stopped before it wrote this proposal. Where it was proposed already, the
    /// outcome is unknown.
    case stopped
    /// The log's or the machine's storage failed. The outcome of the proposal is unknown; the process must end.
    case storage(String)
    /// No answer came in time. The outcome is unknown: it may be applied yet.
    case timedOut
    /// There was no leader for the whole time. Nothing was written.
    case noLeader
    /// Only the leader does this.
    case notLeader(leader: UInt64?)
    /// The members cannot be changed so, or not now. Nothing was written.
    case changeRefused(String)

    package var description: String {
        switch self {
        case .corrupt(let file, let offset, let why):
            return "\(file) is damaged at offset \(offset): \(why); restore a backup, or rejoin with an empty directory"
        case .mismatch(let why): return why
        case .locked(let why): return why
        case .noSpace: return "no space left on the device; writes resume when there is some"
        case .tooLarge(let bytes, let bytesMax): return "a command of \(bytes) bytes is too large: at most \(bytesMax)"
        case .overloaded(let bytes): return "\(bytes) bytes wait to be written already; try again later"
        case .stopped: return "the replica has stopped"
        case .storage(let why): return why
        case .timedOut: return "no answer came in time; whether it was done is not known"
        case .noLeader: return "the members have no leader; nothing was done"
        case .notLeader(let leader?): return "only the leader does this, which is member \(String(leader, radix: 16))"
        case .notLeader(nil): return "only the leader does this, and there is none now"
        case .changeRefused(let why): return why
        }
    }

    init(_ error: DiskError) {
        switch error {
        case .noSpace: self = .noSpace
        case .locked: self = .locked(error.description)
        case .missing, .failed: self = .storage(error.description)
        }
    }
}
