import ArgumentParser
import Chainfire
import Etcd
import Foundation
import GRPC
import Host
import Manifest

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Saves the whole store into a file, verifies one, restores from one.",
        discussion: """
            EXAMPLES
              plasma chainfire snapshot save backup.db --endpoints https://10.0.0.1:2379 --ca-file ca.crt
              plasma chainfire snapshot verify backup.db
              plasma chainfire snapshot restore backup.db --config node01.yaml

            EXIT CODES
              0  done    1  not done, or the file is not sound
            """,
        subcommands: [SaveSnapshot.self, VerifySnapshot.self, RestoreSnapshot.self])
}

struct SaveSnapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Fetches the whole store from one member, while it serves.",
        discussion: """
            The file appears under its name only when it is whole and its digest is right. --timeout is how long nothing may come, and not for the whole. etcdctl snapshot save writes the same.

            EXIT CODES
              0  saved    1  not saved; there is no new file
            """)
    @Argument(help: "The file to write.", completion: .file()) var file: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let client = try await (try endpoints.client()).connect().client
        let stream = client.stream(
            "/etcdserverpb.Maintenance/Snapshot", sending: Etcdserverpb_SnapshotRequest.self, receiving: Etcdserverpb_SnapshotResponse.self)
        try await stream.send(Etcdserverpb_SnapshotRequest())
        stream.halfClose()
        let part = file + ".part"
        guard FileManager.default.createFile(atPath: part, contents: nil, attributes: [.posixPermissions: 0o600]),
            let handle = FileHandle(forWritingAtPath: part)
        else { throw Failure("\(part) cannot be written") }
        Interrupt.removesFirst(part)
        do {
            while let piece = try await stream.next(within: endpoints.timeout.duration) { try handle.write(contentsOf: piece.blob) }
            try handle.synchronize()
            try handle.close()
            let digest = try SnapshotDigest.verify(part)
            guard rename(part, file) == 0, Self.syncDirectory(of: file) else { throw Failure("\(file) cannot be written: \(String(cString: strerror(errno)))") }
            Output.write("saved \(file): \(StatusCommand.size(Int64(digest.bytes))), sha256 \(digest.text)\n")
        } catch {
            unlink(part)
            throw error
        }
    }

    private static func syncDirectory(of file: String) -> Bool {
        let parent = (file as NSString).deletingLastPathComponent
        let descriptor = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }
}

struct VerifySnapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Checks a file's digest, and that the store in it is sound.",
        discussion: "EXIT CODES\n  0  sound    1  not sound: the message says where")
    @Argument(help: "The file.", completion: .file()) var file: String

    func run() async throws {
        let digest = try SnapshotDigest.verify(file)
        let report = try SnapshotDigest.withBody(file, in: NSTemporaryDirectory()) { try Chainfire.verify(snapshot: $0) }
        Output.write("\(file) is sound: \(report)\nsha256 \(digest.text)\n")
    }
}

struct RestoreSnapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Makes a member's directory from a file, for a cluster that begins anew.",
        discussion: """
            The cluster gets a new identity, so that no old member meets it, and the revision jumps ahead, so that no \
            client takes an old watch for a new one: watches from before end as compacted, and clients read anew.

            With three members: restore the same file on each with its own configuration, then start all three. Restored from the same file \
            for the same members once more, it is the same cluster again: empty all its directories first.

            --skip-hash-check takes a file without a digest as well: state.db of a member that does not run, with its state.db-wal beside it \
            where there is one. What no majority had is in it, perhaps, and what was in the log alone is not.

            EXIT CODES
              0  restored    1  refused: the directory is not empty, or the file is not sound
            """)
    @Argument(help: "The file.", completion: .file()) var file: String
    @Option(
        help: ArgumentHelp("The member's configuration: name, data_dir, initial_peers.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var config: String?
    @OptionGroup var flags: MemberFlags
    @Option(help: ArgumentHelp("How far the revision jumps ahead.", valueName: "number")) var bump: Int64 = 1_000_000_000
    @Flag(help: "The file may be one without a digest, as state.db of a member. The store in it is checked all the same.")
    var skipHashCheck = false

    func run() async throws {
        guard bump >= 0 else { throw Failure("--bump \(bump) is negative: revisions only rise") }
        let configuration = try MemberConfiguration.load(config, flags: flags)
        let directory = configuration.directory
        if let found = try? FileManager.default.contentsOfDirectory(atPath: directory), !found.isEmpty {
            throw Failure("\(directory) is not empty: a restore makes a new directory; move this one away, or name another")
        }
        let digest = try skipHashCheck ? SnapshotDigest.ofDatabase(file) : SnapshotDigest.verify(file)
        // All members of one restore derive the same identity, and no other cluster has it.
        let token = "restore of \(digest.text)"
        let membership: ClusterMembership =
            switch configuration.beginning {
            case .bootstrap(let founders):
                .bootstrap(
                    name: configuration.name, members: founders.map { FoundingMember(name: $0.name, peerURLs: [$0.peerURL]) },
                    token: founders.count == 1 ? token + UUID().uuidString : token)
            case .alone:
                .bootstrap(
                    name: configuration.name, members: [FoundingMember(name: configuration.name, peerURLs: configuration.advertisePeer)],
                    // Who was restored from the same file before is another.
                    token: token + UUID().uuidString)
            case .join: throw Failure("a restored cluster begins anew: the configuration must say bootstrap: true, not leader_url")
            }
        let beside = (directory as NSString).deletingLastPathComponent
        let parent = access(beside, W_OK) == 0 ? beside : NSTemporaryDirectory()
        let report = try SnapshotDigest.withBody(file, in: parent, withLog: skipHashCheck) {
            if skipHashCheck { try Chainfire.absorbLog(ofDatabase: $0) }
            return try Chainfire.restore(snapshot: $0, to: directory, membership: membership, bumpRevision: bump, disk: SystemDisk())
        }
        Output.write("restored into \(directory): \(report)\na new cluster: members of the old one are refused; watches begin anew\n")
    }
}

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks the files of a member that does not run.",
        discussion: """
            Reads every record of the log and every page and row of the state, and names what is damaged: file and offset \
            in the log, file and page, row or fact in the state. \
            Changes nothing.

            EXAMPLES
              plasma chainfire check /var/lib/chainfire

            EXIT CODES
              0  sound    1  damaged, or it could not be checked
            """)
    @Argument(help: "The member's data directory.", completion: .directory) var directory: String

    func run() async throws {
        guard FileManager.default.fileExists(atPath: directory) else { throw Failure("there is no directory \(directory)") }
        let found = try Chainfire.check(directory: directory, disk: SystemDisk())
        Output.write(ObjectPrinter.terminated("\(found)"))
        if !found.isSound { throw ExitCode(1) }
    }
}
