import Dispatch
import Host
import NIOPosix
import Testing

@testable import NetBoot

@Suite(.timeLimit(.minutes(1))) struct FileLinesTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    @Test func `who asks for a file is answered in turn, and what goes wrong is told`() async throws {
        struct Wrong: Error {}
        let lines = FileLines(patience: .seconds(60))
        let answers = (0..<100).map { number in lines.run(at: "/a", on: loop) { number } }
        for (number, answer) in answers.enumerated() { #expect(try await answer.get() == number) }
        await #expect(throws: Wrong.self) { try await lines.run(at: "/a", on: loop) { throw Wrong() }.get() }
    }

    @Test func `a file system that does not answer holds up one thread for a file, and nobody who asks for another`() async throws {
        let lines = FileLines(patience: .milliseconds(20)), answer = DispatchSemaphore(value: 0)
        let first = lines.run(at: "/dead", on: loop) { answer.wait() }
        let second = lines.run(at: "/dead", on: loop) { 2 }
        try await Task.sleep(for: .milliseconds(30))
        await #expect(throws: FileLook.Silence(path: "/dead")) { try await lines.run(at: "/dead", on: loop) { Issue.record("it joins the line") }.get() }
        for number in 0..<50 { #expect(try await lines.run(at: "/alive/\(number)", on: loop) { number }.get() == number) }
        answer.signal()
        try await first.get()
        #expect(try await second.get() == 2)
        #expect(try await lines.run(at: "/dead", on: loop) { 3 }.get() == 3)
    }
}
