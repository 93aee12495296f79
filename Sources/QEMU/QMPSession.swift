/// One conversation with QEMU's monitor: bytes in, effects out.
///
/// It starts with QEMU's greeting, which is answered with `qmp_capabilities`; commands asked for earlier wait
/// until that is granted. Each command carries an id, so replies may come in any order between events
/// (QMP specification, sections 2.2 to 2.5). After `broken` nothing more comes out.
struct QMPSession: Sendable {
    enum Effect: Hashable, Sendable {
        case send([UInt8])
        /// The handshake is done; QEMU's version as "7.2.22".
        case ready(version: String)
        case reply(id: UInt64, QMPValue)
        case refused(id: UInt64, class: String, description: String)
        case event(QMPEvent)
        case broken(QMPProblem)
    }

    private enum Phase { case greeting, handshake(version: String), ready, broken }

    /// Bytes of one message; query-block of a machine with many disks takes some ten thousand.
    static let messageMax = 1 << 20
    /// Commands without a reply at one time.
    static let outstandingMax = 64
    private static let handshakeID: UInt64 = 0

    private var phase = Phase.greeting
    private var partial: [UInt8] = []
    private var nextID: UInt64 = 1
    private var outstanding: Set<UInt64> = []
    private var held: [[UInt8]] = []

    init() {}

    /// - Returns: the id its reply will carry, or `nil` when no command can be taken: the conversation is
    ///   broken, or too many are without a reply.
    mutating func execute(_ command: String, _ arguments: QMPValue? = nil) -> (id: UInt64, effects: [Effect])? {
        if case .broken = phase { return nil }
        guard outstanding.count < Self.outstandingMax,
            let line = Self.message(command, arguments, id: nextID)
        else { return nil }
        let id = nextID
        nextID += 1
        outstanding.insert(id)
        if case .ready = phase { return (id, [.send(line)]) }
        held.append(line)
        return (id, [])
    }

    mutating func receive(_ bytes: some Collection<UInt8>) -> [Effect] {
        var effects: [Effect] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            if case .broken = phase { return effects }
            let end = rest.firstIndex(of: UInt8(ascii: "\n"))
            let piece = rest[..<(end ?? rest.endIndex)]
            guard partial.count + piece.count <= Self.messageMax else {
                return effects + fail(.oversized(bytesMax: Self.messageMax))
            }
            partial += piece
            guard let end else { break }
            rest = rest[rest.index(after: end)...]
            let line = partial
            partial = []
            if line.contains(where: { !Self.isSpace($0) }) { effects += take(line) }
        }
        return effects
    }

    private mutating func take(_ line: [UInt8]) -> [Effect] {
        guard let message = QMPValue(parsing: line), case .object = message else { return fail(.malformed(Self.excerpt(line))) }
        if let greeting = message["QMP"] {
            guard case .greeting = phase else { return fail(.unexpected(Self.excerpt(line))) }
            phase = .handshake(version: Self.version(greeting))
            guard let answer = Self.message("qmp_capabilities", nil, id: Self.handshakeID) else {
                preconditionFailure("a constant message cannot be written")
            }
            return [.send(answer)]
        }
        if message["event"] != nil {
            guard let event = QMPEvent(message) else { return fail(.malformed(Self.excerpt(line))) }
            return [.event(event)]
        }
        let id = message["id"]?.integer.flatMap(UInt64.init(exactly:))
        switch (phase, message["return"], message["error"]) {
        case (.handshake(let version), .some, nil) where id == Self.handshakeID:
            phase = .ready
            defer { held = [] }
            return [.ready(version: version)] + held.map { .send($0) }
        case (.handshake, nil, let error?) where id == Self.handshakeID:
            return fail(.handshakeRefused(error["desc"]?.string ?? Self.excerpt(line)))
        case (.ready, let value?, nil):
            guard let id, outstanding.remove(id) != nil else { return fail(.unexpected(Self.excerpt(line))) }
            return [.reply(id: id, value)]
        case (.ready, nil, let error?):
            guard let id, outstanding.remove(id) != nil else { return fail(.unexpected(Self.excerpt(line))) }
            return [.refused(
                id: id, class: error["class"]?.string ?? "GenericError", description: error["desc"]?.string ?? "no reason given")]
        default:
            return fail(.unexpected(Self.excerpt(line)))
        }
    }

    private mutating func fail(_ problem: QMPProblem) -> [Effect] {
        phase = .broken
        partial = []
        held = []
        outstanding = []
        return [.broken(problem)]
    }

    private static func message(_ command: String, _ arguments: QMPValue?, id: UInt64) -> [UInt8]? {
        var members: [String: QMPValue] = ["execute": .string(command), "id": .integer(Int64(id))]
        if let arguments { members["arguments"] = arguments }
        return QMPValue.object(members).encoded.map { $0 + [UInt8(ascii: "\n")] }
    }

    private static func version(_ greeting: QMPValue) -> String {
        let numbers = greeting["version"]?["qemu"]
        let parts = ["major", "minor", "micro"].compactMap { numbers?[$0]?.integer }
        return parts.count == 3 ? parts.map(String.init).joined(separator: ".") : "unknown"
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0D || byte == 0x09 }

    private static func excerpt(_ line: [UInt8]) -> String { String(decoding: line.prefix(120), as: UTF8.self) }
}

/// Why a conversation cannot go on.
enum QMPProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case oversized(bytesMax: Int)
    case malformed(String)
    /// Well-formed, but not what can come at this point.
    case unexpected(String)
    case handshakeRefused(String)

    var description: String {
        switch self {
        case .oversized(let bytesMax): "a QMP message is longer than \(bytesMax) bytes"
        case .malformed(let excerpt): "not a QMP message: \(excerpt.debugDescription)"
        case .unexpected(let excerpt): "an unexpected QMP message: \(excerpt.debugDescription)"
        case .handshakeRefused(let why): "QEMU refused qmp_capabilities: \(why)"
        }
    }
}

/// An event of QEMU: its name ("SHUTDOWN", "POWERDOWN", …) and data.
struct QMPEvent: Hashable, Sendable {
    var name: String
    var data: QMPValue

    init?(_ message: QMPValue) {
        guard let name = message["event"]?.string else { return nil }
        self.name = name
        self.data = message["data"] ?? .object([:])
    }

    /// What it means for the machine (QEMU QMP reference, "VM run state" and "System control").
    var kind: MachineEvent.Kind {
        let byGuest = data["guest"]?.bool ?? false
        return switch name {
        case "SHUTDOWN": .shutdown(byGuest: byGuest, reason: data["reason"]?.string ?? "unknown")
        case "RESET": .reset(byGuest: byGuest)
        case "POWERDOWN": .powerDown
        case "STOP": .stop
        case "RESUME": .resume
        default: .other(name)
        }
    }
}
