import Host
import Replica
import Store

/// What a running store does by itself, beside what comes from the log.
extension Chainfire {
    private static let round = Duration.milliseconds(100)
    /// Rows wait so long at most while there is no quiet moment: most of those that change often need not be written then.
    private static let patience = Duration.seconds(5)

    /// Until the task is cancelled: writes what waits in quiet moments, tells the others this member's name, client URLs and
    /// disk, promotes learners that have caught up.
    func keepHouse() async {
        var (isPublished, wasFull) = (false, false)
        var seen = machine.revision.load(ordering: .relaxed)
        var (flushed, flushes) = (time.now(), 0)
        while !Task.isCancelled {
            do { try await time.sleep(for: Self.round) } catch { return }
            let revision = machine.revision.load(ordering: .relaxed)
            // Checkpoints write what waits, too.
            let written = machine.flushes.load(ordering: .relaxed)
            if written != flushes { flushed = time.now() }
            flushes = written
            if revision == seen || machine.isFull.load(ordering: .relaxed) || time.now() - flushed >= Self.patience {
                await flush()
                flushed = time.now()
            }
            seen = revision
            tellOfRoom(&wasFull)
            if !isPublished { isPublished = await publish() }
            await promoteLearners()
        }
    }

    /// Until the task is cancelled: throws when this member is none any more, and the others have had time to hear of it. Those that have not,
    /// and whose leader is gone, need its vote to elect another: so it stays for two of the longest elections.
    func endWhenRemoved() async throws {
        while !isRemoved { try await time.sleep(for: Self.round) }
        try await time.sleep(for: options.log.tick * (4 * options.log.electionTicks))
        throw removal
    }

    var isRemoved: Bool { machine.state.withLock { $0.facts.removed.contains(machine.identity.memberID) } }
    var removal: ChainfireError { .log(.mismatch(PeerRefusal.removed(member: machine.identity.memberID).endsThisMember)) }

    /// Tells, once each time, that the disk has no room, and that it has again.
    private func tellOfRoom(_ wasFull: inout Bool) {
        let why = machine.isFull.load(ordering: .relaxed) ? "\(ChainfireError.full(machine.storage.name))" : replica.status.trouble.map { "\($0)" }
        guard (why != nil) != wasFull else { return }
        wasFull = why != nil
        if let why { logger.error("writes are refused: \(why)") } else { logger.notice("there is room on the disk again: writes go on") }
    }

    /// Returns when the log itself tells who began the cluster.
    package func founded() async throws {
        while !machine.state.withLock({ $0.facts.isFounded }) { try await time.sleep(for: Self.round) }
    }

    private func flush() async {
        guard machine.hasUnwritten else { return }
        // Not on the thread that reads: reads wait for that.
        let result = await withCheckedContinuation { done in
            BackgroundThread.run("chainfire flush", yields: false) { [machine] in done.resume(returning: Result { try machine.flush() }) }
        }
        do { _ = try result.get() } catch {
            // The next checkpoint meets the same error, and ends the store with it.
            logger.error("rows could not be written", metadata: ["error": "\(error)"])
        }
    }

    /// - Returns: whether nothing is left to be told.
    private func publish() async -> Bool {
        let id = machine.identity.memberID
        guard let record = machine.state.withLock({ $0.facts.members[id] }) else { return false }
        let incarnation = replica.incarnation
        guard incarnation == 0 || record.incarnation == 0 || record.incarnation == incarnation else {
            logger.error("""
                this member's disk is not the one it began with (\(hex(incarnation)), known is \(hex(record.incarnation))): the \
                others refuse it; bring back the directory's log, or replace this member: plasma chainfire member replace \
                \(hex(id)) NAME --peer-urls URL
                """)
            return true
        }
        let name = options.name.isEmpty ? record.name : options.name
        let isListed = record.name == name && (options.clientURLs.isEmpty || record.clientURLs == options.clientURLs)
        if isListed, record.incarnation == incarnation || incarnation == 0 { return true }
        let urls = options.clientURLs.isEmpty ? record.clientURLs : options.clientURLs
        do throws(StoreError) {
            try await propose(.published(memberID: id, name: name, clientURLs: urls, incarnation: incarnation))
            return true
        } catch {
            // No leader yet: the next round tries again.
            logger.debug("this member was not published", metadata: ["error": "\(error)"])
            return false
        }
    }

    private func promoteLearners() async {
        let status = replica.status
        guard status.role == .leader, !status.configuration.isJoint else { return }
        let ready = membersSeen().filter { $0.isLearner && $0.record.promotes && isCaughtUp($0, last: status.lastIndex) }
        for member in ready {
            do throws(StoreError) {
                try await promoteMember(member.id)
                logger.info("member promoted", metadata: ["member": "\(hex(member.id))"])
            } catch {
                logger.debug("member not promoted", metadata: ["member": "\(hex(member.id))", "error": "\(error)"])
            }
        }
    }

    /// The book of the others' disks and the transport learn of the others now and after every change.
    func followMembers() {
        guard let transport else { return }
        let mine = machine.identity.memberID
        machine.onMembersChanged { [weak replica] members, removed in
            replica?.learn(
                Dictionary(uniqueKeysWithValues: members.map { ($0.id, $0.incarnation) }), removed: removed,
                voters: members.count { !$0.isLearner })
            transport.setPeers(members.filter { $0.id != mine }.map { member in
                Peer(id: member.id, addresses: member.peerURLs.compactMap { PeerAddress(url: $0) })
            })
        }
    }
}
