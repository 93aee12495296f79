import Host
@testable import Replica
import Simulation
import Testing

@Suite struct SpareTests {
    private let disk = SimulatedDisk(seed: 1)
    private let bytes = 4096

    private func spare() throws -> SpareSegment {
        try disk.makeDirectory("log")
        return SpareSegment(disk: disk, directory: "log", bytes: bytes)
    }

    private func segment(_ number: Int, bytes: Int) throws -> String {
        let path = "log/\(number).log"
        try disk.open(path, .create).preallocate(UInt64(bytes))
        return path
    }

    @Test func `segments that are no longer needed serve again, so many and no more, after a restart, too`() throws {
        let before = try spare()
        for number in 0..<5 { try before.retire(segment(number, bytes: bytes)) }
        try before.retire(segment(5, bytes: 100))
        let names = try disk.list("log")
        #expect(names == ["spare", "spare.1", "spare.2"])
        let after = try spare()
        try after.recover()
        for number in 10..<13 {
            let path = try after.take()
            #expect(names.contains(String(path.dropFirst(4))), "one that was kept, not \(path)")
            try disk.rename(path, to: "log/\(number).log")
            after.renamed(path)
        }
        #expect(after.isMissing)
        try after.prepare()
        #expect(!after.isMissing)
    }

    @Test func `one that could not be used is given back`() throws {
        let spare = try spare()
        try spare.retire(segment(0, bytes: bytes))
        try spare.retire(segment(1, bytes: bytes))
        let first = try spare.take()
        let second = try spare.take()
        spare.giveBack(first)
        let third = try spare.take()
        #expect(first != second && third == first)
        let made = try spare.take()
        #expect(made == "log/next.new")
        spare.giveBack(made)
        let names = try disk.list("log")
        #expect(names == ["spare", "spare.1"])
    }
}
