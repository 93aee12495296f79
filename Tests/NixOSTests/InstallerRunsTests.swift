import Foundation
import Host
import Testing

@testable import NixOS

@Suite struct `The runs of an installer` {
    private let scratch: Scratch
    private let processes = SystemProcesses()
    private let identity: SSHIdentity
    private let runs: InstallerRuns

    init() throws {
        scratch = try Scratch()
        identity = SSHIdentity(directory: scratch.path + "/ssh", processes: processes)
        runs = InstallerRuns(directory: scratch.path + "/installations", identity: identity, processes: processes)
    }

    private func order(_ program: String, run: String = "r-1-1", flake: String? = nil) -> InstallerOrder {
        InstallerOrder(
            node: "node01", run: run, program: program, flake: flake, attribute: "node01",
            target: SSHTarget(address: "10.0.0.11", port: 2222), diskoMode: "format", phases: ["disko", "install"],
            flakeFiles: [RenderedFile(path: "flake.nix", contents: Array("{}".utf8)), RenderedFile(path: "node01/disko.nix", contents: [])])
    }

    private func sight(_ run: String = "r-1-1") throws -> RunSight? { try runs.runs(of: "node01").first { $0.run == run } }

    @Test func `a run has nixos-anywhere's command line, its files with their modes, and leaves log and code`() async throws {
        let program = try scratch.program(
            "installer", "for word; do echo \"<$word>\"; done; echo '### Installing NixOS ###'; command -v ssh; exit 3\n")
        let key = RenderedFile(path: "etc/nixos/secrets/node01.key", contents: Array("secret".utf8), mode: 0o600)
        try runs.start(order(program), extra: [key], lock: Array("lock".utf8))
        try await eventually("it ends") { try sight()?.state == .exited(3) }
        let place = runs.path("node01", "r-1-1")
        let log = String(decoding: try #require(FileManager.default.contents(atPath: place + "/log")), as: UTF8.self)
        #expect(log.hasPrefix(
            """
            <--flake>
            <path:\(place)/flake#node01>
            <--target-host>
            <root@10.0.0.11>
            <-i>
            <\(identity.privateKeyFile)>
            <-p>
            <2222>
            <--ssh-option>
            """))
        #expect(log.contains("<--extra-files>\n<\(place)/extra>\n<--phases>\n<disko,install>\n<--disko-mode>\n<format>\n<--build-on>\n<local>\n"))
        #expect(log.contains("<HostKeyAlias=installer.node01>"))
        #expect(log.contains("<--ssh-option>\n<ConnectionAttempts=8>\n"))
        #expect(log.hasSuffix("\(place)/bin/ssh\n"))
        let mode = try FileManager.default.attributesOfItem(atPath: place + "/extra/etc/nixos/secrets/node01.key")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(FileManager.default.contents(atPath: place + "/flake/flake.lock") == Data("lock".utf8))
        let seen = try #require(try sight())
        #expect(seen.progress.phase == .install && seen.startedAt != nil && seen.finishedAt != nil)
        try runs.forgetSecrets("node01")
        #expect(!FileManager.default.fileExists(atPath: place + "/extra"))
    }

    @Test func `images come by the environment, and one named kexec by nixos-anywhere's own flag`() async throws {
        let program = try scratch.program("installer", "for word; do echo \"<$word>\"; done; env | grep ^PLASMA_IMAGE | sort\n")
        var order = order(program)
        order.images = ["root", "kexec", "other-one"].map { InstallerOrder.Image(name: $0, path: "/images/\($0)", digest: "d-\($0)") }
        try runs.start(order, extra: [])
        try await eventually("it ends") { try sight()?.state == .exited(0) }
        let log = String(decoding: try #require(FileManager.default.contents(atPath: runs.path("node01", "r-1-1") + "/log")), as: UTF8.self)
        #expect(log.contains("<--kexec>\n</images/kexec>\n"))
        #expect(log.hasSuffix("""
            PLASMA_IMAGE_KEXEC=/images/kexec
            PLASMA_IMAGE_KEXEC_SHA256=d-kexec
            PLASMA_IMAGE_OTHER_ONE=/images/other-one
            PLASMA_IMAGE_OTHER_ONE_SHA256=d-other-one
            PLASMA_IMAGE_ROOT=/images/root
            PLASMA_IMAGE_ROOT_SHA256=d-root

            """))
    }

    @Test func `a run is found again by those who did not start it, and never started twice`() async throws {
        let program = try scratch.program("installer", "echo '### Gathering machine facts ###'; exec sleep 600\n")
        try runs.start(order(program, flake: "path:/etc/x"), extra: [])
        let again = InstallerRuns(directory: runs.directory, identity: identity, processes: processes)
        try await eventually("it says something") { try again.runs(of: "node01").first?.progress.phase == .kexec }
        #expect(try again.runs(of: "node01").map(\.state) == [.running])
        #expect(throws: NixOSError.self) { try again.start(order(program), extra: []) }
        let reached = try again.end("node01", "r-1-1", force: false)
        #expect(reached)
        // The installer was ended, its wrapper wrote down how.
        try await eventually("it ends") { try again.runs(of: "node01").map(\.state) == [.exited(143)] }
        #expect(throws: NixOSError.self) { try runs.start(order(program), extra: []) }
        #expect(try again.end("node01", "r-1-1", force: true) == false)
    }

    @Test func `one that does not hear is ended with all its children`() async throws {
        let program = try scratch.program("installer", "trap '' TERM; sleep 600 & echo $! >\(scratch.path)/child; echo ready; wait; sleep 600\n")
        try runs.start(order(program), extra: [])
        try await eventually("it is ready") { try sight()?.progress.lastWords == "ready" }
        try runs.end("node01", "r-1-1", force: false)
        #expect(try sight()?.state == .running)
        try runs.end("node01", "r-1-1", force: true)
        try await eventually("it dies") { try sight()?.state == .died }
        let child = try #require(Int32(scratch.text("child")?.dropLast() ?? ""))
        try await eventually("its child too") { try processes.inspect(child) == nil }
    }

    @Test func `what was prepared when we went down is started, what had begun is not`() async throws {
        let program = try scratch.program("installer", "exit 0\n")
        let place = runs.path("node01", "r-1-1")
        try makePrivateDirectory(place + "/extra")
        try writePrivately([1], to: place + "/extra/stale")
        #expect(try sight()?.state == .prepared)
        try runs.start(order(program), extra: [])
        try await eventually("it ends") { try sight()?.state == .exited(0) }
        #expect(!FileManager.default.fileExists(atPath: place + "/extra/stale"))

        let dead = runs.path("node01", "r-1-2")
        try makePrivateDirectory(dead)
        try writePrivately([], to: dead + "/started")
        #expect(try sight("r-1-2")?.state == .died)
        #expect(throws: NixOSError.self) { try runs.start(order(program, run: "r-1-2"), extra: []) }
        try runs.clear("node01")
        #expect(try runs.runs(of: "node01") == [])
    }

    @Test func `no more run at once than may, however many are started`() async throws {
        let program = try scratch.program("installer", "exec sleep 600\n")
        let started = await withTaskGroup(of: Bool.self) { group in
            for number in 1...6 {
                var order = order(program, run: "r-\(number)-1", flake: "path:/x")
                (order.node, order.atOnce) = ("node0\(number)", 2)
                group.addTask { [order] in (try? runs.start(order, extra: [])) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(started == 2)
        for number in 1...6 { try runs.end("node0\(number)", "r-\(number)-1", force: true) }
    }

    @Test func `a person who reads the log is not the run`() async throws {
        let place = runs.path("node01", "r-1-1")
        try makePrivateDirectory(place)
        try writePrivately([], to: place + "/log")
        let reader = try processes.spawn(Program("tail", ["-f", place + "/log"]), output: nil)
        defer { _ = try? processes.signal(reader, SIGKILL) }
        #expect(try sight()?.state == .prepared)
    }

    @Test func `a log is read on from where the last look ended`() async throws {
        let place = runs.path("node01", "r-1-1")
        try makePrivateDirectory(place)
        try writePrivately(Array("### Gathering machine facts ###\n### Format".utf8), to: place + "/log")
        #expect(try sight()?.progress.phase == .kexec)
        let file = try #require(FileHandle(forWritingAtPath: place + "/log"))
        _ = try file.seekToEnd()
        try file.write(contentsOf: Array("ting hard drive with disko ###\n".utf8))
        try file.close()
        #expect(try sight()?.progress.phase == .disko)
    }

    private func lock(_ name: String) -> [UInt8] { Array("{\"is\":\"\(name)\"}\n".utf8) }
    private func writing(_ name: String, then rest: String) throws -> String {
        try scratch.program(name, "d=${2#path:}; echo '{\"is\":\"\(name)\"}' >\"${d%#*}/flake.lock\"; \(rest)\n")
    }

    @Test func `the lock of the newest success is the next one's`() async throws {
        #expect(try runs.newestLock() == nil)
        try runs.start(order(writing("new", then: "exit 0")), extra: [])
        try await eventually("it ends") { try sight()?.state == .exited(0) }
        #expect(try runs.newestLock() == lock("new"))
    }

    @Test func `where none has succeeded yet, a run that goes on gives its lock to the others; one that succeeded comes first`() async throws {
        let slow = try order(writing("slow", then: "sleep 30"))
        try runs.start(slow, extra: [])
        try await eventually("it has found its inputs") { try runs.newestLock() == lock("slow") }
        // Half written.
        try "{\"is\":".write(toFile: runs.path(slow.node, slow.run) + "/flake/flake.lock", atomically: false, encoding: .utf8)
        #expect(try runs.newestLock() == nil)
        var second = try order(writing("quick", then: "exit 0"))
        second.node = "node02"
        try runs.start(second, extra: [])
        try await eventually("the other ends") { try runs.newestLock() == lock("quick") }
        try runs.end(slow.node, slow.run, force: true)
    }

    @Test func `where it is to, nix makes the lock before the installer starts, and not where there is one; a run that is to end meanwhile starts none`() async throws {
        let nix = try scratch.program("nix", "for last; do :; done; echo \"{\\\"args\\\": \\\"$*\\\"}\" >\"${last#path:}/flake.lock\"\n")
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        setenv("PATH", (nix as NSString).deletingLastPathComponent + ":" + path, 1)
        defer { setenv("PATH", path, 1) }
        var first = try order(scratch.program("installer", "d=${2#path:}; test -s \"${d%#*}/flake.lock\"\n"))
        first.makesLock = true
        try runs.start(first, extra: [])
        try await eventually("it ends") { try sight()?.state == .exited(0) }
        let made = try #require(try runs.newestLock())
        #expect(String(decoding: made, as: UTF8.self).contains("flake lock path:"), "\(String(decoding: made, as: UTF8.self))")
        var second = first
        second.node = "node02"
        try runs.start(second, extra: [], lock: lock("given"))
        try await eventually("the other ends") { try runs.newestLock() == lock("given") }
        _ = try scratch.program("nix", "echo looking; exec sleep 600\n")
        var third = try order(scratch.program("installer", "touch \(scratch.path)/touched\n"), run: "r-1-2")
        third.makesLock = true
        try runs.start(third, extra: [])
        try await eventually("nix looks") { try sight("r-1-2")?.progress.lastWords == "looking" }
        try runs.end("node01", "r-1-2", force: false)
        try await eventually("it ends, too") { try sight("r-1-2")?.state == .exited(143) }
        #expect(scratch.text("touched") == nil)
    }

    @Test func `what cannot be looked at is no node without runs, and no run without an end`() async throws {
        let program = try scratch.program("installer", "exit 0\n")
        // A link to itself can be followed by nobody, whoever asks.
        func loop(_ path: String) throws { try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path) }
        try FileManager.default.createDirectory(atPath: runs.directory, withIntermediateDirectories: true)
        try loop(runs.directory + "/node01")
        #expect(throws: NixOSError.self) { try runs.runs(of: "node01") }
        #expect(throws: NixOSError.self) { try runs.nodes() }
        #expect(throws: NixOSError.self) { try runs.start(order(program), extra: []) }
        try FileManager.default.removeItem(atPath: runs.directory + "/node01")
        #expect(try runs.runs(of: "node01") == [])
        let place = runs.path("node01", "r-1-1")
        try makePrivateDirectory(place)
        for file in ["exit", "started", "log"] {
            try loop("\(place)/\(file)")
            #expect(throws: NixOSError.self, "\(file)") { try sight() }
            try FileManager.default.removeItem(atPath: "\(place)/\(file)")
        }
        #expect(try sight()?.state == .prepared)
    }

    @Test func `a program is looked for where the run would find it`() async throws {
        #expect(try await runs.canRun("sh"))
        #expect(try await runs.canRun(scratch.program("here", "")))
        #expect(try await !runs.canRun("no-such-installer"))
        #expect(try await !runs.canRun(scratch.path + "/nowhere"))
    }
}
