import Store

/// Decides which values stay in memory: the newest written, up to a budget of bytes. It keeps the
/// account; the values themselves lie in the `Keyspace`.
struct ValueCache: Sendable {
    struct Item: Sendable {
        var key: Key
        var id: ChangeID
        var bytes: Int
        var isHeld = true
    }
    let bytesMax: Int
    /// Held now; what a key itself and its record take is not counted.
    private(set) var bytes = 0
    /// As they came, and so by rising ids; those that are not held any more stay in it for a while.
    private var order: [Item] = []
    private var head = 0
    private var held = 0

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Ids only rise.
    mutating func add(_ key: Key, _ id: ChangeID, bytes added: Int) {
        precondition(order.last.map { $0.id < id } ?? true, "value \(id) comes too late")
        order.append(Item(key: key, id: id, bytes: added))
        bytes += added
        held += 1
        if order.count > 2 * held + 4096 { tidy() }
    }

    /// The oldest while the budget is exceeded: it is held no longer.
    mutating func takeExcess() -> Item? {
        while bytes > bytesMax, head < order.count {
            let item = order[head]
            head += 1
            guard item.isHeld else { continue }
            bytes -= item.bytes
            held -= 1
            return item
        }
        return nil
    }

    /// This one was overwritten or deleted.
    mutating func forget(_ id: ChangeID) {
        let place = head + partition(order.count - head) { order[head + $0].id >= id }
        guard place < order.count, order[place].id == id, order[place].isHeld else { return }
        bytes -= order[place].bytes
        held -= 1
        order[place].isHeld = false
        order[place].key = Key([])
    }

    private mutating func tidy() {
        order = order[head...].filter(\.isHeld)
        head = 0
    }
}
