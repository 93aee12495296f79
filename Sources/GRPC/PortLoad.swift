import Synchronization

/// Bytes of one kind that a port holds for all its connections together.
final class PortLoad: Sendable {
    let bytesMax: Int
    /// What comes in the place of an answer that is ready only when there is too much already.
    let refusal: GRPCStatus
    private let bytes = Atomic<Int>(0)

    init(bytesMax: Int, refusal: GRPCStatus) {
        self.bytesMax = bytesMax
        self.refusal = refusal
    }

    /// An answer that is smaller is given, unless more than that waits for its connection already.
    static let largeBytes = 64 * 1024, heldBytes = 1 << 20

    func add(_ more: Int) { bytes.wrappingAdd(more, ordering: .relaxed) }

    var waiting: Int { bytes.load(ordering: .relaxed) }
    /// From here on nobody who is behind is given more.
    var isHigh: Bool { waiting > bytesMax / 2 }
    var isOver: Bool { waiting > bytesMax }
}

/// Fired through a connection's handlers, once a second, while a port holds too much: who takes nothing goes.
struct PortPressure: Sendable {
    /// Rises by one while the pressure lasts.
    var round: Int
}
