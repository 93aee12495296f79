import Synchronization

/// How many snapshots are being sent: more than two at once are refused, for each takes the room of a whole database.
final class Copies: Sendable {
    private static let most = 2
    private let count = Mutex(0)

    func begin() -> Bool {
        count.withLock { count in
            guard count < Self.most else { return false }
            count += 1
            return true
        }
    }

    func end() { count.withLock { $0 -= 1 } }
}
