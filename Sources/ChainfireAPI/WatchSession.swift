import Chainfire
import Etcd
import GRPC
import NIOCore
import Store
import Synchronization

/// One watch stream: what the client asks goes to `WatchStreamState`, which lives on the connection's event loop;
/// watchers of the store only leave word here that they have something, from any thread.
final class WatchSession: Session, WatchListener {
    private struct Signals {
        var ready: [UInt64] = []
        var isWoken = false
    }

    private let loop: any EventLoop
    private let sink: any Sink
    private let state: NIOLoopBoundBox<WatchStreamState>
    private let signals = Mutex(Signals())

    init(_ store: Chainfire, _ sink: any Sink, _ options: WatchService.Options, _ loop: any EventLoop) {
        self.loop = loop
        self.sink = sink
        state = .makeBoxSendingValue(WatchStreamState(store, sink, options), eventLoop: loop)
    }

    func receive(_ request: Etcdserverpb_WatchRequest) {
        onLoop { session in
            switch request.requestUnion {
            case .createRequest(let create): session.state.value.create(create, listener: session)
            case .cancelRequest(let cancel): session.state.value.cancel(cancel.watchID)
            case .progressRequest: session.state.value.wantProgress()
            // As etcd: a message that says nothing is passed over.
            case nil: return
            }
            session.startProgress()
            session.pump()
        }
    }

    /// A client that sends nothing more still reads.
    func halfClose() {}

    func cancel() { onLoop { $0.state.value.close() } }

    private func onLoop(_ body: @escaping @Sendable (WatchSession) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }

    /// From any thread: only leaves word.
    func ready(_ tags: [UInt64]) {
        let wakes = signals.withLock { signals in
            if signals.ready.isEmpty { signals.ready = tags } else { signals.ready += tags }
            defer { signals.isWoken = true }
            return !signals.isWoken
        }
        if wakes { loop.execute { self.pump() } }
    }

    /// Sends what there is as long as the reader takes it; a slow one costs the store nothing but its positions.
    private func pump() {
        let ready = signals.withLock { signals in
            defer { signals = Signals() }
            return signals.ready
        }
        let pumped = state.value.pump(ready)
        // Its readers begin while this loop serves the next stream. Not within the pump: a write that fails ends the stream, and with it its state.
        sink.flush()
        if pumped == .blocked {
            state.value.whenWritable { [weak self] in
                guard let self else { return }
                // Not at once: this may be called while the pump still runs.
                self.loop.execute {
                    self.state.value.waitsForReader = false
                    self.pump()
                }
            }
        }
    }

    private func startProgress() {
        guard let interval = state.value.takeProgressInterval() else { return }
        let amount = TimeAmount(interval)
        let task = loop.scheduleRepeatedTask(initialDelay: amount, delay: amount) { [weak self] task in
            guard let self, self.state.value.isOpen else { return task.cancel() }
            self.state.value.notifyProgress()
        }
        state.value.progressTask = task
    }
}
