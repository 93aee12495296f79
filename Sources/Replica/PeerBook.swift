import Bytes
import Host
import Synchronization

/// Who this member is, and with which disks the others came: the same member with another disk has forgotten what it
/// promised, and is not let in. Kept in the file `identity` (mode 0600):
///
///      0  8  "PLASMAID"
///      8  8  the group's number
///     16  8  this member's number
///     24  8  the incarnation of its data directory, random
///     32  …  for each other member that was met, or that the group told of: its number (8), its incarnation (8)
///      n  4  crc32c of all before
///
/// All numbers little-endian. Beside it lies `disowned` once another member has said that this disk is not the one it knows
/// this member with:
///
///      0  8  "PLASMADO"
///      8  8  the incarnation of this disk
///     16  8  the one that is known
///     24  8  how many voters there are; 0: that is not known
///     32  4  crc32c of all before
package final class PeerBook: Sendable {
    private struct State {
        var identity: PeerIdentity
        /// Sorted by member.
        var known: [(member: UInt64, incarnation: UInt64)] = []
        /// What the group says of members that came here with another disk.
        var contradicted: [UInt64: UInt64] = [:]
        /// Members no longer, as the group says.
        var removed: Set<UInt64> = []
        /// As far as is known here; 0: not at all.
        var voters = 0
        /// What was learned is in the file.
        var isSaved = true
        /// The group knows this member with this disk.
        var isAgreed = false

        func place(of member: UInt64) -> (index: Int, isTaken: Bool) {
            let at = known.firstIndex { $0.member >= member } ?? known.endIndex
            return (at, at < known.endIndex && known[at].member == member)
        }
    }

    /// More than any group has had; the book must not grow with whatever numbers come.
    private static let knownMax = 4096

    private let state: Mutex<State>
    private let file: SmallFile
    private let disowned: SmallFile

    /// Reads the book in `directory` (made when missing), or begins one.
    /// - Parameters:
    ///   - cluster: 0 when it is not known; then the one in the book counts.
    ///   - incarnation: for a new book; random.
    /// - Throws: `.mismatch` when the directory is another member's or another group's, or its disk was disowned.
    package static func open(
        _ directory: String, disk: any Disk, cluster: UInt64, member: UInt64, incarnation: UInt64 = .random(in: 1 ... .max)
    ) throws(ReplicaError) -> PeerBook {
        try translating { () throws(DiskError) in try disk.makeDirectory(directory) }
        let file = SmallFile("identity", in: directory, magic: "PLASMAID", disk: disk)
        let disowned = SmallFile("disowned", in: directory, magic: "PLASMADO", disk: disk)
        var state = State(identity: PeerIdentity(cluster: cluster, member: member, incarnation: incarnation))
        if let content = try file.read() {
            var reader = ByteReader(content)
            let numbers = (0..<content.count / 8).compactMap { _ in reader.read(UInt64.self) }
            guard numbers.count >= 3, numbers.count % 2 == 1 else {
                throw .corrupt(file: file.path, offset: 8, "it has a format that this version of plasma does not know")
            }
            guard numbers[1] == member else {
                throw .mismatch(
                    "\(file.path) is of member \(hex(numbers[1])), not of \(hex(member)): "
                        + "start each member with its own directory, or join with an empty one")
            }
            guard numbers[0] == cluster || cluster == 0 || numbers[0] == 0 else {
                throw .mismatch(
                    "\(file.path) is of cluster \(hex(numbers[0])), not of \(hex(cluster)): "
                        + "start it with its own cluster's settings, or join with an empty directory")
            }
            state.identity = PeerIdentity(cluster: max(numbers[0], cluster), member: member, incarnation: numbers[2])
            for at in stride(from: 3, to: numbers.count, by: 2) { state.known.append((numbers[at], numbers[at + 1])) }
            if let refusal = try disowning(disowned, of: state.identity) { throw Self.end(refusal) }
            if state.identity.cluster == numbers[0] { return PeerBook(state, file, disowned) }
        }
        let book = PeerBook(state, file, disowned)
        try file.write(encoded(state))
        return book
    }

    /// What is wrong with the book in a directory, for a person; nil: nothing, or there is none, as of one who never had others.
    package static func check(_ directory: String, disk: any Disk, member: UInt64?) -> String? {
        let file = SmallFile("identity", in: directory, magic: "PLASMAID", disk: disk)
        do throws(ReplicaError) {
            guard let content = try file.read() else { return nil }
            var reader = ByteReader(content)
            guard reader.read(UInt64.self) != nil, let own = reader.read(UInt64.self), let incarnation = reader.read(UInt64.self), content.count % 16 == 8 else {
                return "\(file.path) has a format that this version of plasma does not know"
            }
            if let member, own != member { return "\(file.path) is of member \(hex(own)), not of \(hex(member))" }
            let identity = PeerIdentity(cluster: 0, member: own, incarnation: incarnation)
            let disowned = SmallFile("disowned", in: directory, magic: "PLASMADO", disk: disk)
            return try disowning(disowned, of: identity).map { "\(end($0))" }
        } catch {
            return "\(error)"
        }
    }

    private init(_ state: consuming State, _ file: SmallFile, _ disowned: SmallFile) {
        self.state = Mutex(state)
        self.file = file
        self.disowned = disowned
    }

    private static func disowning(_ file: SmallFile, of own: PeerIdentity) throws(ReplicaError) -> PeerRefusal? {
        guard let content = try file.read() else { return nil }
        var reader = ByteReader(content)
        // A disk that was brought back from a backup of before is another.
        guard reader.read(UInt64.self) == own.incarnation, let known = reader.read(UInt64.self), let voters = reader.read(UInt64.self)
        else { return nil }
        return .incarnation(member: own.member, known: known, theirs: own.incarnation, voters: Int(clamping: voters))
    }

    private static func end(_ refusal: PeerRefusal) -> ReplicaError {
        .mismatch("""
            this disk is not the one that the others know this member with, so it takes no part: \(refusal). Where no majority has \
            its disks any more, take a snapshot from a member that has (or, where it does not run, its state.db and state.db-wal) and restore it as a new cluster: \
            plasma chainfire snapshot restore (for a state.db: --skip-hash-check). Where this cluster never held anything, empty the directories of all members, this one's too
            """)
    }

    package var identity: PeerIdentity { state.withLock { $0.identity } }

    /// Whether to talk with who says so of itself; nil: yes. A member that was never met is remembered durably
    /// before the answer, so this may block on the disk.
    package func admit(_ hello: PeerHello) -> PeerRefusal? {
        state.withLock { state in
            let own = state.identity
            if hello.cluster != 0, own.cluster != 0, hello.cluster != own.cluster {
                return .cluster(theirs: hello.cluster, ours: own.cluster)
            }
            if hello.to != own.member { return .wrongMember(wanted: hello.to, here: own.member) }
            if hello.from == own.member { return .other("member \(Self.hex(own.member)) is this one; two of them run") }
            if state.removed.contains(hello.from) { return .removed(member: hello.from) }
            let (at, isKnown) = state.place(of: hello.from)
            if isKnown {
                let met = state.known[at].incarnation
                // Where the group says otherwise, neither disk is let in.
                let known = met == hello.incarnation ? state.contradicted[hello.from] ?? met : met
                return known == hello.incarnation
                    ? nil
                    : .incarnation(member: hello.from, known: known, theirs: hello.incarnation, voters: state.voters)
            }
            guard state.known.count < Self.knownMax else { return .other("too many members were met already") }
            state.known.insert((hello.from, hello.incarnation), at: at)
            do throws(ReplicaError) { try file.write(Self.encoded(state)) } catch {
                state.known.remove(at: at)
                return .other("member \(Self.hex(hello.from)) could not be remembered: \(error)")
            }
            state.isSaved = true
            return nil
        }
    }

    /// Takes in with which disks the members vote, as the group has agreed on it. Whom this member has met it knows already,
    /// and goes on knowing so; of the others it will let in that disk alone. May block on the disk; what could not be
    /// written is known all the same until this member ends, and is told again when it starts.
    /// - Parameters:
    ///   - incarnations: by member; 0: nobody knows yet.
    ///   - removed: who is a member no longer.
    ///   - voters: how many there are, for the text of a refusal.
    /// - Returns: of whom the group says otherwise than this book, each told once; and why the book could not be written.
    package func learn(_ incarnations: [UInt64: UInt64], removed: Set<UInt64> = [], voters: Int) -> (contradictions: [PeerRefusal], trouble: ReplicaError?) {
        state.withLock { state in
            (state.voters, state.removed) = (voters, removed)
            if incarnations[state.identity.member] == state.identity.incarnation { state.isAgreed = true }
            var contradictions: [PeerRefusal] = []
            for (member, incarnation) in incarnations.sorted(by: { $0.key < $1.key })
            where member != state.identity.member && incarnation != 0 {
                let (at, isKnown) = state.place(of: member)
                if !isKnown {
                    state.known.insert((member, incarnation), at: at)
                    state.isSaved = false
                } else if case let met = state.known[at].incarnation, met != incarnation,
                    state.contradicted.updateValue(incarnation, forKey: member) != incarnation
                {
                    contradictions.append(.incarnation(member: member, known: incarnation, theirs: met, voters: voters))
                }
            }
            guard !state.isSaved else { return (contradictions, nil) }
            do throws(ReplicaError) { try file.write(Self.encoded(state)) } catch { return (contradictions, error) }
            state.isSaved = true
            return (contradictions, nil)
        }
    }

    /// Takes in why another member will not have this one. Who has another disk than that one knows must not vote, with nobody: a
    /// majority of such members would begin the group again, and what it had acknowledged would be lost. Only a disk that the group
    /// itself has agreed on is not disowned by one member that met another. May block on the disk.
    /// Who was let in by a group of such members, while the others were not reached, has been agreed on as well: it is too late then.
    /// - Returns: why this member must end, now and whenever it starts again with this disk; nil: it need not.
    package func refused(_ refusal: PeerRefusal) -> ReplicaError? {
        state.withLock { state in
            let own = state.identity
            if case .removed(own.member) = refusal { return .mismatch(refusal.endsThisMember) }
            guard case .incarnation(own.member, let known, own.incarnation, let voters) = refusal, known != own.incarnation, !state.isAgreed
            else { return nil }
            var writer = ByteWriter()
            for number in [own.incarnation, known, UInt64(clamping: voters)] { writer.write(number) }
            // What cannot be written is found out anew by the next start.
            try? disowned.write(writer.bytes)
            return Self.end(refusal)
        }
    }

    /// A member that joined an existing group learns its number.
    package func setCluster(_ cluster: UInt64) throws(ReplicaError) {
        let result = state.withLock { state -> Result<Void, ReplicaError> in
            guard state.identity.cluster != cluster else { return .success(()) }
            state.identity.cluster = cluster
            do throws(ReplicaError) { return .success(try file.write(Self.encoded(state))) } catch { return .failure(error) }
        }
        try result.get()
    }

    private static func encoded(_ state: State) -> [UInt8] {
        var writer = ByteWriter()
        for number in [state.identity.cluster, state.identity.member, state.identity.incarnation] { writer.write(number) }
        for (member, incarnation) in state.known {
            writer.write(member)
            writer.write(incarnation)
        }
        return writer.bytes
    }

    private static func hex(_ number: UInt64) -> String { String(number, radix: 16) }
}
