import Host
import Raft
import Replica
import Simulation
import Store
@testable import Chainfire

/// A machine without a log: commands are given to it one by one, and time is moved by hand.
final class Bench {
    let machine: Machine
    let time: ManualTime
    let path: String
    private(set) var index: UInt64
    var term: UInt64 = 1

    init(
        _ directory: String, _ options: ChainfireOptions = ChainfireOptions(), time: ManualTime = ManualTime(),
        pagesMax: Int? = nil, background: Bool = false
    ) throws {
        self.time = time
        path = directory + "/state.db"
        machine = try Machine(
            storage: try Storage(path: path, pagesMax: pagesMax), options: options,
            identity: StoreIdentity(clusterID: 9, memberID: 1), members: [MemberRecord(id: 1, name: "one", peerURLs: [])],
            configuration: Configuration(voters: [1]), now: { time.now() }, background: background)
        index = machine.applied.position.index
    }

    @discardableResult
    func apply(_ command: StoreCommand) throws -> Machine.Outcome {
        index += 1
        return try machine.apply([Command(index: index, term: term, bytes: command.encoded)])[0]
    }

    /// - Returns: the error that the command was refused with.
    func refusal(_ command: StoreCommand) throws -> StoreError? {
        if case .refused(let error) = try apply(command) { error } else { nil }
    }

    func put(_ key: Key, _ value: [UInt8] = [], lease: Int64 = 0) throws {
        try apply(.transaction(Transaction(then: [.put(key, value, lease: lease)])))
    }

    /// Asks what is due and applies it, as a leader's log would.
    @discardableResult
    func tick(_ passed: Duration, _ leadership: Leadership) throws -> [StoreCommand] {
        time.advance(by: passed)
        let commands = try machine.due(time.now(), leadership).map { try StoreCommand(decoding: $0) }
        for command in commands { try apply(command) }
        return commands
    }

    func keys() throws -> [Key] { try machine.range(RangeRequest(.all)).entries.map(\.key) }
}
