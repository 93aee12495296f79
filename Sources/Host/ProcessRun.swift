import CHost
import Foundation
import Glibc
import Synchronization

extension SystemProcesses {
    package func run(_ program: Program, limit: Duration, outputMax: Int) async throws(ProcessError) -> ProgramResult {
        let run = ProgramRun(program, limit: limit, outputMax: outputMax)
        // A thread of its own: waiting for a program blocks, and the cooperative pool must not.
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiting: CheckedContinuation<Result<ProgramResult, ProcessError>, Never>) in
                Thread.detachNewThread { waiting.resume(returning: run.toItsEnd()) }
            }
        } onCancel: {
            run.cancel()
        }
        return try outcome.get()
    }

    package func spawn(_ program: Program, output: String?) throws(ProcessError) -> ProcessIdentity {
        precondition(program.standardInput.isEmpty, "a detached program is given no input")
        var log: Int32 = -1
        if let output {
            log = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard log >= 0 else {
                throw .couldNotStart(program: program.path, reason: "\(output) could not be opened: \(errnoText(errno))")
            }
        }
        defer { if log >= 0 { close(log) } }
        let pid = try start(program, input: -1, output: log, error: log, newSession: true)
        // Looked at before anyone reaps it: even if it has ended, its zombie still holds the pid.
        let stat = (try? readProc("/proc/\(pid)/stat")) ?? []
        let identity = ProcessIdentity(pid: pid, startTime: ProcessStatus(parsing: stat)?.startTime ?? 0)
        // Reaps it when it ends while we live, so that no zombie stays.
        Thread.detachNewThread { _ = chost_reap(pid, 1) }
        return identity
    }
}

extension ProgramResult.End {
    /// - Parameter code: as `chost_reap` gives it.
    fileprivate init(reaped code: Int32) { self = code >= 256 ? .signaled(code - 256) : .exited(code) }
}

extension SystemProcesses {
    /// Runs a program at this process's own terminal, such as an editor, to its end: it stays in our process group, which is the terminal's
    /// foreground, and what the terminal's keys signal meanwhile is for the program alone.
    package func runAtTerminal(_ program: Program) throws(ProcessError) -> ProgramResult.End {
        precondition(program.standardInput.isEmpty, "a program at the terminal reads the terminal")
        let before = [SIGINT, SIGQUIT].map { ($0, Glibc.signal($0, SIG_IGN)) }
        defer { for (number, handler) in before { _ = Glibc.signal(number, handler) } }
        let pid = try start(program, input: 0, output: 1, error: 2, newSession: false)
        return ProgramResult.End(reaped: chost_reap(pid, 1))
    }
}

/// Starts a program; descriptors of -1 become `/dev/null`.
private func start(_ program: Program, input: Int32, output: Int32, error: Int32, newSession: Bool) throws(ProcessError) -> Int32 {
    for text in [program.path] + program.arguments where text.utf8.contains(0) {
        throw .couldNotStart(program: program.path, reason: "an argument holds a NUL byte: \(text.debugDescription)")
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = ([program.path] + program.arguments).map { strdup($0) } + [nil]
    var environment: [UnsafeMutablePointer<CChar>?] =
        (program.environment ?? [:]).sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
    let path = strdup(program.path), directory = program.directory.flatMap { strdup($0) }
    defer { for text in arguments + environment + [path, directory] { free(text) } }
    let pid = arguments.withUnsafeMutableBufferPointer { arguments in
        environment.withUnsafeMutableBufferPointer { environment in
            var request = chost_spawn_request(
                path: path, arguments: arguments.baseAddress,
                environment: program.environment == nil ? nil : environment.baseAddress, directory: directory,
                standard_input: input, standard_output: output, standard_error: error, new_session: newSession ? 1 : 0)
            // Whoever forked while the program was being written holds it open for a moment, until its own program runs (execve(2)).
            for _ in 0..<20 {
                let pid = chost_spawn(&request)
                if pid != -ETXTBSY { return pid }
                usleep(10_000)
            }
            return chost_spawn(&request)
        }
    }
    guard pid > 0 else { throw .couldNotStart(program: program.path, reason: errnoText(-pid)) }
    return pid
}

/// One run of one program, on a thread of its own, from its start to its end.
private final class ProgramRun: Sendable {
    private let program: Program
    private let limit: Duration
    private let outputMax: Int
    private let isCancelled = Atomic(false)

    init(_ program: Program, limit: Duration, outputMax: Int) {
        self.program = program
        self.limit = limit
        self.outputMax = outputMax
    }

    /// Noticed by the loop below within a tenth of a second.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    func toItsEnd() -> Result<ProgramResult, ProcessError> {
        do throws(ProcessError) { return .success(try follow()) } catch { return .failure(error) }
    }

    private func follow() throws(ProcessError) -> ProgramResult {
        var input = try Pipe(for: program)
        var output = try Pipe(for: program)
        var error = try Pipe(for: program)
        let pid = try start(program, input: input.readEnd, output: output.writeEnd, error: error.writeEnd, newSession: false)
        input.closeReadEnd()
        output.closeWriteEnd()
        error.closeWriteEnd()
        for descriptor in [input.writeEnd, output.readEnd, error.readEnd] { makeNonBlocking(descriptor) }

        let deadline = ContinuousClock.now + limit
        var unsent = program.standardInput[...]
        var kept = (output: Kept(max: outputMax), error: Kept(max: outputMax))
        var stopped: ProcessError?
        var code: Int32 = -EAGAIN
        while code == -EAGAIN {
            if stopped == nil {
                if isCancelled.load(ordering: .relaxed) {
                    stopped = .cancelled(program: program.path)
                } else if ContinuousClock.now >= deadline {
                    stopped = .tookTooLong(program: program.path, limit: limit, output: "")
                }
                // Our own child, not yet reaped: the pid is certainly its.
                if stopped != nil { kill(pid, SIGKILL) }
            }
            if unsent.isEmpty { input.closeWriteEnd() }
            var wanted = [
                pollfd(fd: output.readEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: error.readEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input.writeEnd, events: Int16(POLLOUT), revents: 0),
            ]
            // Both outputs at their end: only the exit is left to wait for, so look for it often.
            poll(&wanted, nfds_t(wanted.count), output.readEnd < 0 && error.readEnd < 0 ? 10 : 100)
            if kept.output.take(from: output.readEnd) { output.closeReadEnd() }
            if kept.error.take(from: error.readEnd) { error.closeReadEnd() }
            send(&unsent, to: &input)
            code = chost_reap(pid, 0)
        }
        // What was written before the end; a grandchild that keeps the pipe open is not waited for.
        _ = kept.output.take(from: output.readEnd)
        _ = kept.error.take(from: error.readEnd)
        if case .tookTooLong(let program, let limit, _) = stopped {
            let words = String(decoding: (kept.error.bytes + kept.output.bytes).suffix(2000), as: UTF8.self)
            throw .tookTooLong(program: program, limit: limit, output: words)
        }
        if let stopped { throw stopped }
        guard code >= 0 else { throw .couldNotStart(program: program.path, reason: "its end was not seen: \(errnoText(-code))") }
        return ProgramResult(
            end: ProgramResult.End(reaped: code), standardOutput: kept.output.bytes,
            standardError: kept.error.bytes, isTruncated: kept.output.isTruncated || kept.error.isTruncated)
    }

    private func send(_ unsent: inout ArraySlice<UInt8>, to input: inout Pipe) {
        guard !unsent.isEmpty, input.writeEnd >= 0 else { return }
        let count = unsent.withUnsafeBytes { writeWithoutSignal(input.writeEnd, $0) }
        if count > 0 { unsent = unsent.dropFirst(count) }
        if count < 0 && errno != EAGAIN && errno != EINTR { unsent = [] }
    }
}

/// A program that closes its input early must not end us with SIGPIPE: blocked and taken back on this thread.
private func writeWithoutSignal(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    var pipeSignal = sigset_t(), before = sigset_t()
    sigemptyset(&pipeSignal)
    sigaddset(&pipeSignal, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &pipeSignal, &before)
    let count = write(descriptor, bytes.baseAddress, bytes.count)
    let code = errno
    if count < 0 && code == EPIPE {
        var none = timespec()
        sigtimedwait(&pipeSignal, nil, &none)
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    errno = code
    return count
}

private func makeNonBlocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
}

/// The beginning of what a program writes.
private struct Kept {
    var max: Int
    var bytes: [UInt8] = []
    var isTruncated = false

    init(max: Int) { self.max = max }

    /// Takes what is there, 4 MiB at most so that a program that never stops writing cannot hold us here.
    /// True at the end of the stream.
    mutating func take(from descriptor: Int32) -> Bool {
        guard descriptor >= 0 else { return false }
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        for _ in 0..<64 {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 { return errno != EAGAIN && errno != EINTR }
            if count == 0 { return true }
            let room = max - bytes.count
            bytes += chunk[..<Swift.min(count, room)]
            if count > room { isTruncated = true }
        }
        return false
    }
}

/// Both ends of a pipe, closed at the latest when it goes.
private struct Pipe: ~Copyable {
    private(set) var readEnd: Int32
    private(set) var writeEnd: Int32

    init(for program: Program) throws(ProcessError) {
        var ends: (Int32, Int32) = (-1, -1)
        let failure = withUnsafeMutableBytes(of: &ends) { chost_pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) }
        guard failure == 0 else {
            throw .couldNotStart(program: program.path, reason: "no pipe: \(errnoText(-failure))")
        }
        (readEnd, writeEnd) = ends
    }

    mutating func closeReadEnd() {
        if readEnd >= 0 { close(readEnd) }
        readEnd = -1
    }

    mutating func closeWriteEnd() {
        if writeEnd >= 0 { close(writeEnd) }
        writeEnd = -1
    }

    deinit {
        if readEnd >= 0 { close(readEnd) }
        if writeEnd >= 0 { close(writeEnd) }
    }
}
