import Resource

/// A kind with its three parts, before its type is erased for the daemon.
package struct Loop<P: Planner>: Sendable {
    package var observer: any Observer<P>
    /// nil in a diff: there is nothing to change the world with.
    package var performer: (any Performer<P>)?
    /// Names of objects to look at now, told by the driver: a process that died, a lease that came.
    package var wakes: (@Sendable () -> AsyncStream<String>)?
    /// How long an object that is at rest goes unseen.
    package var interval: Duration

    package init(
        observer: any Observer<P>, performer: (any Performer<P>)? = nil, wakes: (@Sendable () -> AsyncStream<String>)? = nil,
        interval: Duration = .seconds(10)
    ) {
        self.observer = observer
        self.performer = performer
        self.wakes = wakes
        self.interval = interval
    }
}
