import Bytes
import Raft
import Testing

@testable import Replica

/// A snapshot on its way: what arrived is not sent again, whatever breaks.
@Suite struct SnapshotTransferTests {
    private static let chunkBytes: UInt64 = 100
    private static let patience: UInt64 = 5

    /// Both deciders, and a wire between them that a test cuts.
    private struct Pair {
        var sender = SnapshotSender(options: .init(chunkBytes: SnapshotTransferTests.chunkBytes, window: 4, patience: SnapshotTransferTests.patience, endurance: 100))
        var receiver = SnapshotReceiver(patience: 10)
        let file: SnapshotFile
        var now: UInt64 = 1
        var sent: [UInt64] = []
        var ended: Bool?

        init(bytes: UInt64) {
            file = SnapshotFile(
                path: "f", head: SnapshotHead(position: Position(index: 50, term: 2), configuration: Configuration(voters: [1, 2])),
                bytes: bytes, digest: 77)
        }

        /// Parts that leave arrive where `arrives` says so, and are answered.
        mutating func carryOut(_ actions: [SnapshotSender.Action], arrives: (UInt64) -> Bool) {
            var left = actions[...]
            while let action = left.popFirst() {
                switch action {
                case .send(let part):
                    sent.append(part.offset)
                    guard arrives(part.offset) else { continue }
                    left += deliver(part)
                case .ended(_, let succeeded): ended = succeeded
                case .make, .discard: break
                }
            }
        }

        private mutating func deliver(_ part: SnapshotSender.Part) -> [SnapshotSender.Action] {
            let bytes = [UInt8](repeating: 1, count: part.count)
            let chunk = SnapshotChunk(
                id: file.digest, head: file.head, term: 2, total: file.bytes, offset: part.offset, bytes: bytes, crc32c: CRC32C.checksum(bytes))
            switch receiver.received(chunk, from: 1, applied: 0, now: now) {
            case .answer(let verdict): return sender.answered(SnapshotChunkAnswer(id: file.digest, verdict: verdict), by: 2, now: now)
            case .begin, .keep:
                guard let told = receiver.kept(chunk, now: now) else { return [] }
                return sender.answered(SnapshotChunkAnswer(id: file.digest, verdict: told.verdict), by: 2, now: now)
            case nil: return []
            }
        }

        mutating func wait(_ ticks: UInt64, arrives: (UInt64) -> Bool = { _ in true }) {
            for _ in 0..<ticks {
                now += 1
                carryOut(sender.tick(now), arrives: arrives)
            }
        }
    }

    @Test func `who cannot take a snapshot is made no other for a while`() {
        var sender = SnapshotSender(options: .init(chunkBytes: 100, window: 4, patience: 5, endurance: 100))
        let pair = Pair(bytes: 300)
        #expect(sender.wanted(by: 2, now: 1) == [.make])
        _ = sender.made(.success(pair.file), now: 1)
        #expect(sender.answered(SnapshotChunkAnswer(id: pair.file.digest, verdict: .failed), by: 2, now: 2).contains(.ended(peer: 2, succeeded: false)))
        #expect(sender.wanted(by: 2, now: 4) == [])
        for now in UInt64(5)..<102 { #expect(sender.tick(now) == []) }
        // Others are.
        #expect(sender.wanted(by: 3, now: 101) == [.make])
        _ = sender.made(.failure(.noSpace), now: 101)
        #expect(sender.wanted(by: 2, now: 110) == [.make])
    }

    @Test(arguments: [0, 300, 700]) func `after a break it goes on where the member has all before`(_ cut: UInt64) {
        var pair = Pair(bytes: 1_050)
        pair.carryOut(pair.sender.wanted(by: 2, now: 1), arrives: { _ in true })
        pair.carryOut(pair.sender.made(.success(pair.file), now: 1)) { $0 < cut }
        let before = pair.sent.count
        pair.sender.lost(2)
        pair.wait(SnapshotTransferTests.patience + 1)
        #expect(pair.sent[before] == cut, "\(pair.sent)")
        // Each part once, but for those that were on their way when it broke.
        let again = Set(pair.sent[before...])
        #expect(again.min() == cut && again.count == pair.sent.count - before, "\(pair.sent)")
        #expect(again.max() == 1_000)
    }

    @Test func `a part that is lost is sent again with those after it, and nothing before it`() {
        var pair = Pair(bytes: 1_000)
        pair.carryOut(pair.sender.wanted(by: 2, now: 1), arrives: { _ in true })
        var isLost = false
        pair.carryOut(pair.sender.made(.success(pair.file), now: 1)) { offset in
            if offset == 400, !isLost {
                isLost = true
                return false
            }
            return true
        }
        let before = pair.sent.count
        pair.wait(2 * SnapshotTransferTests.patience)
        #expect(pair.sent[before...].min() == 400, "\(pair.sent)")
        #expect(pair.sent.last == 900)
    }

    @Test func `a member that began anew is sent all of it, and no more at once than the window`() {
        var pair = Pair(bytes: 2_000)
        pair.carryOut(pair.sender.wanted(by: 2, now: 1), arrives: { _ in true })
        pair.carryOut(pair.sender.made(.success(pair.file), now: 1)) { $0 < 800 }
        pair.receiver = SnapshotReceiver(patience: 10)
        pair.sender.lost(2)
        let before = pair.sent.count
        pair.wait(1 + SnapshotTransferTests.patience, arrives: { _ in false })
        #expect(Array(pair.sent[before...]) == [800, 900, 1_000, 1_100], "\(pair.sent)")
        let middle = pair.sent.count
        pair.wait(3 * SnapshotTransferTests.patience)
        #expect(pair.sent[middle...].contains(0) && pair.sent.last == 1_900, "\(pair.sent)")
    }

    @Test func `a transfer that makes no progress is given up, and may be asked for again`() {
        var pair = Pair(bytes: 1_000)
        pair.carryOut(pair.sender.wanted(by: 2, now: 1), arrives: { _ in true })
        pair.carryOut(pair.sender.made(.success(pair.file), now: 1)) { _ in false }
        pair.wait(101, arrives: { _ in false })
        #expect(pair.ended == false)
        #expect(pair.sender.isIdle)
        #expect(pair.sender.wanted(by: 2, now: pair.now) == [.make])
    }
}
