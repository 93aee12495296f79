import CHost
import Glibc

/// A file descriptor that is closed when it goes.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    /// - Parameter number: the descriptor, or -errno of the call that should have given it.
    init(_ number: Int32, _ what: String) throws(SegmentError) {
        try demand(number, what)
        self.number = number
    }

    deinit { close(number) }
}
