import Bytes
import Chainfire
import Host
import Simulation
import Store
import Synchronization

/// A machine's storage as SQLite behaves with `synchronous=NORMAL`: what was committed outlives the process, but of it
/// only what came before the last checkpoint outlives the machine's power.
final class SimulatedStorage: MachineStorage {
    struct Content: Sendable {
        var mark = Mark()
        /// Ascending.
        var rows: [Change] = []
        var facts: [String: [UInt8]] = [:]

        func place(_ id: ChangeID) -> Int {
            var (low, high) = (0, rows.count)
            while low < high {
                let middle = (low + high) / 2
                if rows[middle].id < id { low = middle + 1 } else { high = middle }
            }
            return low
        }

        var image: StorageImage {
            StorageImage(mark: mark, facts: facts.sorted { $0.key < $1.key }.map { (name: $0.key, bytes: $0.value) })
        }
    }
    private struct State {
        var now = Content()
        var durable = Content()
        var isFull = false
    }

    let name: String
    private let disk: SimulatedDisk
    private let state = Mutex(State())
    /// Called in the midst of a write, as others use the machine meanwhile. Unsafe only where two threads write: one drives a whole cluster.
    nonisolated(unsafe) private var meanwhile: (() -> Void)?

    init(name: String, disk: SimulatedDisk) {
        self.name = name
        self.disk = disk
    }

    /// The power went: what came after the last checkpoint did never happen.
    func losePower() { state.withLock { $0.now = $0.durable } }

    func setFull(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

    func restore(valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage {
        let content = state.withLock { $0.now }
        for row in content.rows { try take(row) }
        return content.image
    }

    func restore(from path: String, valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage {
        let content = try read(path)
        for row in content.rows { try take(row) }
        return content.image
    }

    /// - Parameter meanwhile: done in the midst of each write that `body` makes.
    func whileWriting<T>(_ meanwhile: @escaping () -> Void, body: () throws -> T) rethrows -> T {
        self.meanwhile = meanwhile
        defer { self.meanwhile = nil }
        return try body()
    }

    /// What is stored beside the rows, to compare members by.
    var facts: String {
        state.withLock { $0.now.facts.sorted { $0.key < $1.key }.map { "\($0.key) \(CRC32C.checksum($0.value))" }.joined(separator: ", ") }
    }

    func write(_ batch: StorageBatch) throws {
        meanwhile?()
        try state.withLock { state in
            if state.isFull { throw ChainfireError.full(name) }
            for row in batch.rows { state.now.rows.insert(row, at: state.now.place(row.id)) }
            for id in batch.garbage {
                let place = state.now.place(id)
                if place < state.now.rows.count, state.now.rows[place].id == id { state.now.rows.remove(at: place) }
            }
            for (name, bytes) in batch.facts { state.now.facts[name] = bytes }
            state.now.mark = batch.mark
        }
    }

    func load(_ id: ChangeID) throws -> Change? {
        state.withLock { state in
            let place = state.now.place(id)
            return place < state.now.rows.count && state.now.rows[place].id == id ? state.now.rows[place] : nil
        }
    }

    func history(from: Revision, to end: Revision, bytesMax: Int) throws -> (changes: [Change], through: Revision) {
        let content = state.withLock { $0.now }
        let changes = content.rows[
            content.place(ChangeID(from, 0))..<max(content.place(ChangeID(from, 0)), content.place(ChangeID(end, 0)))]
        // A few revisions at a time, so that going on in the middle is seen often.
        guard let first = changes.first, let last = changes.last, last.id.revision > first.id.revision + 7 else {
            return (Array(changes), end - 1)
        }
        let some = changes.prefix { $0.id.revision <= first.id.revision + 7 }
        return (Array(some), some.last?.id.revision ?? end - 1)
    }

    func checkpoint() throws { state.withLock { $0.durable = $0.now } }

    func snapshot(to path: String) throws -> StorageImage {
        let content = state.withLock { $0.now }
        let file = try disk.open(path, .create)
        try file.truncate(to: 0)
        try file.write(Self.encoded(content), at: 0)
        try file.sync()
        return content.image
    }

    func look(_ path: String) throws -> StorageImage { try read(path).image }

    func install(_ path: String) throws {
        let content = try read(path)
        state.withLock { state in
            state.now = content
            state.durable = content
        }
    }

    func defragment() throws {}
    func check() throws -> [String] { [] }
    var size: StorageSize { state.withLock { StorageSize(bytes: $0.now.rows.count * 100, used: $0.now.rows.count * 100) } }
    func close() throws {}

    private func read(_ path: String) throws -> Content {
        let file = try disk.open(path, .read)
        let bytes = try file.read(at: 0, count: Int(try file.size()))
        guard let content = Self.decoded(bytes) else { throw ChainfireError.corrupt(file: path, "it is no snapshot") }
        return content
    }
}

/// A snapshot's bytes: index, term, revision, compacted (8 each), then the number of rows, each its id (8), length (4)
/// and bytes; then the facts, each name and bytes behind their lengths (4).
extension SimulatedStorage {
    private static func encoded(_ content: Content) -> [UInt8] {
        var out = ByteWriter()
        out.write(content.mark.appliedIndex)
        out.write(content.mark.appliedTerm)
        out.write(UInt64(bitPattern: content.mark.revision))
        out.write(UInt64(bitPattern: content.mark.compacted))
        out.write(UInt64(content.rows.count))
        func part(_ bytes: [UInt8]) {
            out.write(UInt32(bytes.count))
            out.write(bytes)
        }
        for row in content.rows {
            out.write(UInt64(bitPattern: row.id.number))
            part(row.encoded)
        }
        for (name, bytes) in content.facts.sorted(by: { $0.key < $1.key }) {
            part(Array(name.utf8))
            part(bytes)
        }
        return out.bytes
    }

    private static func decoded(_ bytes: [UInt8]) -> Content? {
        var input = ByteReader(bytes)
        func number() -> UInt64? { input.read(UInt64.self) }
        func part() -> [UInt8]? { input.read(UInt32.self).flatMap { input.read(count: Int($0)) } }
        var content = Content()
        guard let index = number(), let term = number(), let revision = number(), let compacted = number(), let rows = number()
        else {
            return nil
        }
        content.mark.appliedIndex = index
        content.mark.appliedTerm = term
        content.mark.revision = Revision(bitPattern: revision)
        content.mark.compacted = Revision(bitPattern: compacted)
        for _ in 0..<rows {
            guard let id = number(), let bytes = part(),
                let row = Change(ChangeID(number: Int64(bitPattern: id)), decoding: bytes)
            else {
                return nil
            }
            content.rows.append(row)
        }
        while input.remaining > 0 {
            guard let name = part(), let bytes = part() else { return nil }
            content.facts[String(decoding: name, as: UTF8.self)] = bytes
        }
        return content
    }
}
