/// What carries messages between members. It may lose, delay and drop them, and never invents, changes or
/// repeats one; those from one member to another arrive in the order in which they were sent.
package protocol Transport: Sendable {
    /// Begins to speak and to listen. Called once.
    /// - Parameters:
    ///   - identity: what the others are told of this member.
    ///   - admit: asked of every other side that has introduced itself, before a message of its is taken; nil lets
    ///     it in. Called on a thread that may block, so that a new incarnation can be made durable first.
    ///   - met: the connection to this member came up: both sides let the other in. On the transport's thread: must not block.
    ///   - receive: what one read brought, in order, all from one member. Called on the transport's thread: must
    ///     not block.
    ///   - refused: why another side will not have this member. On the thread that may block.
    ///   - lost: the connection to this member broke, told once per break. Must not block either.
    func start(
        _ identity: PeerIdentity, admit: @escaping @Sendable (PeerHello) -> PeerRefusal?,
        refused: @escaping @Sendable (PeerRefusal) -> Void, met: @escaping @Sendable (UInt64) -> Void,
        receive: @escaping @Sendable ([PeerMessage]) -> Void, lost: @escaping @Sendable (UInt64) -> Void)

    /// Never blocks. What cannot leave soon is dropped, and Raft sends it again.
    func send(_ messages: [PeerMessage])

    /// Whether this member and that one have a connection now.
    func isConnected(to member: UInt64) -> Bool

    /// Everybody else that messages are for; connections to members that are no longer named are closed, and that
    /// is no loss to speak of. May be called before `start`.
    func setPeers(_ peers: [Peer])

    /// Closes all connections with this member, which is a break as any other; when it or we dial again, `admit` is asked
    /// anew. Never blocks. Who was let in before the call is not spoken with after it took effect.
    func disconnect(_ member: UInt64)

    /// Closes everything; nothing is called any more when it has returned.
    func stop()
}
