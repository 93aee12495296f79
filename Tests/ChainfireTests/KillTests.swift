import Foundation
import Glibc
import Store
import Testing
@testable import Chainfire

/// A child process writes and is killed at any moment; what it was told to be written must be there.
/// The child is this very test program, running only the test `child`.
@Suite(.timeLimit(.minutes(3)), .serialized) struct KillTests {
    private static let directoryVariable = "CHAINFIRE_TEST_CHILD_DIRECTORY"
    private static let startVariable = "CHAINFIRE_TEST_CHILD_START"
    private static let writers = 4

    private static func value(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number % 3_000)
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment[directoryVariable] != nil, "runs in a child process only"))
    func `child that writes until it is killed`() async throws {
        let environment = ProcessInfo.processInfo.environment
        let directory = try #require(environment[Self.directoryVariable])
        let start = Int(environment[Self.startVariable] ?? "") ?? 0
        var options = ChainfireOptions()
        options.log.checkpointCommands = 40
        options.compaction = CompactionPolicy(keep: 30)
        try await withChainfire(in: directory, options) { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<Self.writers {
                    group.addTask {
                        for number in 0... {
                            let mine = start + number * Self.writers + writer
                            try await store.put(Key("k\(mine)"), Self.value(mine))
                            let line = Array("\nacknowledged \(mine)\n".utf8)
                            _ = write(STDOUT_FILENO, line, line.count)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `an acknowledged write survives kill -9`() async throws {
        let directory = try TemporaryDirectory()
        let seed = UInt64.random(in: 0 ... .max)
        var dice = SeededDice(seed)
        var acknowledged: Set<Int> = []
        for round in 0..<6 {
            let lines = Int.random(in: 1...250, using: &dice)
            let start = round * 1_000_000
            let told = try killAfter(lines, directory.path, start)
            #expect(told.count >= lines, "seed \(seed) round \(round): the child acknowledged \(told.count) of \(lines)")
            acknowledged.formUnion(told)
            try await withChainfire(in: directory.path) { store in
                let entries = try await store.range(RangeRequest(.all)).entries
                let kept = Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
                for number in acknowledged.sorted() {
                    #expect(kept[Key("k\(number)")] == Self.value(number), "seed \(seed) round \(round): \(number) was acknowledged")
                }
                // At most what each writer had under way was written and not acknowledged.
                #expect(kept.count <= acknowledged.count + (round + 1) * Self.writers, "seed \(seed) round \(round)")
                let revision = store.status.revision
                #expect(revision == Revision(kept.count + 1), "seed \(seed) round \(round)")
            }
        }
    }

    /// Starts the child, kills it when it has acknowledged so many writes, and returns all it acknowledged.
    private func killAfter(_ count: Int, _ directory: String, _ start: Int) throws -> [Int] {
        let child = Process()
        child.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        child.arguments = ["--testing-library", "swift-testing", "--filter", "child that writes"]
        child.environment = ProcessInfo.processInfo.environment.merging([
            Self.directoryVariable: directory, Self.startVariable: "\(start)",
        ]) { $1 }
        let output = Pipe()
        child.standardOutput = output
        child.standardError = FileHandle.nullDevice
        try child.run()
        var text = ""
        var isKilled = false
        while case let data = output.fileHandleForReading.availableData, !data.isEmpty {
            text += String(decoding: data, as: UTF8.self)
            if !isKilled, acknowledgements(text).count >= count {
                kill(child.processIdentifier, SIGKILL)
                isKilled = true
            }
        }
        child.waitUntilExit()
        return acknowledgements(text)
    }

    private func acknowledgements(_ text: String) -> [Int] {
        // The last line may be torn.
        text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().compactMap { line in
            line.hasPrefix("acknowledged ") ? Int(line.dropFirst("acknowledged ".count)) : nil
        }
    }
}
