import Host
import Simulation
import Testing

@testable import Replica

@Suite struct PeerBookTests {
    private func open(_ disk: SimulatedDisk) throws -> PeerBook {
        try PeerBook.open("log", disk: disk, cluster: 7, member: 1, incarnation: 100)
    }

    private func hello(_ from: UInt64, _ incarnation: UInt64) -> PeerHello {
        PeerHello(cluster: 7, from: from, to: 1, incarnation: incarnation)
    }

    @Test func `who was told with which disk a member votes lets in no other, at first sight and after a crash`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            let book = try open(disk)
            let told = book.learn([1: 5, 2: 200, 3: 0], voters: 3)
            #expect(told.contradictions.isEmpty && told.trouble == nil)
            #expect(book.admit(hello(2, 201)) == .incarnation(member: 2, known: 200, theirs: 201, voters: 3))
            #expect(book.identity.incarnation == 100)
        }
        disk.crash()
        let book = try open(disk)
        #expect(book.admit(hello(2, 201)) == .incarnation(member: 2, known: 200, theirs: 201, voters: 0))
        #expect(book.admit(hello(2, 200)) == nil)
        // Of the third nothing was known: the first that comes is it.
        #expect(book.admit(hello(3, 300)) == nil)
        #expect(book.admit(hello(3, 301)) != nil)
    }

    @Test func `whom it met it goes on knowing; where the group says otherwise neither disk is let in`() throws {
        let book = try open(SimulatedDisk(seed: 1))
        #expect(book.admit(hello(2, 201)) == nil)
        let refusal = PeerRefusal.incarnation(member: 2, known: 200, theirs: 201, voters: 5)
        #expect(book.learn([2: 200], voters: 5).contradictions == [refusal])
        // It is told once.
        #expect(book.learn([2: 200], voters: 5).contradictions.isEmpty)
        #expect(book.admit(hello(2, 201)) == refusal)
        #expect(book.admit(hello(2, 200)) == .incarnation(member: 2, known: 201, theirs: 200, voters: 5))
    }

    @Test func `what a full disk does not take is known all the same, and written when there is room`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            let book = try open(disk)
            disk.setFullness(.everything)
            #expect(book.learn([2: 200], voters: 3).trouble != nil)
            #expect(book.admit(hello(2, 201)) != nil)
            disk.setFullness(.none)
            #expect(book.learn([2: 200], voters: 3).trouble == nil)
        }
        disk.crash()
        #expect(try open(disk).admit(hello(2, 201)) != nil)
    }

    @Test func `who is told that its disk is another ends, and does not start again with it`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            let book = try open(disk)
            // Of others, of another disk, or for another reason: nothing to do with this one.
            for refusal: PeerRefusal in [
                .incarnation(member: 2, known: 5, theirs: 100, voters: 3), .incarnation(member: 1, known: 5, theirs: 101, voters: 3),
                .incarnation(member: 1, known: 100, theirs: 100, voters: 3), .removed(member: 2), .other("no"),
            ] { #expect(book.refused(refusal) == nil, "\(refusal)") }
            let end = book.refused(.incarnation(member: 1, known: 5, theirs: 100, voters: 3))
            #expect("\(end.map { "\($0)" } ?? "")".contains("there are 3 voters, and 2 must agree"))
        }
        disk.crash()
        #expect(throws: ReplicaError.self) { _ = try self.open(disk) }
        // An empty directory is another disk, whatever lies beside.
        try disk.remove("log/identity")
        #expect(try PeerBook.open("log", disk: disk, cluster: 7, member: 1, incarnation: 102).identity.incarnation == 102)
    }

    @Test func `who was removed is told so, and ends`() throws {
        let book = try open(SimulatedDisk(seed: 1))
        #expect(book.admit(hello(2, 200)) == nil)
        _ = book.learn([1: 100], removed: [2], voters: 1)
        #expect(book.admit(hello(2, 200)) == .removed(member: 2))
        #expect("\(book.refused(.removed(member: 1)).map { "\($0)" } ?? "")".contains("was removed from this cluster"))
    }

    @Test func `one member that met another disk does not disown whom the group knows`() throws {
        let book = try open(SimulatedDisk(seed: 1))
        _ = book.learn([1: 100, 2: 200], voters: 3)
        #expect(book.refused(.incarnation(member: 1, known: 5, theirs: 100, voters: 3)) == nil)
    }

    @Test func `who is disowned on a full disk ends as well`() throws {
        let disk = SimulatedDisk(seed: 1)
        let book = try open(disk)
        disk.setFullness(.everything)
        #expect(book.refused(.incarnation(member: 1, known: 5, theirs: 100, voters: 3)) != nil)
    }

    @Test func `a refusal says what to do, and the arithmetic`() {
        let text = PeerRefusal.incarnation(member: 0xAB, known: 1, theirs: 2, voters: 3).description
        #expect(text.contains("there are 3 voters, and 2 must agree"), "\(text)")
        #expect(text.contains("plasma chainfire member replace ab NAME"), "\(text)")
        #expect(!PeerRefusal.incarnation(member: 1, known: 1, theirs: 2, voters: 0).description.contains("voters"))
    }
}
