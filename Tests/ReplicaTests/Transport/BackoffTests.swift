import Testing

@testable import Replica

@Suite struct BackoffTests {
    @Test func `the first dial is at once, the next ones wait longer and longer, to the most`() {
        var random = SystemRandomNumberGenerator()
        var backoff = Backoff(first: .milliseconds(50), most: .seconds(1))
        let delays = (0..<20).map { _ in backoff.next(using: &random) }
        #expect(delays[0] == .zero)
        #expect((.milliseconds(25) ... .milliseconds(50)).contains(delays[1]))
        #expect(delays[2] >= .milliseconds(50))
        #expect(delays.allSatisfy { $0 <= .seconds(1) })
        #expect(delays[10...].allSatisfy { $0 >= .milliseconds(500) })
        backoff.reset()
        #expect(backoff.next(using: &random) == .zero)
    }
}
