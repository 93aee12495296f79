import Host

/// Decides how one file is sent to one client: what to send after each message and each tick, until it has all of it,
/// gives up or is given up on.
package struct TFTPSession: Sendable {
    package struct Step: Hashable, Sendable {
        package var send: [TFTPPacket] = []
        package var end: End?
    }

    package enum End: Hashable, Sendable {
        case complete
        /// The client's own words. UEFI firmware asks for the size first and ends that session so: it comes again.
        case refused(String)
        /// The client was not heard of any more.
        case silent
        /// It took longer than any client needs.
        case overdue
    }

    /// What is sent when the client is silent, and so often before it is given up.
    static let triesMax = 6
    static let lifetime = Duration.seconds(300)
    private static let windowMax = 64

    private let content: [UInt8]
    private let answer: [TFTPPacket.Option]
    private(set) var blockSize = 512
    private(set) var window = 1
    private(set) var timeout = Duration.seconds(1)
    /// Blocks that the client has; the first block is number 1, and numbers do not wrap here.
    private(set) var acknowledged = 0
    private(set) var isOpen: Bool
    private var tries = 1
    private var hasRepeated = false
    private var deadline: Instant
    private let started: Instant

    /// - Parameter blockSizeMax: what fits one frame.
    package init(_ request: TFTPPacket.Request, content: [UInt8], blockSizeMax: Int, now: Instant) {
        self.content = content
        started = now
        var answer: [TFTPPacket.Option] = []
        for option in request.options where !answer.contains(where: { $0.name == option.name }) {
            let value = Int(option.value)
            switch (option.name, value) {
            case ("blksize", let size?) where size >= 8:
                blockSize = min(size, max(8, blockSizeMax), 65464)
                answer.append(.init(name: "blksize", value: String(blockSize)))
            case ("windowsize", let size?) where (1...65535).contains(size):
                window = min(size, Self.windowMax)
                answer.append(.init(name: "windowsize", value: String(window)))
            case ("timeout", let seconds?) where (1...255).contains(seconds):
                timeout = .seconds(min(seconds, 10))
                // A server may not answer another value: it leaves the option out.
                if seconds <= 10 { answer.append(.init(name: "timeout", value: String(seconds))) }
            case ("tsize", _?): answer.append(.init(name: "tsize", value: String(content.count)))
            default: break
            }
        }
        self.answer = answer
        isOpen = answer.isEmpty
        deadline = now + timeout
    }

    /// The last block is shorter than the others, and may be empty.
    var blocks: Int { content.count / blockSize + 1 }

    package mutating func start() -> [TFTPPacket] { isOpen ? burst() : [.options(answer)] }

    package mutating func receive(_ packet: TFTPPacket, now: Instant) -> Step {
        switch packet {
        case .error(_, let message): return Step(end: .refused(message))
        case .acknowledge(let number): return acknowledge(number, now)
        // Its own request again, or nonsense: the clock decides.
        case .read, .write, .data, .options: return Step()
        }
    }

    private mutating func acknowledge(_ number: UInt16, _ now: Instant) -> Step {
        if !isOpen {
            guard number == 0 else { return Step() }
            isOpen = true
            renew(now)
            return Step(send: burst())
        }
        // Numbers wrap at 65536: it is the one that lies among the blocks that are under way.
        let progress = Int(number &- UInt16(truncatingIfNeeded: acknowledged))
        guard progress <= min(window, blocks - acknowledged) else { return Step() }
        if progress == 0 {
            // With windows it says that the first block of this one was lost. Without, answering would double every
            // block from here on (RFC 1123, 4.2.3.1).
            guard window > 1, !hasRepeated else { return Step() }
            hasRepeated = true
            return Step(send: burst())
        }
        acknowledged += progress
        renew(now)
        return acknowledged == blocks ? Step(end: .complete) : Step(send: burst())
    }

    package mutating func tick(now: Instant) -> Step {
        if now - started >= Self.lifetime { return Step(end: .overdue) }
        guard now >= deadline else { return Step() }
        guard tries < Self.triesMax else { return Step(end: .silent) }
        tries += 1
        deadline = now + timeout
        hasRepeated = false
        return Step(send: start())
    }

    private mutating func renew(_ now: Instant) {
        tries = 1
        hasRepeated = false
        deadline = now + timeout
    }

    private func burst() -> [TFTPPacket] {
        (acknowledged..<min(acknowledged + window, blocks)).map { block in
            let start = block * blockSize
            return .data(block: UInt16(truncatingIfNeeded: block + 1), Array(content[start..<min(start + blockSize, content.count)]))
        }
    }
}
