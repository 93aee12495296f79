import Foundation
import Host
import Store
import Testing
@testable import Chainfire

struct StorageTests {
    private static func batch(of revisions: ClosedRange<Revision>) -> StorageBatch {
        var mark = Mark()
        (mark.appliedIndex, mark.revision) = (UInt64(revisions.upperBound), revisions.upperBound)
        var batch = StorageBatch(mark: mark)
        batch.rows = revisions.map {
            Change(put: ChangeID($0, 0), Key("key \($0)"), [UInt8](repeating: UInt8($0 % 251), count: 4_000), createRevision: $0, version: 1, lease: 0)
        }
        return batch
    }

    /// How often the thread rested while it wrote, made a checkpoint and a copy.
    private static func write(_ storage: Storage, to copy: String) throws -> [Int?] {
        try storage.write(batch(of: 2...2_000))
        let written = BackgroundThread.rests
        try storage.checkpoint()
        let moved = BackgroundThread.rests
        #expect(try storage.snapshot(to: copy).mark.revision == 2_000)
        return [written, moved, BackgroundThread.rests]
    }

    @Test func `who has time gives the disk eight megabytes little by little, and whoever reads sees no difference`() throws {
        let directory = try TemporaryDirectory()
        let storage = try Storage(path: directory.path + "/patient.db")
        let rests = try BackgroundThread.patiently { try Self.write(storage, to: directory.path + "/copy.db") }.map { $0 ?? 0 }
        let pieces = 2_000 * 4_000 / BackgroundThread.pieceBytes
        #expect(rests[0] >= pieces && rests[1] >= rests[0] + pieces && rests[2] >= rests[1] + pieces, "\(rests)")
        #expect(rests[2] < 6 * pieces, "\(rests)")
        #expect(try storage.load(ChangeID(777, 0))?.value == [UInt8](repeating: UInt8(777 % 251), count: 4_000))
        #expect(try storage.history(from: 2, to: 2_001, bytesMax: 16 << 20).changes.count == 1_999)
        try storage.close()
        #expect(try Storage.check(directory.path + "/patient.db") == [])
        #expect(try Storage.check(directory.path + "/copy.db") == [])
    }

    @Test func `who is waited for does not rest`() throws {
        let directory = try TemporaryDirectory()
        let storage = try Storage(path: directory.path + "/awaited.db")
        let rests = try BackgroundThread.patiently(while: { false }) { try Self.write(storage, to: directory.path + "/copy.db") }
        #expect(rests == [0, 0, 0])
        try storage.close()
    }

    @Test(.timeLimit(.minutes(1))) func `a flush takes its time until one who serves others waits for it`() throws {
        let directory = try TemporaryDirectory()
        let machine = try Bench(directory.path).machine
        #expect(machine.withFlushing { !BackgroundThread.isPatient })
        BackgroundThread.patiently {
            machine.withFlushing {
                #expect(BackgroundThread.isPatient)
                Thread.detachNewThread { machine.withFlushing {} }
                while BackgroundThread.isPatient { usleep(100) }
            }
            #expect(BackgroundThread.isPatient)
        }
    }

    @Test func `what is written already is not written again, and what was compacted away still is to be`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        #expect(bench.machine.hasUnwritten, "whose store it is")
        try bench.machine.flush()
        #expect(!bench.machine.hasUnwritten)
        try bench.put("a")
        try bench.put("a")
        #expect(bench.machine.hasUnwritten)
        try bench.machine.flush()
        #expect(!bench.machine.hasUnwritten)
        try bench.apply(.compaction(3))
        #expect(bench.machine.hasUnwritten)
        try bench.machine.flush()
        #expect(!bench.machine.hasUnwritten)
    }
}
