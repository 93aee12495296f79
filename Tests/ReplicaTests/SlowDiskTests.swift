import Testing
@testable import Replica

struct SlowDiskTests {
    @Test func `three long syncs in a row are too slow, and steps without one say nothing`() {
        var disk = SlowDisk(limit: .milliseconds(100))
        func look(_ milliseconds: [Int]) -> [Bool] { milliseconds.map { disk.isTooSlow(.milliseconds($0)) } }
        #expect(look([101, 101, 0, 0, 101]) == [false, false, false, false, true])
        // It is said once; then it is counted anew.
        #expect(look([101, 101, 100, 101, 101]) == [false, false, false, false, false])
        #expect(look([500]) == [true])
    }
}
