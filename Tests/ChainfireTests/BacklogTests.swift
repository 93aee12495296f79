import Store
import Testing
@testable import Chainfire

struct BacklogTests {
    private static func change(_ revision: Revision) -> Change {
        Change(put: ChangeID(revision, 0), "key", [1, 2, 3], createRevision: 1, version: 1, lease: 0)
    }

    private static func written(_ rows: [Backlog.Row]) -> [Revision] { rows.compactMap { $0.change?.id.revision } }

    @Test func `a row that nobody can read any more before it is written never is`() {
        var backlog = Backlog()
        for revision in Revision(2)...6 { backlog.append([Self.change(revision)]) }
        let bytes = backlog.bytes
        let (dropped, again, unknown) = (backlog.drop(ChangeID(3, 0)), backlog.drop(ChangeID(3, 0)), backlog.drop(ChangeID(9, 0)))
        #expect(dropped && !again && !unknown)
        #expect(backlog.count == 4 && backlog.bytes == bytes / 5 * 4)
        #expect(backlog[ChangeID(3, 0)] == nil && backlog[ChangeID(4, 0)] == Self.change(4))
        let (all, through) = backlog.rows(of: 3..<6, bytesMax: 1_000)
        #expect(all.map(\.id.revision) == [4, 5] && through == 5)
        let (some, last) = backlog.rows(of: 3..<7, bytesMax: 1)
        #expect(some.map(\.id.revision) == [4] && last == 4)
        let rows = backlog.begin()
        #expect(Self.written(rows) == [2, 4, 5, 6])
        let late = backlog.drop(ChangeID(4, 0))
        #expect(!late, "it is being written")
        backlog.append([Self.change(7)])
        backlog.end(isWritten: true)
        #expect(backlog.count == 1 && backlog.bytes == bytes / 5)
    }

    @Test func `a tombstone is written, though nobody can read it any more`() {
        var backlog = Backlog()
        backlog.append([Self.change(2), Change(delete: ChangeID(3, 0), "key")])
        let (put, tombstone) = (backlog.drop(ChangeID(2, 0)), backlog.drop(ChangeID(3, 0)))
        #expect(put && !tombstone)
        let rows = backlog.begin()
        #expect(Self.written(rows) == [3])
    }

    @Test func `what could not be written waits again, and may still be dropped`() {
        var backlog = Backlog()
        for revision in Revision(2)...5 { backlog.append([Self.change(revision)]) }
        let bytes = backlog.bytes
        _ = backlog.drop(ChangeID(2, 0))
        _ = backlog.begin()
        backlog.append([Self.change(6)])
        backlog.end(isWritten: false)
        #expect(backlog.count == 4 && backlog.bytes == bytes)
        let dropped = backlog.drop(ChangeID(4, 0))
        #expect(dropped)
        let rows = backlog.begin()
        #expect(Self.written(rows) == [3, 5, 6])
    }
}
