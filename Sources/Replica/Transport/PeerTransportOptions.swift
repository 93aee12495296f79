import NIOCore

/// How a `PeerTransport` listens, and its limits.
package struct PeerTransportOptions: Sendable {
    /// `::` takes both IPv6 and IPv4.
    package var listen: PeerAddress
    /// Nil: plain TCP, where whoever reaches the port may speak as a member. For labs on one machine.
    package var tls: TLSFiles?
    /// Common names or alternative names, one of which the other side's certificate must bear. Empty: a member's
    /// certificate must be valid for the host that it is dialled at, whichever side dials.
    package var allowedNames: [String] = []
    /// Largest frame that is taken, in bytes; it must hold an append with the largest command.
    package var frameBytesMax = 64 << 20
    /// Most bytes that wait for one member on one lane.
    package var queueBytesMax = 32 << 20
    /// … while there is no connection to it.
    package var queueBytesMaxUnconnected = 1 << 20
    /// What waited longer when a connection comes up is forgotten.
    package var waitMax = Duration.seconds(1)
    /// Most connections that have not introduced themselves; the oldest makes room.
    package var strangersMax = 64
    /// From the connection to the end of the introductions, TLS included.
    package var greetingTimeout = Duration.seconds(5)
    /// A connection with nothing to say says so this often, both ways.
    package var pingInterval = Duration.milliseconds(500)
    /// A connection that brought nothing for so many ping intervals, while this process ran, is broken.
    package var silentIntervalsMax = 6
    package var dialTimeout = Duration.seconds(2)
    package var redialMin = Duration.milliseconds(50)
    package var redialMax = Duration.seconds(1)
    /// How often the certificate's files are looked at.
    package var reloadInterval = Duration.seconds(1)
    /// A connection for snapshots is closed after so long without one.
    package var bulkIdleMax = Duration.seconds(30)

    package init(listen: PeerAddress, tls: TLSFiles? = nil) {
        self.listen = listen
        self.tls = tls
    }
}
