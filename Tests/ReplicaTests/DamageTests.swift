import Host
import Raft
@testable import Replica
import Simulation
import Testing

@Suite struct DamageTests {
    private struct Written {
        var disk: SimulatedDisk
        var machine: Notebook
        /// Where each record and each segment's header begins and ends, with its file.
        var parts: [(file: String, range: Range<Int>)] = []
        var lastBatch: Int = 0
    }

    /// A log of several segments, ended cleanly or by a crash right after the last sync.
    private func write(_ seed: UInt64, marked: Bool) throws -> Written {
        var dice = SimulatedDisk.Dice(seed: seed)
        let disk = SimulatedDisk(seed: seed)
        var core = try ReplicaCore.one(disk, Notebook(), identity: seed + 1)
        for round in 0..<20 {
            _ = try core.commit((0..<3).map { command(round * 3 + $0, bytes: Int.random(in: 0..<300, using: &dice)) })
            if marked, Int.random(in: 0..<3, using: &dice) == 0 { try core.rest() }
        }
        if marked { try core.close() }
        disk.killProcess()
        var written = Written(disk: disk, machine: Notebook())
        var scan = LogScan(directory: "/log")
        try scan.run(disk)
        for segment in scan.segments {
            let file = "/log/\(segment.name)"
            let bytes = try #require(disk.content(file))
            written.parts.append((file, 0..<SegmentHeader.size))
            var at = SegmentHeader.size
            while at < segment.end {
                let record = try #require(RecordHeader.read(bytes, at: at, seed: segment.header.seed))
                written.parts.append((file, at..<at + record.span))
                at += record.span
            }
        }
        #expect(scan.segments.count > 2)
        return written
    }

    private func expectRefusal(_ written: Written, _ part: (file: String, range: Range<Int>), _ what: String) {
        let check = LogCheck.run("/log", disk: written.disk)
        guard case .corrupt(let file, let offset, _) = check.problem else {
            Issue.record("\(what): passed unseen")
            return
        }
        #expect(file == part.file && offset == UInt64(part.range.lowerBound), "\(what): blamed \(file) at \(offset)")
        do throws(ReplicaError) {
            _ = try ReplicaCore.one(written.disk, Notebook(), identity: 9)
            Issue.record("\(what): opened")
        } catch { #expect(error == check.problem, "\(what)") }
    }

    @Test func `a flipped byte anywhere in a marked log is refused with its record's offset`() throws {
        for seed in UInt64(0)..<25 {
            let written = try write(seed, marked: true)
            var dice = SimulatedDisk.Dice(seed: seed)
            // The very last record is the mark itself; without it nothing is lost.
            for part in written.parts.dropLast() {
                let at = Int.random(in: part.range, using: &dice)
                let mask = UInt8.random(in: 1...255, using: &dice)
                written.disk.flip(part.file, at: at, mask: mask)
                expectRefusal(written, part, "seed \(seed): byte \(at) of \(part.file) with mask \(mask)")
                written.disk.flip(part.file, at: at, mask: mask)
            }
            #expect(LogCheck.run("/log", disk: written.disk).problem == nil)
        }
    }

    @Test func `without a mark only the last batch may pass for torn`() throws {
        for seed in UInt64(100)..<110 {
            let written = try write(seed, marked: false)
            var dice = SimulatedDisk.Dice(seed: seed)
            for part in written.parts.dropLast(3) {
                let at = Int.random(in: part.range, using: &dice)
                written.disk.flip(part.file, at: at, mask: 1)
                expectRefusal(written, part, "seed \(seed): byte \(at) of \(part.file)")
                written.disk.flip(part.file, at: at, mask: 1)
            }
            for part in written.parts.suffix(3) {
                written.disk.flip(part.file, at: part.range.lowerBound + 3, mask: 1)
                let check = LogCheck.run("/log", disk: written.disk)
                #expect(check.problem == nil && check.tornBytes > 0)
                written.disk.flip(part.file, at: part.range.lowerBound + 3, mask: 1)
            }
        }
    }

    @Test func `who cannot know its term any more does not begin anew, however many others there are`() throws {
        let disk = SimulatedDisk(seed: 5)
        let group = Membership.bootstrap(Configuration(voters: [1, 2, 3]))
        func open() throws -> ReplicaCore<Notebook> {
            var options = small()
            options.id = 1
            return try ReplicaCore.open(directory: "/log", disk: disk, machine: Notebook(disk: disk), options: options, identity: 3, membership: group)
        }
        _ = try open()
        var scan = LogScan(directory: "/log")
        try scan.run(disk)
        let name = try #require(scan.segments.first?.name)
        #expect(scan.segments.count == 1)
        disk.flip("/log/\(name)", at: 57, mask: 4)
        for _ in 0..<2 {
            let error = #expect(throws: ReplicaError.self) { _ = try open() }
            #expect(error?.description.contains("must not vote again") == true, "\(error.map { "\($0)" } ?? "")")
        }
        #expect(try disk.list("/log").contains(name), "what is left of it stays")
    }

    @Test func `a missing, foreign or misnamed segment is refused`() throws {
        let written = try write(7, marked: true)
        written.disk.lose("/log/00000000000000000002.log")
        guard case .corrupt(let file, 0, let why) = LogCheck.run("/log", disk: written.disk).problem else {
            Issue.record("passed unseen")
            return
        }
        #expect(file == "/log/00000000000000000003.log")
        #expect(why.contains("00000000000000000002.log before it is missing"))
    }

    @Test func `a log that lost its end or its beginning is refused`() throws {
        let written = try write(8, marked: true)
        var full: [Command] = []
        do {
            let machine = Notebook()
            _ = try ReplicaCore.one(written.disk, machine, identity: 9)
            full = machine.all
        }
        let names = try written.disk.list("/log").filter { $0.hasSuffix(".log") }
        written.disk.lose("/log/\(try #require(names.last))")
        refused(written, Notebook(full), "ends with")
        written.disk.lose("/log/\(names[0])")
        refused(written, Notebook(), "begins with")
    }

    private func refused(_ written: Written, _ machine: Notebook, _ words: String) {
        do throws(ReplicaError) {
            _ = try ReplicaCore.one(written.disk, machine, identity: 9)
            Issue.record("opened")
        } catch {
            guard case .mismatch(let why) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(why.contains(words))
        }
    }

    @Test func `bytes of a segment used before never validate`() throws {
        let disk = SimulatedDisk(seed: 5)
        let machine = Notebook()
        var core = try ReplicaCore.one(disk, machine, small(checkpointCommands: 6), identity: 3)
        for number in 0..<200 {
            _ = try core.commit([command(number, bytes: 400)])
            try core.checkpointIfDue(factor: 1)
        }
        #expect(core.log.segments.count <= 3)
        #expect(core.log.firstIndex > 150)
        let segments = core.log.segments.count
        try core.close()
        disk.killProcess()
        let check = LogCheck.run("/log", disk: disk)
        #expect(check.problem == nil && check.tornBytes == 0)
        #expect(check.segments.count == segments)
        #expect(check.lastIndex == 202)
    }
}
