import Raft
import Replica

/// What stands between members: the codec of the wire, and the book in which each of them keeps with which disk the others
/// came.
extension Cluster {
    /// A message leaves a member: as bytes, from a process that shows its disk's incarnation.
    func post(_ message: PeerMessage, from sender: Member<S>, at time: Micros) {
        guard let receiver = member(message.to), mayTalk(sender, to: receiver) else { return }
        let letter = Letter.message(message.encoded, from: sender.id, incarnation: sender.incarnation)
        if delaysVote(message, letter) { return }
        let (first, second) = network.arrivals(message.from, message.to, at: time, &networkDice)
        if first == nil { holdBack(message, letter) }
        if let first { queue.add(.arrive(to: message.to, letter: letters.put(letter)), at: first) }
        if let second { queue.add(.arrive(to: message.to, letter: letters.put(letter)), at: second) }
    }

    /// It arrives, where both would have let the connection be made that carries it.
    func deliver(_ bytes: [UInt8], from sender: UInt64, incarnation: UInt64, to id: UInt64) throws(Breach) {
        guard let receiver = member(id), receiver.isUp, let sender = member(sender) else { return }
        guard admits(receiver, sender.id, incarnation), mayTalk(sender, to: receiver) else {
            counts.strangers += 1
            return
        }
        guard let message = PeerMessage(decoding: bytes) else {
            throw Breach(.wire, "member \(id) does not understand \(bytes.count) bytes of member \(sender.id)")
        }
        try arrive(id, .received(message))
    }

    /// Members dial all others as soon as they start, and so know each other's disks before there is much to say.
    func greet(_ member: Member<S>) throws(Breach) {
        for other in members where other.id != member.id && other.state == .running {
            let (one, two) = member.id < other.id ? (member, other) : (other, member)
            let meeting = Meeting(one: one.id, life: one.life, two: two.id, otherLife: two.life)
            guard !meetings.contains(meeting), !network.link(one.id, two.id).isCut, !network.link(two.id, one.id).isCut else { continue }
            guard admits(one, two.id, two.incarnation), admits(two, one.id, one.incarnation) else { continue }
            meetings.insert(meeting)
            try arrive(one.id, .met(peer: two.id))
            try arrive(two.id, .met(peer: one.id))
        }
    }

    /// Whether every other member would know it again.
    func isKnownByAll(_ member: Member<S>) -> Bool {
        seats.all.allSatisfy { $0 == member.id || acquaintances.contains(Network.Ends(from: $0, to: member.id)) }
    }

    /// Whether the sender let the receiver in. One that ended meanwhile had.
    private func mayTalk(_ sender: Member<S>, to receiver: Member<S>) -> Bool {
        guard sender.isUp, receiver.isUp else { return true }
        return admits(sender, receiver.id, receiver.incarnation)
    }

    /// Who was told that its disk is not the one that it is known with ends, and does not come back with it.
    func endDisowned() throws(Breach) {
        defer { disowned = [] }
        for id in disowned {
            guard let member = member(id), member.isUp else { continue }
            guard member.isWiped else { throw Breach(.stands, "member \(id) was disowned, and has the disk it always had") }
            trace(now, "member \(id) is told that its disk is another")
            try crash(member, losesPower: false, backIn: nil)
        }
    }

    private func admits(_ member: Member<S>, _ other: UInt64, _ incarnation: UInt64) -> Bool {
        let hello = PeerHello(cluster: Self.clusterNumber, from: other, to: member.id, incarnation: incarnation)
        guard let book = member.book else { return false }
        if let refusal = book.admit(hello) {
            // Alone they can do no harm, and half of them are of a version that does not heed it.
            if ruinedAt != nil || other.isMultiple(of: 2), let told = self.member(other), told.isUp, told.incarnation == incarnation,
                told.book?.refused(refusal) != nil
            {
                disowned.append(other)
            }
            return false
        }
        acquaintances.insert(Network.Ends(from: member.id, to: other))
        return true
    }
}

/// Two processes that have, or had, a connection.
struct Meeting: Hashable {
    var one: UInt64
    var life: Int
    var two: UInt64
    var otherLife: Int
}
