import Store

/// Decides which values stay in memory: the newest written, up to a budget of bytes. It keeps the
/// account; the values themselves lie in the `Keyspace`.
struct ValueCache: Sendable {
    struct Item: Sendable {
        var key: Key
        var id: ChangeID
        var bytes: Int
    }
    let bytesMax: Int
    /// Held now; what a key itself and its record take is not counted.
    private(set) var bytes = 0
    /// In the order they came; most of those that were overwritten since are still in it.
    private var order = Fifo<Item>()
    private var held = 0

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    mutating func add(_ key: Key, _ id: ChangeID, bytes added: Int) {
        order.append(Item(key: key, id: id, bytes: added))
        bytes += added
        held += 1
    }

    /// The oldest while the budget is exceeded. It may have been overwritten since; if it is still
    /// held, drop it and call `forget`.
    mutating func takeExcess() -> Item? { bytes > bytesMax ? order.popFirst() : nil }

    mutating func forget(bytes dropped: Int) {
        bytes -= dropped
        held -= 1
    }

    /// True when the order lists far more than is held, and `tidy` is worth its cost.
    var isUntidy: Bool { order.count > 2 * held + 4096 }

    mutating func tidy(isHeld: (Item) -> Bool) { order.removeAll { !isHeld($0) } }
}
