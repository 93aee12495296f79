import Glibc
import Host

/// What a `SimulatedDisk` holds, and what of it would survive a crash now.
struct SimulatedDiskState {
    enum Write {
        case bytes([UInt8], at: Int)
        case truncate(Int)
    }

    struct Node {
        var content: [UInt8] = []
        var durable: [UInt8] = []
        var pending: [Write] = []

        mutating func apply(_ write: Write) {
            pending.append(write)
            Self.apply(write, to: &content)
        }

        static func apply(_ write: Write, to content: inout [UInt8]) {
            switch write {
            case .bytes(let bytes, let offset):
                let end = offset + bytes.count
                if content.count < end { content.append(contentsOf: repeatElement(0, count: end - content.count)) }
                content.replaceSubrange(offset..<end, with: bytes)
            case .truncate(let count) where count < content.count:
                content.removeLast(content.count - count)
            case .truncate(let count):
                content.append(contentsOf: repeatElement(0, count: count - content.count))
            }
        }

        /// Keeps what was synced and each unsynced sector for which `keep` says so.
        mutating func crash(keep: () -> Bool) {
            for write in pending {
                guard case .bytes(let bytes, let offset) = write else {
                    if keep() { Self.apply(write, to: &durable) }
                    continue
                }
                var at = offset
                while at < offset + bytes.count {
                    let end = min((at / 512 + 1) * 512, offset + bytes.count)
                    let sector = Array(bytes[(at - offset)..<(end - offset)])
                    if keep() { Self.apply(.bytes(sector, at: at), to: &durable) }
                    at = end
                }
            }
            pending.removeAll()
            content = durable
        }
    }

    enum NameChange {
        case link(String, Int)
        case rename(String, String)
        case unlink(String)

        /// Whether it is one of that directory's own names. What is renamed stays in its directory here.
        func isIn(_ directory: String) -> Bool {
            switch self {
            case .link(let path, _), .rename(_, let path), .unlink(let path):
                path.hasPrefix(directory + "/") && !path.dropFirst(directory.count + 1).contains("/")
            }
        }
    }

    var dice: Dice
    var life = 0
    var nodes: [Node] = []
    var directories: Set<String> = []
    var names: [String: Int] = [:]
    var durableNames: [String: Int] = [:]
    var pendingNames: [NameChange] = []
    var locks: Set<String> = []
    var fullness = SimulatedDisk.Fullness.none
    /// Operations until the power goes; nil for never.
    var operationsLeft: Int?
    /// Syncs until one fails; nil for never.
    var syncsLeft: Int?
    var operations = 0
    var syncs = 0

    init(dice: Dice) { self.dice = dice }

    mutating func hasPower() -> Bool {
        operations += 1
        guard let left = operationsLeft else { return true }
        guard left > 0 else { return false }
        operationsLeft = left - 1
        return true
    }

    mutating func makeNode() -> Int {
        nodes.append(Node())
        return nodes.count - 1
    }

    mutating func add(_ change: NameChange) {
        pendingNames.append(change)
        Self.apply(change, to: &names)
    }

    static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .link(let path, let node): names[path] = node
        case .rename(let source, let target): names[target] = names.removeValue(forKey: source)
        case .unlink(let path): names[path] = nil
        }
    }

    mutating func write(_ bytes: [UInt8], at offset: Int, node: Int, path: String) throws(DiskError) {
        let growth = max(0, offset + bytes.count - nodes[node].content.count)
        let fits: Bool
        switch fullness {
        case .none: fits = true
        case .growth: fits = growth == 0
        case .room(let left):
            fits = growth <= left
            if fits { fullness = .room(left - growth) }
        case .everything: fits = false
        }
        let landed = fits ? bytes : Array(bytes.prefix(Int.random(in: 0..<max(1, (bytes.count + 511) / 512), using: &dice) * 512))
        if !landed.isEmpty { nodes[node].apply(.bytes(landed, at: offset)) }
        if !fits { throw DiskError("write", path, errno: ENOSPC) }
    }

    /// Names in that directory are durable; a crash may still forget what happened to others.
    mutating func syncNames(of directory: String) {
        var left: [NameChange] = []
        for change in pendingNames {
            if change.isIn(directory) { Self.apply(change, to: &durableNames) } else { left.append(change) }
        }
        pendingNames = left
    }

    mutating func checkSync(_ operation: String, _ path: String) throws(DiskError) {
        syncs += 1
        guard let left = syncsLeft else { return }
        syncsLeft = left - 1
        if left <= 0 { throw DiskError(operation, path, errno: EIO) }
    }

    mutating func sync(node: Int, path: String) throws(DiskError) {
        try checkSync("sync", path)
        nodes[node].durable = nodes[node].content
        nodes[node].pending.removeAll()
    }

    mutating func crash() {
        life += 1
        operationsLeft = nil
        syncsLeft = nil
        locks.removeAll()
        names = durableNames
        for change in pendingNames.prefix(Int.random(in: 0...pendingNames.count, using: &dice)) {
            Self.apply(change, to: &names)
        }
        durableNames = names
        pendingNames.removeAll()
        // Nothing, everything, or any mixture: the extremes are the likely ones on a real machine.
        let chance = [0, 100, 10, 50, 90].randomElement(using: &dice) ?? 0
        for node in nodes.indices where !nodes[node].pending.isEmpty {
            var dice = dice
            nodes[node].crash { Int.random(in: 0..<100, using: &dice) < chance }
            self.dice = dice
        }
    }
}
