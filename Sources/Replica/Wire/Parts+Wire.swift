import NIOCore
import Raft

extension ByteBuffer {
    mutating func readNumber() -> UInt64? { readInteger(endianness: .little) }

    mutating func writeBoolean(_ value: Bool) { writeInteger(value ? 1 : 0, as: UInt8.self) }

    /// Nil for what is neither 0 nor 1.
    mutating func readBoolean() -> Bool? {
        switch readInteger(as: UInt8.self) {
        case 0: false
        case 1: true
        default: nil
        }
    }

    /// Count 4, and each as `Message` has it. Makes room for no more than what has arrived can hold.
    mutating func readEntries() -> [Entry]? {
        let headerBytes = 21
        guard let count = readInteger(endianness: .little, as: UInt32.self), Int(count) <= readableBytes / headerBytes
        else { return nil }
        var entries: [Entry] = []
        entries.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard
                let (index, term, kind, length) = readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt64, UInt8, UInt32).self),
                let kind = Entry.Kind(rawValue: kind), let bytes = readBytes(length: Int(length))
            else { return nil }
            entries.append(Entry(index: index, term: term, kind: kind, bytes: bytes))
        }
        return entries
    }

    mutating func readProposals() -> [Proposal]? {
        let headerBytes = 5
        guard let count = readInteger(endianness: .little, as: UInt32.self), Int(count) <= readableBytes / headerBytes
        else { return nil }
        var proposals: [Proposal] = []
        proposals.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let (kind, length) = readMultipleIntegers(endianness: .little, as: (UInt8, UInt32).self),
                let kind = Entry.Kind(rawValue: kind), let bytes = readBytes(length: Int(length))
            else { return nil }
            proposals.append(Proposal(kind: kind, bytes: bytes))
        }
        return proposals
    }

    /// Count 4, then 8 each, rising.
    fileprivate mutating func readMembers() -> [UInt64]? {
        guard let count = readInteger(endianness: .little, as: UInt32.self), Int(count) <= readableBytes / 8 else { return nil }
        var members: [UInt64] = []
        members.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let member = readNumber() else { return nil }
            if let last = members.last, member <= last { return nil }
            members.append(member)
        }
        return members
    }

    fileprivate mutating func writeMembers(_ members: [UInt64]) {
        writeInteger(UInt32(members.count), endianness: .little)
        for member in members { writeInteger(member, endianness: .little) }
    }
}

extension Position {
    init?(_ buffer: inout ByteBuffer) {
        guard let index = buffer.readNumber(), let term = buffer.readNumber() else { return nil }
        self.init(index: index, term: term)
    }

    func write(to buffer: inout ByteBuffer) { buffer.writeMultipleIntegers(index, term, endianness: .little) }
}

/// Position 16, then the configuration: leaves by itself 1; voters, outgoing, learners and learners next, each a
/// count 4 and 8 for each member.
extension SnapshotHead {
    init?(_ buffer: inout ByteBuffer) {
        guard let position = Position(&buffer), let autoLeave = buffer.readBoolean(), let voters = buffer.readMembers(),
            let outgoing = buffer.readMembers(), let learners = buffer.readMembers(), let next = buffer.readMembers()
        else { return nil }
        self.init(
            position: position,
            configuration: Configuration(
                voters: voters, outgoing: outgoing, learners: learners, learnersNext: next, autoLeave: autoLeave))
    }

    func write(to buffer: inout ByteBuffer) {
        position.write(to: &buffer)
        buffer.writeBoolean(configuration.autoLeave)
        buffer.writeMembers(configuration.voters)
        buffer.writeMembers(configuration.outgoing)
        buffer.writeMembers(configuration.learners)
        buffer.writeMembers(configuration.learnersNext)
    }
}
