import Bytes
import Raft

/// What the cluster knows beside its keys: the same on all members.
struct Facts: Hashable, Sendable {
    /// Whether the log itself has told the cluster's id and its first members.
    var isFounded = false
    var clusterID: UInt64 = 0
    var members: [UInt64: MemberRecord] = [:]
    /// Members no longer. They are told so, and take no part.
    var removed: Set<UInt64> = []
    var alarms: Set<Alarm> = []
    /// nil: not known yet, this member waits for a leader.
    var configuration: Configuration?
    /// Where a restored state's log may begin.
    var base: Position?

    var sortedMembers: [MemberRecord] { members.values.sorted { $0.id < $1.id } }

    func hasAlarm(_ kind: Alarm.Kind) -> Bool { alarms.contains { $0.kind == kind } }

    /// The record and the configuration never contradict each other.
    mutating func follow(_ configuration: Configuration) {
        let ids = configuration.members
        // Only of those that this log had: records may tell of some that come later in it.
        if let before = self.configuration { removed.formUnion(before.members.filter { !ids.contains($0) }) }
        removed.subtract(ids)
        self.configuration = configuration
        members = members.filter { ids.contains($0.key) }
        for id in ids { members[id]?.isLearner = configuration.isLearner(id) }
        for id in configuration.voters {
            members[id]?.promotes = false
            members[id]?.replaces = 0
        }
    }
}

/// Facts as they are stored, by name:
///
///     cluster         id, whether it was founded (1)
///     configuration   voters, outgoing, learners, learners next: each a count and varints; leaves by itself (1)
///     members         count, records; then, where a version wrote it that knows of them, count, ids of those that were removed
///     alarms          count, each a member and a kind (1)
///     base            index, term
///     lease/HEX       granted seconds, remaining seconds (0: all), index of the entry that renewed it
///
/// Each is sealed with a CRC-32C of its bytes in front, seeded with that of its name.
enum FactCodec {
    static func sealed(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
        var out = ByteWriter()
        out.write(CRC32C.checksum(bytes, seed: CRC32C.checksum(Array(name.utf8))))
        out.write(bytes)
        return out.bytes
    }

    static func opened(_ name: String, _ bytes: [UInt8]) -> [UInt8]? {
        var input = ByteReader(bytes)
        guard let sum = input.read(UInt32.self), let content = input.read(count: input.remaining),
            sum == CRC32C.checksum(content, seed: CRC32C.checksum(Array(name.utf8)))
        else { return nil }
        return content
    }
}

extension StorageImage {
    /// What it knows beside keys and leases.
    func cluster() throws(CommandProblem) -> Facts {
        var known = Facts()
        for (name, bytes) in facts { if let name = Facts.Name(rawValue: name) { try known.read(name, bytes) } }
        return known
    }
}

extension Facts {
    enum Name: String, CaseIterable, Sendable { case alarms, base, cluster, configuration, members }

    /// nil: not there.
    func encoded(_ name: Name) -> [UInt8]? {
        var out = ByteWriter()
        switch name {
        case .cluster:
            out.writeVarint(clusterID)
            out.write(UInt8(isFounded ? 1 : 0))
        case .configuration:
            guard let configuration else { return nil }
            for list in [configuration.voters, configuration.outgoing, configuration.learners, configuration.learnersNext] {
                out.count(list.count)
                for id in list { out.writeVarint(id) }
            }
            out.write(UInt8(configuration.autoLeave ? 1 : 0))
        case .members:
            out.count(members.count)
            for member in sortedMembers { member.write(to: &out) }
            out.count(removed.count)
            for id in removed.sorted() { out.writeVarint(id) }
        case .alarms:
            out.count(alarms.count)
            for alarm in alarms.sorted() {
                out.writeVarint(alarm.memberID)
                out.write(alarm.kind.rawValue)
            }
        case .base:
            guard let base else { return nil }
            out.writeVarint(base.index)
            out.writeVarint(base.term)
        }
        return out.bytes
    }

    mutating func read(_ name: Name, _ bytes: [UInt8]) throws(CommandProblem) {
        var input = ByteReader(bytes)
        switch name {
        case .cluster:
            clusterID = try input.unsigned()
            isFounded = try input.byte() != 0
        case .configuration:
            var lists: [[UInt64]] = []
            for _ in 0..<4 {
                var list: [UInt64] = []
                for _ in 0..<(try input.count()) { list.append(try input.unsigned()) }
                lists.append(list)
            }
            configuration = Configuration(
                voters: lists[0], outgoing: lists[1], learners: lists[2], learnersNext: lists[3],
                autoLeave: try input.byte() != 0)
        case .members:
            for _ in 0..<(try input.count()) {
                let member = try MemberRecord(reading: &input)
                members[member.id] = member
            }
            guard input.remaining > 0 else { break }
            for _ in 0..<(try input.count()) { removed.insert(try input.unsigned()) }
        case .alarms:
            for _ in 0..<(try input.count()) {
                let member = try input.unsigned()
                let kind = try input.byte()
                // Who does not know it would go on where the others do not.
                guard let kind = Alarm.Kind(rawValue: kind) else { throw .malformed("an alarm of kind \(kind)", offset: input.offset - 1) }
                alarms.insert(Alarm(memberID: member, kind: kind))
            }
        case .base: base = Position(index: try input.unsigned(), term: try input.unsigned())
        }
    }
}
