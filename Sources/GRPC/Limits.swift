/// What one port allows.
package struct Limits: Sendable {
    /// The largest message taken: etcd's 1.5 MiB and the 512 KiB it allows for what is around them.
    package var receiveBytesMax = 2 << 20
    /// The largest body of an HTTP/1.1 request.
    package var bodyBytesMax = 2 << 20
    package var connectionsMax = 20_000
    /// Calls at once on one connection. Thousands may wait for a lock, and one more is to let it go.
    package var streamsMax = 32_768
    /// How much a client may send ahead: of one stream, of all of a connection.
    package var streamWindowBytes = 1 << 20
    package var connectionWindowBytes = 8 << 20
    /// Above this, a connection's calls are not writable.
    package var congestedBytes = 8 << 20
    /// Above this (its largest message not counted) a connection whose client takes next to nothing within `overfullMax` is closed.
    package var unsentBytesMax = 64 << 20
    package var overfullMax: Duration = .seconds(10)
    /// A connection with too much waiting whose client takes nothing for so long is closed.
    package var stalledMax: Duration = .seconds(60)
    /// What waits for all clients together. Above half of it nobody who is behind is given more; above it new calls of those for whom
    /// something waits are refused with `overloaded`, and whoever takes next to nothing for some seconds is closed.
    package var unsentBytesOfAllMax = 256 << 20
    /// Requests that are not whole yet, of one connection, and of all together.
    package var incompleteBytesMax = 32 << 20
    package var incompleteBytesOfAllMax = 256 << 20
    package var overloaded = GRPCStatus(.resourceExhausted, "too much waits to be sent; try again later")
    /// What comes in the place of an answer that is not given for that: the call was carried out, perhaps.
    package var unanswered = GRPCStatus(.unavailable, "too much waits to be sent; whether it was carried out is not known")
    /// From the first byte of a connection, or of a request, to the end of its headers.
    package var headersWithin: Duration = .seconds(10)
    /// An HTTP/1.1 connection without a request is closed then.
    package var idleMax: Duration = .seconds(120)
    /// How long `stop` waits for calls to end.
    package var stopWithin: Duration = .seconds(5)
    /// What streaming calls are ended with when the server stops.
    package var stopping = GRPCStatus(.unavailable, "server is stopping")

    package init() {}
}
