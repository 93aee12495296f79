import NIOCore
import Testing

@testable import GRPC

@Suite struct DeadlineTests {
    private let start = NIODeadline.now()

    @Test func `each passes in time, whatever comes before and after it`() {
        var table = DeadlineTable<Int>()
        var timers: [NIODeadline] = []
        let wanted = (0..<200).map { start + .microseconds(Int64(($0 * 7_919) % 3_000_000)) }
        for (key, deadline) in wanted.enumerated() { if let timer = table.add(key, deadline, now: start) { timers.append(timer) } }
        for key in stride(from: 0, to: 200, by: 3) { table.remove(key) }
        var passed: [Int: NIODeadline] = [:]
        while !timers.isEmpty {
            timers.sort()
            let now = timers.removeFirst()
            let (gone, next) = table.expire(now: now)
            for key in gone { passed[key] = now }
            if let next { timers.append(next) }
        }
        #expect(Set(passed.keys) == Set((0..<200).filter { $0 % 3 != 0 }))
        for (key, at) in passed { #expect(at == wanted[key], "\(key)") }
    }

    @Test func `calls with ever earlier deadlines set few timers, and none for long`() {
        var table = DeadlineTable<Int>()
        var timers: [NIODeadline] = []
        for call in 0..<100_000 {
            let now = start + .microseconds(Int64(call))
            if let timer = table.add(call, now + .seconds(Int64(100_000 - call)), now: now) { timers.append(timer) }
            table.remove(call)
        }
        #expect(timers.count < 40)
        #expect(timers.allSatisfy { $0 - start < .seconds(70) })
    }
}
