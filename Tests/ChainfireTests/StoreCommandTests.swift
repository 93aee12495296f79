import Store
import Testing
@testable import Chainfire

struct StoreCommandTests {
    private static var shaped: RangeRequest {
        var request = RangeRequest(.all, sort: .init(.descending, by: .modRevision))
        (request.minMod, request.maxMod, request.minCreate, request.maxCreate) = (1, 2, 3, 1 << 40)
        return request
    }

    private let everything = StoreCommand.transaction(Transaction(
        if: [
            Compare("a", .equal, .version(1)), Compare("b", .greater, .createRevision(300)),
            Compare(allOf: .prefix("r"), .equal, .value([7])), Compare(allOf: .all, .less, .lease(2)),
            Compare("c", .less, .modRevision(.max)), Compare("d", .notEqual, .value([0, 255])), Compare("e", .equal, .lease(-1)),
        ],
        then: [
            .put("k", [1, 2, 3], lease: 7), .delete(.prefix("k")), .delete(.all),
            .range(RangeRequest(.single("z"), at: 5, limit: 9, countOnly: true, keysOnly: true)),
            .transaction(Transaction(then: [.put("n", [])], otherwise: [.range(RangeRequest(.all))])),
            .range(Self.shaped), .amend("m", value: nil, lease: 3), .amend("o", value: [1], lease: nil),
        ],
        otherwise: [.delete("x")]))

    @Test func `what is written is read again`() throws {
        #expect(try StoreCommand(decoding: everything.encoded) == everything)
        let member = MemberRecord(
            id: 1 << 62, name: "n", peerURLs: ["https://a:1", "b"], clientURLs: ["c"], isLearner: true, promotes: true, replaces: 5)
        let told = MemberRecord(id: 2, name: "m", peerURLs: [], replaces: 9, incarnation: 1 << 63)
        for command: StoreCommand in [
            .compaction(1 << 40), .leaseGrant(id: -1, ttl: 60), .leasesRevoke([7]), .leasesRenew([1, 2, .max]),
            .leasesEnd([LeaseSight(id: 3, renewed: 9)]),
            .leasesRecord([.init(sight: LeaseSight(id: 3, renewed: 9), seconds: 400)]), .members([member]),
            .alarm(isRaised: true, Alarm(memberID: 4, kind: .noSpace)), .founded(clusterID: 1 << 60, [member]),
            .published(memberID: 4, name: "x", clientURLs: ["u", "v"], incarnation: 0),
            .published(memberID: 4, name: "x", clientURLs: ["u", "v"], incarnation: .max), .members([told]),
            .founded(clusterID: 1, [member, told]),
        ] {
            #expect(try StoreCommand(decoding: command.encoded) == command)
        }
    }

    @Test func `the bytes are those that the comment draws`() throws {
        let put = StoreCommand.transaction(Transaction(
            if: [Compare("a", .less, .modRevision(2))], then: [.put("k", [9, 8], lease: 0)], otherwise: [.delete("k")]))
        #expect(put.encoded == [
            2, 1,
            1, 2, 2, 1, 0x61, 2,
            1, 0, 1, 0x6b, 2, 9, 8, 0,
            1, 1, 1, 0x6b, 1, 2, 0x6b, 0,
        ])
        #expect(StoreCommand.compaction(300).encoded == [2, 2, 0xac, 0x02])
        // The first format is read on.
        #expect(try StoreCommand(decoding: [1] + put.encoded.dropFirst()) == put)
        #expect(try StoreCommand(decoding: [1, 2, 0xac, 0x02]) == .compaction(300))
        // So the second, in which nobody told of its disk; a third is only written where that is told.
        let published: [UInt8] = [2, 11, 4, 1, 0x78, 1, 1, 0x75]
        #expect(try StoreCommand(decoding: published) == .published(memberID: 4, name: "x", clientURLs: ["u"], incarnation: 0))
        #expect(StoreCommand.published(memberID: 4, name: "x", clientURLs: ["u"], incarnation: 0).encoded == published)
        #expect(
            StoreCommand.published(memberID: 4, name: "x", clientURLs: ["u"], incarnation: 300).encoded
                == [3] + published.dropFirst() + [0xac, 0x02])
        let record: [UInt8] = [2, 8, 1, 7, 1, 0x6e, 0, 0, 1]
        #expect(StoreCommand.members([MemberRecord(id: 7, name: "n", peerURLs: [], isLearner: true)]).encoded == record)
        #expect(
            StoreCommand.members([MemberRecord(id: 7, name: "n", peerURLs: [], isLearner: true, incarnation: 5)]).encoded
                == [3, 8, 1, 7, 1, 0x6e, 0, 0, 9, 5])
    }

    @Test func `a command cut anywhere is refused`() {
        let bytes = everything.encoded
        for count in 0..<bytes.count {
            #expect(throws: CommandProblem.self) { try StoreCommand(decoding: Array(bytes[..<count])) }
        }
        #expect(throws: CommandProblem.self) { try StoreCommand(decoding: bytes + [0]) }
    }

    @Test func `a flipped bit never ends the process`() {
        let bytes = everything.encoded
        for place in bytes.indices {
            for bit in 0..<8 {
                var wrong = bytes
                wrong[place] ^= 1 << bit
                // It may be another command or none; it may not trap.
                _ = try? StoreCommand(decoding: wrong)
            }
        }
    }

    @Test func `a newer format says what to do`() {
        #expect(throws: CommandProblem.format(5)) { try StoreCommand(decoding: [5, 1, 0, 0, 0]) }
        #expect(CommandProblem.format(5).description.contains("start the newer version again"))
    }

    @Test func `a row is read again, and refused when one of its bits flipped or it lies in another place`() {
        let change = Change(put: ChangeID(12, 3), "key", [1, 2, 3], createRevision: 7, version: 2, lease: 9)
        let bytes = change.encoded
        #expect(Change(change.id, decoding: bytes) == change)
        #expect(Change(ChangeID(12, 4), decoding: bytes) == nil)
        for place in bytes.indices {
            for bit in 0..<8 {
                var wrong = bytes
                wrong[place] ^= 1 << bit
                #expect(Change(change.id, decoding: wrong) == nil)
            }
        }
        let deleted = Change(delete: ChangeID(12, 3), "key")
        #expect(Change(deleted.id, decoding: deleted.encoded) == deleted)
    }

    @Test func `history is numbered by revision, then by place`() {
        #expect(ChangeID(2, 0) > ChangeID(1, ChangeID.changesMax))
        #expect(ChangeID(1 << 42, 5).revision == 1 << 42)
    }
}
