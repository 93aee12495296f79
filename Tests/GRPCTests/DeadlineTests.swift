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

    @Test func `a call that may take long, among others that may not, sets no timer with each of them`() {
        var table = DeadlineTable<Int>()
        var timers: [NIODeadline] = []
        if let timer = table.add(0, start + .hours(1), now: start) { timers.append(timer) }
        var passed = 0, most = 0
        for call in 1...10_000 {
            let now = start + .microseconds(Int64(100 * call))
            if let timer = table.add(call, now + .microseconds(50), now: now) { timers.append(timer) }
            let later = now + .microseconds(60)
            let due = timers.filter { $0 <= later }
            timers.removeAll { $0 <= later }
            for _ in due {
                let (gone, next) = table.expire(now: later)
                passed += gone.count
                if let next { timers.append(next) }
            }
            most = max(most, timers.count)
        }
        #expect(passed == 10_000 && most < 40)
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
