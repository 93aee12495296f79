import Raft
import Replica
import Store

/// A member as it is seen from here.
package struct Member: Hashable, Sendable {
    package var record: MemberRecord
    package var id: UInt64 { record.id }
    package var name: String { record.name }
    package var peerURLs: [String] { record.peerURLs }
    package var clientURLs: [String] { record.clientURLs }
    package var isLearner: Bool { record.isLearner }
    package var isLeader: Bool
    /// At the leader: it was heard of lately. Elsewhere: there is a leader, and a connection to the member.
    package var isHealthy: Bool
    /// The last log entry known to be durable there; known by the leader only.
    package var match: UInt64?
}

/// Members (etcd v3 API, "Cluster"). One change at a time; a change that could cost the majority is refused with
/// etcd's message, and with the arithmetic in `detail`.
extension Chainfire {
    package func members(linearizable: Bool = true) async throws(StoreError) -> [Member] {
        if linearizable { try await barrier() }
        return membersSeen()
    }

    /// Adds a member and gives it an id.
    /// - Parameters:
    ///   - isLearner: it receives the log and does not vote. There may be one that waits to be promoted by hand.
    ///   - promotes: a learner that becomes a voter by itself as soon as it has caught up.
    package func addMember(
        peerURLs: [String], isLearner: Bool, promotes: Bool = false, name: String = ""
    ) async throws(StoreError) -> Member {
        try await barrier()
        let base = await settledConfiguration()
        let seen = membersSeen()
        try Self.check(peerURLs, against: seen)
        try checkDisksAreKnown()
        if isLearner || promotes {
            guard !seen.contains(where: \.isLearner) else {
                throw .precondition(
                    "etcdserver: too many learner members in cluster", detail: "promote or remove the learner first")
            }
        } else {
            try MemberArithmetic(seen).checkAdding()
        }
        let record = MemberRecord(
            id: .random(in: 1 ... UInt64.max >> 1), name: name, peerURLs: peerURLs, isLearner: isLearner || promotes,
            promotes: promotes)
        try await change([.init(record.isLearner ? .addLearner : .addVoter, record.id)], [record], since: base)
        return try seenMember(record.id)
    }

    /// What a new member is told to begin with.
    /// - Throws: `.precondition` while it is not known with which disk a voter votes; it may be asked again.
    package func joinTicket(for id: UInt64) throws(StoreError) -> JoinTicket {
        try checkDisksAreKnown(exceptOf: try seenMember(id).record.replaces)
        return JoinTicket(
            clusterID: machine.identity.clusterID, memberID: id, members: machine.state.withLock { $0.facts.sortedMembers })
    }

    /// Adds a learner that promotes itself, or finds the one that was added with the same words, or without a name as etcd's tools do it, and
    /// has not come yet.
    package func joinMember(name: String, peerURLs: [String]) async throws(StoreError) -> JoinTicket {
        try await barrier()
        let known = membersSeen().first {
            ($0.name == name || $0.name.isEmpty) && $0.peerURLs == peerURLs && $0.clientURLs.isEmpty && $0.record.incarnation == 0
        }
        if let known { return try joinTicket(for: known.id) }
        return try joinTicket(for: try await addMember(peerURLs: peerURLs, isLearner: true, promotes: true, name: name).id)
    }

    package func removeMember(_ id: UInt64) async throws(StoreError) {
        try await barrier()
        let base = await settledConfiguration()
        let member = try seenMember(id)
        if !member.isLearner { try MemberArithmetic(membersSeen()).checkRemoving(id) }
        try await change([.init(.remove, id)], [], since: base)
    }

    package func updateMember(_ id: UInt64, peerURLs: [String]) async throws(StoreError) {
        try await barrier()
        var record = try seenMember(id).record
        try Self.check(peerURLs, against: membersSeen().filter { $0.id != id })
        record.peerURLs = peerURLs
        try await propose(.members([record]))
    }

    /// Makes a learner that has caught up a voter.
    package func promoteMember(_ id: UInt64) async throws(StoreError) {
        try await barrier()
        let base = await settledConfiguration()
        let member = try seenMember(id)
        guard member.isLearner else { throw .precondition("etcdserver: can only promote a learner member") }
        guard replica.status.role == .leader else { return try await askForPromotion(member.record) }
        let last = replica.status.lastIndex
        guard isCaughtUp(member, last: last) else {
            throw .precondition(
                Self.notInSync, detail: """
                    it has entry \(member.match ?? 0) of \(last)\(member.isHealthy ? "" : " and was not heard of lately")
                    """)
        }
        // A voter whose disk nobody knows could come again without it, and be let in.
        guard replica.incarnation == 0 || member.record.incarnation != 0 else {
            throw .precondition(Self.notInSync, detail: "it has not said yet with which disk it runs, which it does by itself: try again in a second")
        }
        let seen = membersSeen()
        var record = member.record
        var steps: [ConfigurationChange.Step] = [.init(.addVoter, id)]
        if let old = seen.first(where: { $0.id == record.replaces && !$0.isLearner }) {
            // One joint change: at no moment is there a voter less, nor one more that must be asked.
            try MemberArithmetic(seen).checkReplacing(old.id)
            steps.append(.init(.remove, old.id))
        } else {
            try MemberArithmetic(seen).checkAdding(isHealthy: true)
        }
        (record.isLearner, record.promotes, record.replaces) = (false, false, 0)
        try await change(steps, [record], since: base)
    }

    /// Exchanges a member for a new one. It begins as a learner; when it has caught up, one joint change makes it a voter
    /// and lets the old one go. Until then nothing is decided: removing the learner takes it back.
    /// - Returns: the learner, the same one when it was added with these words already.
    package func replaceMember(_ old: UInt64, peerURLs: [String], name: String = "") async throws(StoreError) -> Member {
        try await barrier()
        let base = await settledConfiguration()
        let member = try seenMember(old)
        let seen = membersSeen()
        let known = seen.first { $0.isLearner && $0.record.replaces == old && $0.name == name && $0.peerURLs == peerURLs }
        if let known { return known }
        try Self.check(peerURLs, against: seen.filter { $0.id != old })
        let id = UInt64.random(in: 1 ... UInt64.max >> 1)
        // A learner has no say that could be lost.
        if member.isLearner {
            let record = MemberRecord(id: id, name: name, peerURLs: peerURLs, isLearner: true, promotes: member.record.promotes)
            try await change([.init(.remove, old), .init(.addLearner, id)], [record], since: base)
            return Member(record: record, isLeader: false, isHealthy: false, match: nil)
        }
        guard !seen.contains(where: \.isLearner) else {
            throw .precondition("etcdserver: too many learner members in cluster", detail: "promote or remove the learner first")
        }
        try MemberArithmetic(seen).checkReplacing(old)
        try checkDisksAreKnown(exceptOf: old)
        let record = MemberRecord(id: id, name: name, peerURLs: peerURLs, isLearner: true, promotes: true, replaces: old)
        try await change([.init(.addLearner, id)], [record], since: base)
        return Member(record: record, isLeader: false, isHealthy: false, match: nil)
    }

    /// Returns when that member leads.
    package func transferLeadership(to id: UInt64) async throws(StoreError) {
        guard let member = membersSeen().first(where: { $0.id == id }), !member.isLearner else {
            throw .precondition("etcdserver: bad leader transferee", detail: "member \(hex(id)) is no voter of this cluster")
        }
        if member.isLeader { return }
        do throws(ReplicaError) { try await replica.transfer(to: id) } catch { throw StoreError(error) }
    }
}

extension Chainfire {
    /// As this member knows them, from its own state alone.
    package var knownMembers: [MemberRecord] { machine.state.withLock { $0.facts.sortedMembers } }

    static let notInSync = "etcdserver: can only promote a learner member which is in sync with leader"

    func membersSeen() -> [Member] {
        let status = replica.status
        return machine.state.withLock { $0.facts.sortedMembers }.map { record in
            let progress = status.members.first { $0.id == record.id }
            let isHealthy = switch record.id {
            case machine.identity.memberID, status.leader: status.leader != nil
            default: status.role == .leader ? progress?.isActive ?? false : status.leader != nil && replica.isConnected(to: record.id)
            }
            return Member(
                record: record, isLeader: status.leader == record.id, isHealthy: isHealthy, match: progress?.match)
        }
    }

    /// A new member has met nobody. It lets in no voter whose disk was wiped before it came, because it is told with which
    /// disk each one votes; so it has to wait until that is known of all of them.
    /// - Parameter leaving: the voter that leaves when the new one becomes a voter: they never vote together.
    private func checkDisksAreKnown(exceptOf leaving: UInt64 = 0) throws(StoreError) {
        guard replica.incarnation != 0 else { return }
        let voters = membersSeen().filter { !$0.isLearner }
        let unknown = voters.filter { $0.record.incarnation == 0 && $0.id != leaving }
        guard let first = unknown.first else { return }
        throw .precondition(
            "etcdserver: re-configuration failed due to not enough started members", detail: """
                of \(voters.count) voters \(unknown.count) never said with which disk \(unknown.count == 1 ? "it votes" : "they vote"): \
                \(unknown.map { "\(hex($0.id))\($0.name.isEmpty ? "" : " (\($0.name))")" }.joined(separator: ", ")). A voter says so \
                by itself when it runs and there is a leader: try again in a second; start the one that does not run, or give its \
                place away: plasma chainfire member replace \(hex(first.id)) NAME --peer-urls URL
                """)
    }

    private func seenMember(_ id: UInt64) throws(StoreError) -> Member {
        guard let member = membersSeen().first(where: { $0.id == id }) else { throw .missing("etcdserver: member not found") }
        return member
    }

    /// As etcd: nine tenths of the log (`server.isLearnerReady`), and heard of.
    func isCaughtUp(_ member: Member, last: UInt64) -> Bool {
        member.isHealthy && (member.match ?? 0) + last / 10 >= last
    }

    /// The one in force; one that is joint is left by itself, in a moment.
    private func settledConfiguration() async -> Configuration {
        for _ in 0..<50 where replica.status.configuration.isJoint {
            do { try await time.sleep(for: .milliseconds(20)) } catch { break }
        }
        return replica.status.configuration
    }

    /// - Parameter base: in force before the members were looked at: what was found right of them holds for it alone.
    func change(_ steps: [ConfigurationChange.Step], _ records: [MemberRecord], since base: Configuration) async throws(StoreError) {
        // It must be durable at once where it is applied.
        guard !machine.isFull.load(ordering: .relaxed) else { throw .noSpace }
        guard gate.enter() else { throw Gate.closed }
        defer { gate.leave() }
        let context = StoreCommand.members(records).encoded
        let outcome: Machine.Outcome
        do throws(ReplicaError) {
            outcome = try await replica.change(ConfigurationChange(steps, base: base.digest, context: context))
        } catch {
            throw StoreError(error)
        }
        if case .refused(let error) = outcome { throw error }
    }

    /// The leader promotes; it is told by the record.
    private func askForPromotion(_ record: MemberRecord) async throws(StoreError) {
        var wish = record
        wish.promotes = true
        try await propose(.members([wish]))
        for _ in 0..<40 {
            do { try await time.sleep(for: .milliseconds(50)) } catch { throw .unavailable("the call was cancelled") }
            if machine.state.withLock({ $0.facts.members[record.id]?.isLearner }) == false { return }
        }
        try await propose(.members([record]))
        throw .precondition(Self.notInSync, detail: "the leader did not find it caught up within two seconds")
    }

    private static func check(_ peerURLs: [String], against members: [Member]) throws(StoreError) {
        guard !peerURLs.isEmpty, peerURLs.allSatisfy({ PeerAddress(url: $0) != nil }) else {
            throw .invalid("etcdserver: given member URLs are invalid")
        }
        if let other = members.first(where: { !Set($0.peerURLs).isDisjoint(with: peerURLs) }) {
            throw .precondition("etcdserver: Peer URLs already exists", detail: """
                member \(hex(other.id))\(other.name.isEmpty ? "" : " (\(other.name))") is at \(other.peerURLs.joined(separator: ", ")); where that is the same \
                member without its data: plasma chainfire member replace \(hex(other.id)) NAME --peer-urls URL
                """)
        }
    }
}

extension PeerAddress {
    /// Reads a peer URL, as `https://10.0.0.1:2380`.
    package init?(url: String) {
        for scheme in ["https://", "http://"] where url.hasPrefix(scheme) {
            self.init(String(url.dropFirst(scheme.count).prefix { $0 != "/" }))
            return
        }
        return nil
    }
}
