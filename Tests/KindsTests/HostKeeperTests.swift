import Foundation
import Host
import Manifest
import Reconcile
import Resource
import Testing

@testable import Kinds

/// How long the answer of a probe counts.
@Suite struct HostKeeperTests {
    private let booted = Result<ProgramResult, ProcessError>.success(
        ProgramResult(end: .exited(0), standardOutput: Array("Unable to mount root fs".utf8)))
    private let ended = Result<ProgramResult, ProcessError>.success(ProgramResult(end: .exited(1)))
    private let late = Result<ProgramResult, ProcessError>.failure(.tookTooLong(program: "q", limit: .seconds(20), output: ""))
    private let directory = FileManager.default.temporaryDirectory.path + "/plasma-host-\(UUID().uuidString)"

    private var file: String { directory + "/accelerator.json" }

    private func keeper(_ guest: Result<ProgramResult, ProcessError>, refusal: String? = nil) -> Kinds.Host.Keeper {
        let processes = AnsweringProcesses { program in
            program.arguments == ["--version"]
                ? .success(ProgramResult(end: .exited(0), standardOutput: Array("QEMU emulator version 7.2.0\n".utf8))) : guest
        }
        return Kinds.Host.Keeper(here: "lab", directory: directory, processes: processes, time: SystemTime(), refusal: { refusal })
    }

    private func known(_ keeper: Kinds.Host.Keeper) async throws -> String? {
        let host: Resource<Kinds.Host> = try PlanTests().draft("kind: Host\nmetadata: {name: lab}\nspec: {}", PlanCases.Words(values: [:]))
        return try await keeper.observe(.present(host), Reader(Ledger())).probe?.accelerator
    }

    @Test func `that KVM cannot be used is believed only while the same speaks against it`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await keeper(booted, refusal: "no access").perform(.probe(kernel: "/k"))
        #expect(try await known(keeper(booted, refusal: "no access")) == "tcg")
        #expect(try await known(keeper(booted, refusal: "no device")) == nil)
        #expect(try await known(keeper(booted)) == nil)
        try await keeper(booted).perform(.probe(kernel: "/k"))
        #expect(try await known(keeper(booted)) == "kvm")
        #expect(try await known(keeper(booted, refusal: "no access")) == "kvm")
    }

    @Test func `of an answer that an earlier version kept it is not known what it rests on`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await keeper(ended).perform(.probe(kernel: "/k"))
        #expect(try await known(keeper(ended)) == "tcg")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains(",\"refusal\":\"\""))
        try text.replacingOccurrences(of: ",\"refusal\":\"\"", with: "").write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try await known(keeper(ended)) == nil)
    }

    @Test func `an answer that rests on a timeout is seen by all in this process, and not kept`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await keeper(late).perform(.probe(kernel: "/k"))
        #expect(try await known(keeper(late)) == "tcg")
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try await known(keeper(late, refusal: "no device")) == nil)
        try await keeper(booted).perform(.probe(kernel: "/k"))
        #expect(try await known(keeper(late)) == "kvm")
    }

    @Test func `a probe that nobody waited for comes to nothing`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cancelled = ProcessError.cancelled(program: "q")
        await #expect(throws: cancelled) { try await keeper(.failure(cancelled)).perform(.probe(kernel: "/k")) }
        #expect(try await known(keeper(booted)) == nil)
        #expect(!FileManager.default.fileExists(atPath: file))
    }
}
