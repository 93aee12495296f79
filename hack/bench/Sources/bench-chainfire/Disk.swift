import Foundation

/// What the disk alone takes of a put, in milliseconds: so many times 256 bytes behind one another in a file that is there already,
/// and fdatasync.
/// - Parameter perSecond: nil: one after the other. A machine that has nothing to do in between takes longer for each.
func syncAlone(_ folder: String, count: Int = 2_000, perSecond: Int? = nil) throws -> Histogram {
    let path = folder + "/alone"
    let file = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw BenchFailure("\(path) cannot be opened: errno \(errno)") }
    defer {
        close(file)
        unlink(path)
    }
    let bytes = [UInt8](repeating: 7, count: 256)
    let room = [UInt8](repeating: 0, count: 1 << 20)
    guard pwrite(file, room, room.count, 0) == room.count, fsync(file) == 0 else { throw BenchFailure("\(path) cannot be written: errno \(errno)") }
    var times = Histogram()
    let began = ContinuousClock.now
    for number in 0..<count {
        if let perSecond {
            let wait = began + .nanoseconds(number * 1_000_000_000 / perSecond) - .now
            if wait > .zero { usleep(UInt32(wait.nanoseconds / 1_000)) }
        }
        let start = ContinuousClock.now
        guard pwrite(file, bytes, bytes.count, off_t(number * bytes.count)) == bytes.count, fdatasync(file) == 0 else {
            throw BenchFailure("\(path) cannot be written: errno \(errno)")
        }
        times.add(nanoseconds: UInt64((ContinuousClock.now - start).milliseconds * 1e6))
    }
    return times
}
