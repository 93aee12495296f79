import Etcd
import Foundation
import GRPC
import Simulation
import SwiftProtobuf
import Testing

/// Well-formed messages with anything in them, to every method of a running member: each is answered, none with a fault of the server's
/// own, and the member goes on.
@Suite(.serialized) struct RequestFuzzTests {
    /// Holds any message's bytes as they are.
    private typealias Raw = Google_Protobuf_Empty

    private static let unary = [
        "etcdserverpb.KV/Range", "etcdserverpb.KV/Put", "etcdserverpb.KV/DeleteRange", "etcdserverpb.KV/Txn", "etcdserverpb.KV/Compact",
        "etcdserverpb.Lease/LeaseGrant", "etcdserverpb.Lease/LeaseRevoke", "etcdserverpb.Lease/LeaseTimeToLive", "etcdserverpb.Lease/LeaseLeases",
        "etcdserverpb.Cluster/MemberList", "etcdserverpb.Cluster/MemberAdd", "etcdserverpb.Cluster/MemberRemove", "etcdserverpb.Cluster/MemberUpdate",
        "etcdserverpb.Cluster/MemberPromote", "etcdserverpb.Maintenance/Alarm", "etcdserverpb.Maintenance/Status", "etcdserverpb.Maintenance/Hash",
        "etcdserverpb.Maintenance/HashKV", "etcdserverpb.Maintenance/MoveLeader", "v3lockpb.Lock/Unlock", "v3electionpb.Election/Proclaim",
        "v3electionpb.Election/Leader", "v3electionpb.Election/Resign", "grpc.health.v1.Health/Check", "etcdserverpb.Auth/AuthStatus",
        "etcdserverpb.Auth/Authenticate", "etcdserverpb.Auth/UserAdd",
    ]
    /// These may wait for others.
    private static let waiting = ["v3lockpb.Lock/Lock", "v3electionpb.Election/Campaign"]
    private static let streams = [
        "etcdserverpb.Watch/Watch", "etcdserverpb.Lease/LeaseKeepAlive", "v3electionpb.Election/Observe", "etcdserverpb.Maintenance/Snapshot", "grpc.health.v1.Health/Watch",
    ]

    @Test func `no message upsets a member`() async throws {
        var dice = FuzzDice(31)
        // Each goes over a socket, and some to the disk.
        let count = FuzzDice.count(400_000) / 100
        var good = 0
        try await withMember { member in
            for number in 0..<count {
                let isStream = dice.oneIn(12), isWaiting = dice.oneIn(40)
                let method = "/" + dice.pick(isStream ? Self.streams : isWaiting ? Self.waiting : Self.unary)
                let messages = (0..<(isStream ? dice.number(1...3) : 1)).map { _ in Self.message(&dice) }
                let end: GRPCStatus? = if isStream { await stream(member, method, messages) } else { await call(member, method, messages[0], within: isWaiting ? .milliseconds(20) : .seconds(20)) }
                if end == nil { good += 1 }
                let isRight = switch end?.code {
                // Of a member that is none, and of a leader that is asked for what only another could do.
                case nil, .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .outOfRange, .resourceExhausted, .unimplemented, .unavailable: true
                // etcd's text of an alarm that forbids all; and of what is no message of that type.
                case .dataLoss: true
                case .unknown, .internalError: Self.known.contains { end?.message.contains($0) == true }
                case .deadlineExceeded: isWaiting || isStream
                default: false
                }
                #expect(isRight, "input \(number): \(method) \(messages) ended with \(end.map { "\($0)" } ?? "")")
                if number % 50 == 0 { try await mend(member) }
            }
            try await mend(member)
            try await member.put("alive", "yes")
            #expect(try await member.keys(under: "alive") == ["alive"])
            let members: Etcdserverpb_MemberListResponse = try await member.call("etcdserverpb.Cluster/MemberList", Etcdserverpb_MemberListRequest())
            #expect(members.members.count == 1)
        }
        #expect(good > count / 5, "too few were carried out: \(good)")
    }

    /// Texts of faults that are the client's, which etcd gives with these codes, too.
    private static let known = ["error unmarshalling request", "etcdserver:", "election:", "lock:", "requested lease not found", "field must be provided"]

    private func call(_ member: Member, _ method: String, _ bytes: [UInt8], within: Duration) async -> GRPCStatus? {
        do throws(GRPCStatus) {
            let _: Raw = try await member.grpc.unary(method, raw(bytes), within: within)
            return nil
        } catch {
            return error
        }
    }

    private func stream(_ member: Member, _ method: String, _ messages: [[UInt8]]) async -> GRPCStatus? {
        do throws(GRPCStatus) {
            let stream = member.grpc.stream(method, within: .milliseconds(20), sending: Raw.self, receiving: Raw.self)
            for message in messages { try await stream.send(raw(message)) }
            stream.halfClose()
            while try await stream.next() != nil {}
            return nil
        } catch {
            return error
        }
    }

    private func raw(_ bytes: [UInt8]) -> Raw { (try? Raw(serializedBytes: bytes)) ?? Raw() }

    /// Takes back what forbids the rest.
    private func mend(_ member: Member) async throws {
        for alarm in [Etcdserverpb_AlarmType.nospace, .corrupt] {
            let list: Etcdserverpb_AlarmResponse = try await member.call("etcdserverpb.Maintenance/Alarm", Etcdserverpb_AlarmRequest.with { $0.alarm = alarm })
            for one in list.alarms {
                let _: Etcdserverpb_AlarmResponse = try await member.call("etcdserverpb.Maintenance/Alarm", Etcdserverpb_AlarmRequest.with {
                    ($0.action, $0.memberID, $0.alarm) = (.deactivate, one.memberID, one.alarm)
                })
            }
        }
    }

    // MARK: messages

    /// Some of the types that are asked for, with some numbers changed; else fields of any kind.
    private static func message(_ dice: inout FuzzDice) -> [UInt8] {
        guard dice.oneIn(2) else { return fields(&dice, depth: 0) }
        var requests = RandomRequests(seed: dice.next())
        let request = (0..<dice.number(1...3)).map { _ in requests.next() }.last
        let bytes = request?.bytes ?? []
        guard dice.oneIn(2) else { return bytes }
        let spoiled = dice.spoiled(bytes)
        return (try? Raw(serializedBytes: spoiled)) == nil ? bytes : spoiled
    }

    private static func fields(_ dice: inout FuzzDice, depth: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<dice.number(0...6) {
            let field = UInt64(dice.number(1...dice.pick([3, 6, 16])))
            switch dice.number(0...9) {
            case 0...4:
                varint(field << 3, &bytes)
                varint(edge(&dice), &bytes)
            case 5: bytes += [UInt8(field << 3 | 1)] + dice.bytes(8)
            default:
                let content: [UInt8] = switch dice.number(0...4) {
                case 0 where depth < 6, 1 where depth < 6: fields(&dice, depth: depth + 1)
                case 2: dice.bytes(dice.number(0...20))
                default: Array(dice.pick(["", "a", "b", "foo", "\0", "a/", "http://", "x\u{0}y", "é", String(repeating: "k", count: 5000)]).utf8)
                }
                varint(field << 3 | 2, &bytes)
                varint(UInt64(content.count), &bytes)
                bytes += content
            }
        }
        return bytes
    }

    private static func edge(_ dice: inout FuzzDice) -> UInt64 {
        switch dice.number(0...3) {
        case 0: dice.pick([0, 1, .max, 1 << 63, 1 << 63 - 1, 1 << 31, 1 << 31 - 1, 1 << 32, UInt64(bitPattern: -2), 9_000_000_000, 9_000_000_001])
        case 1: dice.next() >> UInt64(dice.number(0...63))
        default: UInt64(dice.number(0...20))
        }
    }

    private static func varint(_ number: UInt64, _ bytes: inout [UInt8]) {
        var number = number
        while number > 0x7F {
            bytes.append(UInt8(number & 0x7F) | 0x80)
            number >>= 7
        }
        bytes.append(UInt8(number))
    }

    // MARK: JSON

    @Test func `no JSON upsets a member`() async throws {
        var dice = FuzzDice(32)
        let count = FuzzDice.count(100_000) / 100
        // But for those that wait for others, or go on for ever.
        let cases = (gatewayCases + malformedCases).filter { line in !["/v3/watch", "/v3/lock/lock", "/v3/election/campaign", "/v3/election/observe"].contains { line.hasPrefix($0) } }
        let lines = cases.map { (path: String($0.prefix { $0 != " " }), body: Array($0.drop { $0 != " " }.dropFirst().utf8)) }
        var good = 0
        try await withMember { member in
            for number in 0..<count {
                let line = dice.pick(lines)
                var body = dice.oneIn(3) ? dice.crossed(line.body, dice.pick(lines).body) : dice.spoiled(line.body)
                if dice.oneIn(4) { body = Self.renumbered(line.body, &dice) }
                let text = String(decoding: body, as: UTF8.self)
                let answer = try await member.http.post(line.path, text)
                if answer.status == 200 { good += 1 }
                // Streams answer in lines, as many as there are.
                let isJSON = answer.lines.allSatisfy { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) is [String: Any] }
                #expect([200, 400, 404, 409, 412, 413, 429, 500, 501, 503].contains(answer.status) && isJSON, "input \(number): \(line.path) \(text) gave \(answer.status) \(answer.body)")
                if number % 50 == 0 { try await mend(member) }
            }
            try await mend(member)
            try await member.put("alive", "yes")
        }
        #expect(good > count / 20, "too few were carried out: \(good)")
    }

    /// Its first digits replaced by another number.
    private static func renumbered(_ body: [UInt8], _ dice: inout FuzzDice) -> [UInt8] {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let at = body.firstIndex(where: digits.contains) else { return body }
        return body[..<at] + Array(dice.numberText().utf8) + body[at...].drop(while: digits.contains)
    }
}

extension RandomRequests.Request {
    fileprivate var bytes: [UInt8] { (try? message.serializedBytes()) ?? [] }
}
