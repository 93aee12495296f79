import Chainfire
import Etcd
import NIOCore
import NIOPosix

/// `etcdserverpb.Watch`.
struct WatchService: Sendable {
    struct Options: Sendable {
        /// A watcher that asked for progress notices gets one when it was told nothing for so long (etcd
        /// `--experimental-watch-progress-notify-interval`).
        var progressInterval: Duration = .seconds(600)
        /// Above this a watcher that asked for it gets its events in several messages: etcd's largest request and the
        /// 512 KiB it allows for what is around it.
        var fragmentBytes = 1_572_864 + 512 * 1024
        /// Above this all do: protobuf has no messages of 2 GiB, but one revision may delete that much.
        var wholeBytesMax = 1 << 30
        /// Watchers of one stream.
        var watchersMax = 100_000
    }

    let store: Chainfire
    let options: Options

    func register(in endpoints: inout Endpoints) {
        endpoints.stream("/etcdserverpb.Watch/Watch", ["watch"]) { [store, options] sink in
            // Streams begin on their connection's loop; there everything about this one happens.
            let loop = MultiThreadedEventLoopGroup.currentEventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
            return WatchSession(store, sink, options, loop)
        }
    }
}
