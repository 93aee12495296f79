import Host
import Replica

/// What is found in a stopped store's directory, without changing it: the log record by record, the database page by
/// page and row by row.
package struct StoreCheck: Sendable, CustomStringConvertible {
    package private(set) var identity: StoreIdentity?
    /// nil: what was restored from a snapshot begins its log when it is started.
    package private(set) var log: LogCheck?
    /// Of the database, one line each.
    package private(set) var problems: [String] = []
    private var summary: [String] = []

    package var isSound: Bool { problems.isEmpty && log?.problem == nil }

    fileprivate init(_ directory: String, _ disk: any Disk) {
        if (try? disk.list(directory))?.contains("log") != false { log = LogCheck.run(directory + "/log", disk: disk) }
        do throws(ChainfireError) {
            identity = try StoreIdentity.read(directory, disk)
            if identity == nil { problems.append("\(directory)/member is missing: it says which member of which cluster this is; bring it back from a backup") }
        } catch {
            problems.append("\(error)")
        }
        if log != nil, let problem = PeerBook.check(directory + "/log", disk: disk, member: identity?.memberID) { problems.append(problem) }
        let state = directory + "/state.db"
        do {
            problems += try Storage.check(state)
            let image = try Storage.look(state)
            let (mark, facts) = (image.mark, try image.cluster())
            summary.append("\(state): revision \(mark.revision), compacted through \(mark.compacted), entry \(mark.appliedIndex)")
            if let log, mark.appliedIndex > log.lastIndex, log.problem == nil {
                problems.append("\(state) has applied entry \(mark.appliedIndex), but the log ends with \(log.lastIndex)")
            }
            if log == nil, mark.appliedIndex > facts.base?.index ?? 0 {
                problems.append("\(directory)/log is missing: \(state) has applied entry \(mark.appliedIndex); bring it back from a backup, or replace this member")
            }
            if log != nil, let identity, facts.members[identity.memberID]?.incarnation ?? 0 != 0, (try? disk.list(directory + "/log"))?.contains("identity") == false {
                problems.append("\(directory)/log/identity is missing: it tells this disk from another, and the others will not let this member in; bring it back from a backup")
            }
        } catch {
            problems.append("\(error)")
        }
    }

    package var description: String {
        var lines: [String] = []
        if let identity { lines.append("member \(hex(identity.memberID)) of cluster \(hex(identity.clusterID))") }
        lines.append(log?.description ?? "no log yet: it begins with the first start")
        lines += summary
        lines += problems.map { "problem: \($0)" }
        lines.append(isSound ? "sound" : "not sound")
        return lines.joined(separator: "\n")
    }
}

extension Chainfire {
    /// Looks at the directory of a store that does not run.
    /// - Throws: `.storage` when it runs, or cannot be read.
    package static func check(directory: String, disk: any Disk = SystemDisk()) throws(ChainfireError) -> StoreCheck {
        let names: [String]
        do throws(DiskError) { names = try disk.list(directory) } catch { throw .storage(error.description) }
        // Who looks leaves nothing behind, the lock's file least of all.
        guard names.contains("state.db") || names.contains("log") else { throw .storage("\(directory) holds no store") }
        let lock: any DiskLock
        do throws(DiskError) { lock = try disk.lock(directory + "/lock") } catch { throw .storage(error.description) }
        return withExtendedLifetime(lock) { StoreCheck(directory, disk) }
    }
}
