import GRPC
import Store

/// Runs what cannot be answered at once: calls that wait, and rare calls that are written as async code.
/// Everything under way is cancelled and awaited when the server ends.
final class Errands: Sendable {
    /// One errand under way. Cancelling it cancels its task; the errand still answers.
    final class Handle: Sendable {
        fileprivate let cancelled: AsyncStream<Never>
        private let end: AsyncStream<Never>.Continuation

        fileprivate init() { (cancelled, end) = AsyncStream.makeStream() }

        func cancel() { end.finish() }
    }

    private struct Errand: Sendable {
        var handle: Handle
        var body: @Sendable () async -> Void
    }

    private let errands: AsyncStream<Errand>
    private let arrivals: AsyncStream<Errand>.Continuation

    init() { (errands, arrivals) = AsyncStream.makeStream() }

    /// - Returns: nil when the server ends: nothing begins any more.
    @discardableResult
    func run(_ body: @escaping @Sendable () async -> Void) -> Handle? {
        let handle = Handle()
        guard case .enqueued = arrivals.yield(Errand(handle: handle, body: body)) else { return nil }
        return handle
    }

    /// Serves until its task is cancelled; returns when every errand has ended.
    func serve() async {
        await withDiscardingTaskGroup { group in
            for await errand in errands {
                group.addTask {
                    await withTaskGroup(of: Void.self) { both in
                        both.addTask { await errand.body() }
                        both.addTask { for await _ in errand.handle.cancelled {} }
                        await both.next()
                        both.cancelAll()
                    }
                }
            }
            arrivals.finish()
            group.cancelAll()
        }
    }
}

extension Errands {
    /// Answers with what `body` returns, or with the status of what it throws.
    func answer<Message>(_ answer: @escaping Answer<Message>, _ body: @escaping @Sendable () async throws -> Message) {
        let begun = run {
            do {
                answer(.success(try await body()))
            } catch {
                answer(.failure(GRPCStatus(error)))
            }
        }
        if begun == nil { answer(.failure(.stopped)) }
    }
}
