import NIOCore

/// What a connection carries. Snapshots have one of their own, so that heartbeats never wait behind them.
enum Lane: UInt8, CaseIterable, Sendable {
    case raft = 0
    case bulk = 1
}

/// How each side of a connection introduces itself, after the byte of the frame's kind:
///
///      0  8  "plasmaP2"
///      8  8  highest version of the protocol that is spoken, and the only one so far
///     16  1  lane: 0 raft, 1 bulk
///     17  8  cluster id; 0 when it is not known yet
///     25  8  from: the member that speaks
///     33  8  to: the member that is meant
///     41  8  incarnation of the speaker's data
///     49  8  session: random, made at each start of the process
///     57     what later versions add is skipped
struct Greeting: Hashable, Sendable {
    static let version: UInt64 = 2
    static let payloadBytesMax = 1024
    private static let magic = Array("plasmaP2".utf8)

    var version = Greeting.version
    var lane: Lane
    var hello: PeerHello
    var session: UInt64

    init(lane: Lane, hello: PeerHello, session: UInt64) {
        self.lane = lane
        self.hello = hello
        self.session = session
    }

    /// Nil when it is none.
    init?(_ content: ByteBuffer) {
        var content = content
        guard content.readBytes(length: Self.magic.count) == Self.magic,
            let version: UInt64 = content.readInteger(endianness: .little),
            let lane = content.readInteger(as: UInt8.self).flatMap(Lane.init),
            let (cluster, from, to, incarnation, session) = content.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64, UInt64).self)
        else { return nil }
        hello = PeerHello(cluster: cluster, from: from, to: to, incarnation: incarnation)
        self.lane = lane
        self.session = session
        self.version = version
    }

    func write(to buffer: inout ByteBuffer) {
        buffer.writeBytes(Self.magic)
        buffer.writeInteger(version, endianness: .little)
        buffer.writeInteger(lane.rawValue)
        buffer.writeMultipleIntegers(hello.cluster, hello.from, hello.to, hello.incarnation, session, endianness: .little)
    }
}
