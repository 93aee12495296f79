import Foundation
import Glibc
import Host
import Synchronization

/// Installers as supervised children: each in a session of its own, so that it outlives us, and with a directory of its
/// own by which it is found again.
///
///     <directory>/<node>/<run>/   made exclusively before anything is started; mode 0700
///         log                     what the installer writes
///         exit                    its exit code, written at once when it has ended
///         extra/  flake/  bin/    what it is given
///
/// Whether a run is alive is asked of the processes: its directory stands in their command lines. A run's name is used
/// once, so nothing is ever started twice.
package struct InstallerRuns: Sendable {
    package let directory: String
    /// What the nodes' package is made of where the flake is plasma's own; nil: their flake has none.
    private let binary: String?
    private let identity: SSHIdentity
    private let processes: any Processes
    private let logs = Logs()

    /// What was read of each log so far, and the turn to start a run.
    private final class Logs: Sendable {
        struct Read {
            var inode: UInt64
            var offset: UInt64
            var progress: InstallerProgress
        }
        let read = Mutex<[String: Read]>([:])
        /// Whom we started for a run: until it has become the wrapper, its command line does not tell.
        let started = Mutex<[String: ProcessIdentity]>([:])
        /// Who counts the runs must start his own before the next one counts.
        let starting = Mutex(())
        /// Whether the nodes' program can serve, once it was looked at.
        let programProblem = Mutex<String??>(nil)
    }

    /// Read of a log in one look; the rest in the next.
    private static let readMax = 16 << 20

    /// - Parameter binary: plasma itself, by default; what the nodes' package is made of.
    package init(
        directory: String, identity: SSHIdentity, processes: any Processes,
        binary: String? = "/proc/self/exe"
    ) {
        self.directory = directory
        self.binary = binary
        self.identity = identity
        self.processes = processes
    }

    package func path(_ node: String, _ run: String) -> String { "\(directory)/\(node)/\(run)" }
    /// Leads to the log of the node's latest run.
    package func latestLog(_ node: String) -> String { "\(directory)/\(node)/log" }

    /// Every run of a node that left a directory, by name.
    package func runs(of node: String) throws -> [RunSight] {
        let all = try processes.list()
        return try names("\(directory)/\(node)").map { try look(node, $0, among: all) }
    }

    /// Nodes that have runs.
    package func nodes() throws -> [String] { try names(directory) }

    /// Of the directories there. A place that cannot be read may hold a run that goes on: only one that is missing is empty.
    private func names(_ place: String) throws -> [String] {
        guard try fileStatus(place) != nil else { return [] }
        let found: [String]
        do { found = try FileManager.default.contentsOfDirectory(atPath: place) } catch {
            throw NixOSError.system("could not list the runs in \(place): \(error.localizedDescription)")
        }
        return try found.filter { try fileStatus("\(place)/\($0)").map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }.sorted()
    }

    private func look(_ node: String, _ run: String, among all: [ProcessSight]) throws -> RunSight {
        let place = path(node, run)
        // In this order: what ends between the two looks has written its code before it went.
        let isAlive = isAlive(place, among: all)
        let code = try exitCode(place)
        let progress = try progress(of: place, isOver: !isAlive)
        let started = try modified(place + "/started")
        let state: RunSight.State =
            if isAlive { .running } else if let code { .exited(code) } else if started != nil { .died } else { .prepared }
        return RunSight(
            run: run, state: state, progress: progress, startedAt: started, finishedAt: isAlive ? nil : try modified(place + "/exit"),
            hasSecrets: access(place + "/extra", F_OK) == 0, log: place + "/log")
    }

    /// Prepares and starts a run. One that was prepared but never started, because we went down in between, is prepared
    /// anew and started; any other run of that name is a mistake of ours and is refused.
    /// - Parameters:
    ///   - extra: files of the node's own, below its root.
    ///   - lock: a flake.lock to begin with.
    package func start(_ order: InstallerOrder, extra: [RenderedFile], lock: [UInt8]? = nil) throws {
        try logs.starting.withLock { _ in try startAlone(order, extra, lock) }
    }

    private func startAlone(_ order: InstallerOrder, _ extra: [RenderedFile], _ lock: [UInt8]?) throws {
        let place = path(order.node, order.run)
        let all = try processes.list()
        let others = try nodes().flatMap { node in try names("\(directory)/\(node)").map { path(node, $0) } }.filter { other in
            other != place && isAlive(other, among: all)
        }
        guard others.count < order.atOnce else {
            throw NixOSError.system("\(others.count) installations run already, and no more than \(order.atOnce) may")
        }
        try makePrivateDirectory("\(directory)/\(order.node)")
        if mkdir(place, 0o700) != 0 {
            guard errno == EEXIST else { throw NixOSError.system("could not make \(place): \(errnoText(errno))") }
            let sight = try look(order.node, order.run, among: processes.list())
            guard sight.state == .prepared else { throw NixOSError.system("the run \(order.run) was started before") }
            for name in ["extra", "flake", "bin"] { try? FileManager.default.removeItem(atPath: "\(place)/\(name)") }
        }
        try write(extra, below: place + "/extra")
        try write(order.flakeFiles, below: place + "/flake")
        if order.flake == nil { try addBinary(to: place + "/flake") }
        if let lock, order.flake == nil { try write([RenderedFile(path: "flake.lock", contents: lock)], below: place + "/flake") }
        var options = SSH.trustOptions(.installer(of: order.node, identity), knownHosts: "")
        if order.isInstaller {
            // nixos-anywhere tells ssh to believe any host key, before it says anything else: ours must come first.
            options = options.map { $0 == "StrictHostKeyChecking=accept-new" ? "StrictHostKeyChecking=yes" : $0 }
            try write([RenderedFile(path: "ssh", contents: Array(sshWrapper(options).utf8), mode: 0o700)], below: place + "/bin")
        }
        // The server makes the machines' network: while it starts again after a crash, nobody can connect, once a second (ssh_config(5)).
        options.append("ConnectionAttempts=8")
        let link = latestLog(order.node)
        try? FileManager.default.removeItem(atPath: link + ".new")
        try FileManager.default.createSymbolicLink(atPath: link + ".new", withDestinationPath: order.run + "/log")
        try moveOver(link + ".new", link)
        let arguments = order.arguments(directory: place, privateKeyFile: identity.privateKeyFile, sshOptions: options)
        let settings = order.images.isEmpty ? [] : ["env"] + order.images.flatMap(\.settings)
        let wrapper = try processes.spawn(
            Program("/bin/sh", ["-c", Self.wrapper, Self.wrapperName, place, order.makesLock ? "lock" : ""] + settings + [order.program] + arguments),
            output: nil)
        logs.started.withLock { $0[place] = wrapper }
    }

    /// Ends a run with all its processes.
    /// - Parameter force: SIGKILL, which nobody can put off; else SIGTERM.
    /// - Returns: false when it does not run.
    @discardableResult
    package func end(_ node: String, _ run: String, force: Bool) throws -> Bool {
        let place = path(node, run)
        var groups: Set<Int32> = []
        for process in try processes.list() where mentions(process, place) && groups.insert(process.group).inserted {
            try processes.signalGroup(of: process.identity, force ? SIGKILL : SIGTERM)
        }
        return !groups.isEmpty
    }

    /// Removes the directories of a node's runs, with the secrets in them; the runs must have ended.
    package func clear(_ node: String) throws {
        guard FileManager.default.fileExists(atPath: "\(directory)/\(node)") else { return }
        try FileManager.default.removeItem(atPath: "\(directory)/\(node)")
        logs.read.withLock { read in read = read.filter { !$0.key.hasPrefix("\(directory)/\(node)/") } }
    }

    /// Where a rendered flake has the program (`nix/package.nix`). It takes no room of its own where the data directory is on the
    /// same file system.
    private func addBinary(to flake: String) throws {
        guard let binary else { return }
        let place = flake + "/nix/bin"
        do {
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            if linkat(AT_FDCWD, binary, AT_FDCWD, place + "/plasma", AT_SYMLINK_FOLLOW) != 0 {
                // On another file system; or it was replaced since we were started.
                try Data(contentsOf: URL(filePath: binary), options: .alwaysMapped).write(to: URL(filePath: place + "/plasma"))
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place + "/plasma")
            }
        } catch {
            throw NixOSError.system("could not give the flake \(flake) the program \(binary): \(error.localizedDescription)")
        }
    }

    /// Removes what runs that have ended were given, but for their flakes' texts; their logs stay.
    package func forgetSecrets(_ node: String) throws {
        for run in try runs(of: node) where run.state != .running && run.state != .prepared {
            for given in ["extra", "flake/nix/bin"].map({ path(node, run.run) + "/" + $0 }) where FileManager.default.fileExists(atPath: given) {
                do { try FileManager.default.removeItem(atPath: given) } catch {
                    throw NixOSError.system("could not remove \(given), which holds secrets or copies: \(error.localizedDescription)")
                }
            }
        }
    }

    /// The lock of the newest run that succeeded with a flake of plasma's own, else of the newest that found one: what installs next
    /// is built from the same inputs.
    package func newestLock() throws -> [UInt8]? {
        var newest: (succeeded: Bool, at: Double, path: String)?
        for node in try nodes() {
            for run in try names("\(directory)/\(node)") {
                let (lock, succeeded) = (path(node, run) + "/flake/flake.lock", try exitCode(path(node, run)) == 0)
                guard let at = try modified(succeeded ? path(node, run) + "/exit" : lock), isWhole(lock) else { continue }
                if let newest, (succeeded ? 1 : 0, at) <= (newest.succeeded ? 1 : 0, newest.at) { continue }
                newest = (succeeded, at, lock)
            }
        }
        return newest.flatMap { FileManager.default.contents(atPath: $0.path).map { Array($0) } }
    }

    /// Why this very program cannot be what a node's package is made of; nil: it can. Looked at once.
    package func ownProgramProblem() -> String? {
        guard let binary else { return nil }
        return logs.programProblem.withLock { known in
            if let known { return known }
            let problem = NodeProgram.problem(ofFile: binary)
            known = .some(problem)
            return problem
        }
    }

    /// Nix writes it in place: what is half there is no JSON.
    private func isWhole(_ lock: String) -> Bool {
        FileManager.default.contents(atPath: lock).map { (try? JSONSerialization.jsonObject(with: $0)) != nil } ?? false
    }

    /// Whether the program can be started.
    package func canRun(_ program: String) async throws -> Bool {
        // The shell looks along the same PATH as the run will.
        try await processes.run(Program("/bin/sh", ["-c", "command -v -- \"$1\" >/dev/null", "sh", program]), limit: .seconds(10)).isSuccess
    }

    private static let wrapperName = "plasma-install"

    /// The installer's group leader. It waits for the installer whatever it is told, so that its end is written down;
    /// the installer itself hears SIGTERM as usual, and is not begun after one. `started` comes first: a run that has it may
    /// have touched the disks.
    private static let wrapper = """
        ended=
        trap 'ended=1' TERM INT HUP
        run=$1 lock=$2; shift 2
        : >"$run/started" || exit 1
        # The installer asks Nix to write no lock: without one, each node would be built from what is newest in that moment.
        if [ -n "$lock" ] && [ ! -e "$run/flake/flake.lock" ]; then
            nix --extra-experimental-features "nix-command flakes" flake lock "path:$run/flake" </dev/null >>"$run/log" 2>&1
        fi
        if [ -d "$run/bin" ]; then PLASMA_SSH=$(command -v ssh); export PLASMA_SSH; PATH=$run/bin:$PATH; export PATH; fi
        code=143
        if [ -z "$ended" ]; then
            "$@" </dev/null >>"$run/log" 2>&1
            code=$?
        fi
        printf '%s\\n' "$code" >"$run/exit.new" && mv "$run/exit.new" "$run/exit"
        """

    private func sshWrapper(_ options: [String]) -> String {
        let words = options.map { "-o '\($0.replacingOccurrences(of: "'", with: "'\\''"))'" }.joined(separator: " ")
        return "#!/bin/sh\nexec \"$PLASMA_SSH\" \(words) \"$@\"\n"
    }

    private func isAlive(_ place: String, among all: [ProcessSight]) -> Bool {
        let own = logs.started.withLock { $0[place] }
        return all.contains { $0.identity == own || mentions($0, place) }
    }

    private func mentions(_ process: ProcessSight, _ place: String) -> Bool {
        // The wrapper, or the installer that outlived it. Not a person who reads the log.
        process.commandLine.contains(place + "/extra")
            || process.commandLine.contains(Self.wrapperName) && process.commandLine.contains(place)
    }

    private func exitCode(_ place: String) throws -> Int? {
        let file = place + "/exit"
        guard let size = try fileStatus(file)?.st_size, size < 16 else { return nil }
        guard let data = FileManager.default.contents(atPath: file) else { throw NixOSError.system("could not read \(file)") }
        return Int(String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private func modified(_ path: String) throws -> Double? {
        try fileStatus(path).map { Double($0.st_mtim.tv_sec) + Double($0.st_mtim.tv_nsec) / 1e9 }
    }

    /// nil: there is no such file. What stands in the way of looking is an error: nothing follows from it.
    private func fileStatus(_ path: String) throws -> stat? {
        var status = stat()
        if stat(path, &status) == 0 { return status }
        guard errno == ENOENT else { throw NixOSError.system("could not look at \(path): \(errnoText(errno))") }
        return nil
    }

    private func write(_ files: [RenderedFile], below place: String) throws {
        // Directories come to the node as they are here; the run's own lets nobody in.
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        for file in files {
            let parts = file.path.split(separator: "/", omittingEmptySubsequences: false)
            precondition(!parts.contains("..") && !parts.contains(""), "\(file.path) leads out of its directory")
            let path = "\(place)/\(file.path)"
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o755])
            try writePrivately(file.contents, to: path, mode: file.mode)
        }
    }

    /// Reads what was added to the log since the last look.
    private func progress(of place: String, isOver: Bool) throws -> InstallerProgress {
        try logs.read.withLock { known in
            let path = place + "/log"
            guard let status = try fileStatus(path) else { return InstallerProgress() }
            var read = known[place] ?? Logs.Read(inode: UInt64(status.st_ino), offset: 0, progress: InstallerProgress())
            if read.inode != UInt64(status.st_ino) || read.offset > UInt64(status.st_size) {
                read = Logs.Read(inode: UInt64(status.st_ino), offset: 0, progress: InstallerProgress())
            }
            if read.offset < UInt64(status.st_size), let file = FileHandle(forReadingAtPath: path) {
                defer { try? file.close() }
                try file.seek(toOffset: read.offset)
                var left = Self.readMax
                while left > 0, let block = try file.read(upToCount: 256 << 10), !block.isEmpty {
                    read.progress.read(block)
                    read.offset += UInt64(block.count)
                    left -= block.count
                }
            }
            known[place] = read
            var progress = read.progress
            if isOver { progress.finish() }
            return progress
        }
    }
}
