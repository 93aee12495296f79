import Bytes
import Host
import Raft

/// A damaged log of a member that has peers: it is set aside as a whole, and the member begins an empty one as one
/// that has forgotten what it acknowledged. Until its leader has caught it up to an index that it learnt afterwards
/// it grants no vote and does not campaign (`Raft.Options.isRepairing`).
///
/// That is safe because every entry it acknowledged and lost is committed only if others hold it who, together,
/// meet every majority that elects without this member; and it begins in a later term than any that it can read of, so no vote is given
/// twice. Where no header of a segment can be read nothing tells the term: then nothing is set aside, and the member is to be replaced.
///
/// The file `recovering` says so across crashes:
///
///      0  8  "PLASMARE"
///      8  8  1: segments are being moved away; 2: the new log was begun
///     16  8  the term that it begins in: one after the highest that anything readable of the old log speaks of
///     24  4  crc32c of all before
struct Repair: Sendable {
    private let directory: String
    private let disk: any Disk
    private let file: SmallFile

    init(_ directory: String, disk: any Disk) {
        self.directory = directory
        self.disk = disk
        file = SmallFile("recovering", in: directory, magic: "PLASMARE", disk: disk)
    }

    enum State: Hashable {
        case none
        /// The log must be set aside, again if need be.
        case moving(term: UInt64)
        case recovering
    }

    func state() throws(ReplicaError) -> State {
        guard let content = try file.read() else { return .none }
        var reader = ByteReader(content)
        guard let phase = reader.read(UInt64.self), let term = reader.read(UInt64.self), phase == 1 || phase == 2 else {
            throw .corrupt(file: file.path, offset: 8, "it has a format that this version of plasma does not know")
        }
        return phase == 1 ? .moving(term: term) : .recovering
    }

    /// Moves all segments to a new directory beside them. Answers the term that the new log must begin with.
    func setAside() throws(ReplicaError) -> UInt64 {
        var term: UInt64
        if case .moving(let known) = try state() { term = known } else {
            // What is damaged may have held a later term, and whom this member voted for in it: what it says from now on is said after that.
            term = try highestTerm() + 1
            try write(phase: 1, term: term)
        }
        let names = try translating { () throws(DiskError) in try disk.list(directory) }
        let segments = names.filter { SegmentHeader.sequence(of: $0) != nil }
        guard !segments.isEmpty else { return term }
        var number = 1
        while try isTaken("damaged-\(number)") { number += 1 }
        let aside = "\(directory)/damaged-\(number)"
        try translating { () throws(DiskError) in
            try disk.makeDirectory(aside)
            for name in segments { try disk.rename("\(directory)/\(name)", to: "\(aside)/\(name)") }
            try disk.syncDirectory(aside)
            try disk.syncDirectory(directory)
        }
        return term
    }

    func begun(term: UInt64) throws(ReplicaError) { try write(phase: 2, term: term) }

    func finish() throws(ReplicaError) { try file.remove() }

    private func write(phase: UInt64, term: UInt64) throws(ReplicaError) {
        var writer = ByteWriter()
        writer.write(phase)
        writer.write(term)
        try file.write(writer.bytes)
    }

    private func isTaken(_ name: String) throws(ReplicaError) -> Bool {
        do throws(DiskError) { return try !disk.list("\(directory)/\(name)").isEmpty } catch .missing { return false } catch {
            throw ReplicaError(error)
        }
    }

    /// Every header that can be read counts, wherever it lies.
    private func highestTerm() throws(ReplicaError) -> UInt64 {
        let names = try translating { () throws(DiskError) in try disk.list(directory) }
        let segments = names.compactMap { name in SegmentHeader.sequence(of: name).map { (name, $0) } }
        var term: UInt64 = 0
        var log: UInt64?
        // Twice: a segment whose own header is damaged has the seed of the others' log.
        for _ in 0..<2 {
            for (name, sequence) in segments {
                let bytes = try translating { () throws(DiskError) in
                    let file = try disk.open("\(directory)/\(name)", .read)
                    return try file.read(at: 0, count: Int(file.size()))
                }
                if let header = (try? SegmentHeader.read(bytes)) {
                    log = header.log
                    term = max(term, header.hardState.term, header.previous.term)
                }
                guard let log else { continue }
                let seed = SegmentHeader(
                    log: log, sequence: sequence, previous: .start, previousEnd: 0, hardState: HardState()).seed
                var at = SegmentHeader.size
                while at + RecordHeader.size <= bytes.count {
                    if let record = RecordHeader.read(bytes, at: at, seed: seed) { term = max(term, record.term) }
                    at += 8
                }
            }
        }
        guard log != nil || segments.isEmpty else {
            throw .corrupt(
                file: "\(directory)/\(segments[0].0)", offset: 0, """
                    its header is damaged, and no other segment tells what it said: this member may have voted in a term that it does not know \
                    any more, and must not vote again; replace it (plasma chainfire member replace), with an empty directory
                    """)
        }
        return term
    }
}
