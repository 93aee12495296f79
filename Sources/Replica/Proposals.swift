import Bytes
import DequeModule
import Raft

/// Keeps the proposals of this run of the process until each has its answer, and decides which may be proposed again.
///
/// What was proposed in one term and is not applied when an entry of a later term is applied is surely lost:
/// a leader takes proposals in its own term only, and terms never fall along the log.
struct Proposals: Sendable {
    /// Before every command in the log: who proposed it. All numbers little-endian:
    ///
    ///      0  8  number of the process run; 0: made by the machine itself, see `StateMachine.due`
    ///      8  8  number of the proposal within the run; where the run is 0, the term that it is good for
    ///     16  n  the command
    ///
    /// In a change of the members it stands before the change's context.
    enum Header {
        static let size = 16

        static func wrap(_ run: UInt64, _ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: size + bytes.count) { buffer, count in
                let raw = UnsafeMutableRawBufferPointer(buffer)
                raw.storeBytes(of: run.littleEndian, as: UInt64.self)
                raw.storeBytes(of: number.littleEndian, toByteOffset: 8, as: UInt64.self)
                if !bytes.isEmpty { UnsafeMutableRawBufferPointer(rebasing: raw[size...]).copyBytes(from: bytes) }
                count = size + bytes.count
            }
        }

        static func read(_ bytes: [UInt8]) -> (run: UInt64, number: UInt64)? {
            guard bytes.count >= size else { return nil }
            return bytes.withUnsafeBytes {
                (UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
                 UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            }
        }
    }

    private struct Slot {
        var id: UInt64
        var proposal: Proposal
        var deadline: UInt64
        /// In which it was proposed; 0 while it waits.
        var term: UInt64 = 0
        /// The forward that carried it; 0 for none.
        var forward: UInt64 = 0
    }

    struct Batch {
        var numbers: [UInt64] = []
        var proposals: [Proposal] = []
        /// Of records in the log.
        var bytes = 0
    }

    /// This run of the process; not 0.
    let run: UInt64
    private var slots: Deque<Slot?> = []
    /// The number of the first slot.
    private var first: UInt64 = 1
    private var waiting: Deque<UInt64> = []

    init(run: UInt64) { self.run = run }

    var someWait: Bool { !waiting.isEmpty }
    var isEmpty: Bool { slots.isEmpty }
    /// Not answered yet; those that were answered before an older one are counted with it.
    var count: Int { slots.count }

    mutating func add(id: UInt64, _ command: [UInt8], deadline: UInt64) {
        add(id, Proposal(bytes: Header.wrap(run, first + UInt64(slots.count), command)), deadline)
    }

    mutating func add(id: UInt64, _ change: ConfigurationChange, deadline: UInt64) {
        var change = change
        change.context = Header.wrap(run, first + UInt64(slots.count), change.context)
        add(id, Proposal(change), deadline)
    }

    private mutating func add(_ id: UInt64, _ proposal: Proposal, _ deadline: UInt64) {
        waiting.append(first + UInt64(slots.count))
        slots.append(Slot(id: id, proposal: proposal, deadline: deadline))
        // While nobody takes any, those whose time was up are only taken out here.
        if waiting.count > 2 * slots.count + 1024 { waiting = Deque(waiting.filter { self[$0] != nil }) }
    }

    /// The first of those that wait, so many that their records take at most `bytesMax`; at least one if any waits.
    mutating func take(bytesMax: Int) -> Batch {
        var batch = Batch()
        while let number = waiting.first {
            guard let slot = self[number] else {
                waiting.removeFirst()
                continue
            }
            let bytes = RecordHeader.span(slot.proposal.bytes.count)
            if batch.bytes + bytes > bytesMax, batch.bytes > 0 { break }
            waiting.removeFirst()
            batch.numbers.append(number)
            batch.proposals.append(slot.proposal)
            batch.bytes += bytes
        }
        return batch
    }

    /// They are on their way in this term.
    mutating func proposed(_ numbers: some Sequence<UInt64>, term: UInt64, forward: UInt64 = 0) {
        for number in numbers {
            self[number]?.term = term
            self[number]?.forward = forward
        }
    }

    /// They were not taken, and wait again, before all others.
    mutating func giveBack(_ numbers: some BidirectionalCollection<UInt64>) {
        for number in numbers.reversed() where self[number] != nil {
            self[number]?.term = 0
            self[number]?.forward = 0
            waiting.prepend(number)
        }
    }

    /// The last `count` proposals of a forward: those that were refused. The others were taken, and a copy of the refusal says nothing of them.
    mutating func refused(_ forward: UInt64, last count: Int) -> [UInt64] {
        guard forward != 0 else { return [] }
        var numbers: [UInt64] = []
        for at in slots.indices where slots[at]?.forward == forward {
            slots[at]?.forward = 0
            numbers.append(first + UInt64(at))
        }
        return numbers.suffix(count)
    }

    /// Ends a proposal. Nil when it is not of this run, or answered already.
    mutating func end(_ number: UInt64) -> UInt64? {
        guard let id = self[number]?.id else { return nil }
        self[number] = nil
        while case .some(.none) = slots.first {
            slots.removeFirst()
            first += 1
        }
        return id
    }

    /// An entry of this term was applied: what was proposed before it is lost, and waits again.
    mutating func passed(term: UInt64) {
        var lost: [UInt64] = []
        for (at, slot) in slots.enumerated() {
            if let slot, slot.term != 0, slot.term < term { lost.append(first + UInt64(at)) }
        }
        giveBack(lost)
    }

    /// Ends those that a snapshot up to this term may hold: nobody can say.
    mutating func unknown(through term: UInt64) -> [UInt64] {
        var ids: [UInt64] = []
        for (at, slot) in slots.enumerated() {
            if let slot, slot.term != 0, slot.term <= term { ids.append(first + UInt64(at)) }
        }
        return ids.compactMap { end($0) }
    }

    /// Ends those whose time is over.
    mutating func expire(now: UInt64) -> [(id: UInt64, wasProposed: Bool)] {
        var expired: [(id: UInt64, wasProposed: Bool)] = []
        // Deadlines rise with the numbers.
        while let slot = slots.first {
            if let slot {
                guard slot.deadline <= now else { break }
                expired.append((slot.id, slot.term != 0))
            }
            slots.removeFirst()
            first += 1
        }
        return expired
    }

    /// Ends those that wait.
    mutating func endWaiting() -> [UInt64] {
        defer { waiting.removeAll() }
        return Array(waiting).compactMap { end($0) }
    }

    private subscript(number: UInt64) -> Slot? {
        get { number >= first && number - first < UInt64(slots.count) ? slots[Int(number - first)] : nil }
        set {
            guard number >= first, number - first < UInt64(slots.count) else { return }
            slots[Int(number - first)] = newValue
        }
    }
}
