import Dispatch
import Host
import Testing

@Suite(.timeLimit(.minutes(1))) struct FileLookTests {
    private struct Wrong: Error, Equatable {}

    @Test func `a look gives what it found, or throws what it threw`() async throws {
        #expect(try await FileLook.at("/look/a") { 7 } == 7)
        await #expect(throws: Wrong.self) { try await FileLook.at("/look/a") { throw Wrong() } }
        #expect(try await FileLook.at("/look/a") { 8 } == 8)
    }

    @Test func `a file system that does not answer is told, is not asked by a second thread, and is asked again once it answered`() async throws {
        let answer = DispatchSemaphore(value: 0)
        await #expect(throws: FileLook.Silence(path: "/look/b")) {
            try await FileLook.at("/look/b", within: .milliseconds(50)) { answer.wait() }
        }
        await #expect(throws: FileLook.Silence(path: "/look/b")) { 
            try await FileLook.at("/look/b", within: .milliseconds(5)) { Issue.record("a second thread asks") }
        }
        answer.signal()
        #expect(try await FileLook.at("/look/b") { 3 } == 3)
    }

    @Test func `a cancelled look is not waited for, and many of them leave the tasks' threads free`() async throws {
        let answer = DispatchSemaphore(value: 0)
        let looks = (0..<20).map { number in Task { try await FileLook.at("/look/c\(number)", within: .seconds(3600)) { answer.wait() } } }
        try await Task.sleep(for: .milliseconds(20))
        for look in looks { look.cancel() }
        for look in looks { await #expect(throws: CancellationError.self) { try await look.value } }
        for _ in looks { answer.signal() }
    }
}
