import Foundation

/// Resident memory, and the processor's time, of the real server with nothing to do.
func idleRows(_ options: Options) async throws -> [Row] {
    let services = (0..<options.objects).map {
        "---\napiVersion: plasma.cloud/v1alpha1\nkind: Service\nmetadata:\n  name: s\(padded($0, 5))\nspec:\n  ports:\n  - name: api\n    port: 2379\n"
    }
    // Records that nothing can be done for: no machine is started, but every one is looked at and has a status.
    let scene = Scene(nodes: options.objects)
    let networks = (0..<scene.clusters).map {
        """
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: Network
        metadata: {name: c\(padded($0, 3))}
        spec: {driver: user, subnet: 10.0.\($0).0/24, gateway: 10.0.\($0).1}

        """
    }
    return try await idle("nothing recorded", [], options)
        + idle("\(options.objects) Services without nodes recorded (each looked at, with a status)", services, options)
        + idle("\(options.objects) Nodes of metal and \(scene.clusters) Networks recorded (each looked at, with a status)",
            networks + (0..<scene.nodes).map { Scene.node($0, metal: true) }, options)
}

private func idle(_ what: String, _ objects: [String], _ options: Options) async throws -> [Row] {
    let folder = try freshFolder("idle", in: options.directory)
    let server = try Server(options.directory, folder)
    defer { server.stop() }
    var applying = Duration.zero
    if !objects.isEmpty {
        for start in stride(from: 0, to: objects.count, by: 1_000) {
            let file = folder + "/objects.yaml"
            try Data(objects[start..<min(start + 1_000, objects.count)].joined().utf8).write(to: URL(fileURLWithPath: file))
            applying += try await timed { try server.plasma(["apply", "-f", file]) }.1
        }
        try await rest(server)
    }
    try await Task.sleep(for: .seconds(5))
    let fresh = try server.memory()
    let before = try server.processorTime()
    try await Task.sleep(for: .seconds(20))
    let busy = (try server.processorTime() - before) / 20 * 100
    // The aim speaks of a daemon that has nothing to remember.
    let aim = objects.isEmpty ? "< 60 MiB" : nil
    var rows = [
        Row("idle", "RSS, \(what)", "MiB", fresh.resident, aim: aim, isAimMet: aim == nil ? nil : fresh.resident < 60, note: told(fresh)),
        Row("idle", "processor, \(what)", "% of a core", busy),
    ]
    if !objects.isEmpty {
        rows.append(Row("idle", "`plasma apply` of \(what), 1,000 a call", "s", applying.inSeconds))
        server.stop()
        let again = try Server(options.directory, folder)
        defer { again.stop() }
        try await rest(again)
        try await Task.sleep(for: .seconds(5))
        let memory = try again.memory()
        rows.append(Row("idle", "RSS, \(what), after a restart", "MiB", memory.resident, note: told(memory)))
    }
    return rows
}

private func told(_ memory: (resident: Double, own: Double, peak: Double)) -> String {
    "\(Row.figure(memory.own)) anonymous, the rest files; \(Row.figure(memory.peak)) at its peak"
}

/// Waits until two seconds in a row cost next to nothing.
private func rest(_ server: Server) async throws {
    var quiet = 0
    var last = try server.processorTime()
    let deadline = ContinuousClock.now + .seconds(300)
    while quiet < 2, ContinuousClock.now < deadline {
        try await Task.sleep(for: .seconds(1))
        let now = try server.processorTime()
        quiet = now - last < 0.15 ? quiet + 1 : 0
        last = now
    }
}

/// `plasma server`, in a network namespace of its own.
private final class Server {
    private let process = Process()
    private let program: String
    private let data: String

    init(_ directory: String, _ folder: String) throws {
        program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path + "/plasma"
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw BenchFailure("\(program) is missing; build it with `swift build -c release --product plasma` in hack/bench")
        }
        data = folder + "/data"
        process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        process.arguments = (geteuid() == 0 ? ["-n"] : ["-r", "-n"]) + [program, "server", "--data-dir", data, "--log-level", "error"]
        process.standardInput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<600 {
            if (try? plasma(["get", "hosts", "-o", "name"])) != nil { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        stop()
        throw BenchFailure("the server does not answer")
    }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    /// Runs the command line against the server; `unshare` became it, so the pid is its own.
    func plasma(_ arguments: [String]) throws {
        let call = Process()
        call.executableURL = URL(fileURLWithPath: program)
        call.arguments = arguments + ["--data-dir", data]
        call.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        call.standardError = errors
        try call.run()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        call.waitUntilExit()
        guard call.terminationStatus == 0 else {
            throw BenchFailure("plasma \(arguments.joined(separator: " ")): \(String(decoding: said, as: UTF8.self).prefix(2_000))")
        }
    }

    /// In MiB: now, how much of it is no file's, and the most so far (proc_pid_status(5): VmRSS, RssAnon, VmHWM).
    func memory() throws -> (resident: Double, own: Double, peak: Double) {
        let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        func field(_ name: String) -> Double {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return line.flatMap { Double($0.filter(\.isNumber)) }.map { $0 / 1024 } ?? 0
        }
        return (field("VmRSS"), field("RssAnon"), field("VmHWM"))
    }

    /// In seconds, of all its threads (proc_pid_stat(5), utime and stime).
    func processorTime() throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8)
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { throw BenchFailure("the server is gone") }
        return (user + system) / 100
    }
}
