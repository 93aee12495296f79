import Crypto
import Foundation
import Glibc
import Host
import NIOCore
import Synchronization

/// Files with the digests that they must have. None is used whose digest was not worked out from the very file that lies there now:
/// device, inode, size and both times are compared at every look, and while it is sent.
package final class PinnedFiles: Sendable {
    package enum Sight: Hashable, Sendable {
        case sound
        case unreadable(String)
        case differs(actual: String)
    }

    /// Tells one content of a file from another without reading it.
    struct Identity: Hashable, Sendable {
        var device: UInt
        var inode: UInt
        var size: Int
        var modified: [Int]
        var changed: [Int]

        init?(_ descriptor: Int32) {
            var found = stat()
            guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT == S_IFREG else { return nil }
            device = UInt(found.st_dev)
            inode = UInt(found.st_ino)
            size = Int(found.st_size)
            modified = [found.st_mtim.tv_sec, found.st_mtim.tv_nsec]
            changed = [found.st_ctim.tv_sec, found.st_ctim.tv_nsec]
        }

        /// Whether another write would change its times: within one tick of the file system's clock it does not. That of a server may be hours ahead.
        func isSettled(at date: Date) -> Bool { abs(Int(date.timeIntervalSince1970) - changed[0]) >= 2 }
    }

    private struct Known: Sendable {
        var identity: Identity
        var digest: String
    }

    /// Larger ones are nothing that a machine boots or is installed from.
    package static let bytesMax = 16 << 30
    private static let knownMax = 256

    private let known = Mutex<[String: Known]>([:])
    /// For machines that ask. Files that are not known are read whole in lines of their own: a thousand machines that ask for one that has changed read
    /// it once, and one that is known waits for none that is read.
    private let lines = FileLines(patience: .seconds(10)), readings = FileLines(patience: .seconds(300))

    private let time: any Time

    package init(time: any Time = SystemTime()) { self.time = time }

    /// Whether the file is there and has its digest. Reads it only when it is another one than last time, and not to its end when the task is
    /// cancelled.
    package func examine(_ artefact: PinnedFile, bytesMax: Int = bytesMax) async -> Sight {
        do {
            return try await open(artefact, bytesMax).map { _ in .sound }.merged
        } catch {
            return .unreadable("\(artefact.path): \(error)")
        }
    }

    /// The text of a small file; nil when it cannot be read.
    package func text(of path: String, bytesMax: Int) async -> String? {
        try? await FileLook.at(path) {
            let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            guard let identity = Identity(descriptor), identity.size <= bytesMax else { return nil }
            return Self.bytes(of: descriptor, 0..<identity.size).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Opened and checked, for one response.
    func open(_ artefact: PinnedFile, on loop: any EventLoop) -> EventLoopFuture<ServedFile> {
        lines.run(at: artefact.path, on: loop) { try self.openNow(artefact) { _, _ in nil }?.get() }.flatMap { found in
            if let found { return loop.makeSucceededFuture(found) }
            return self.readings.run(at: artefact.path, on: loop) { try self.openReading(artefact).get() }
        }
    }

    /// The whole of a small file that has its digest.
    func bytes(of artefact: PinnedFile, bytesMax: Int) async -> [UInt8]? {
        guard let found = try? await open(artefact, bytesMax).get() else { return nil }
        return try? await FileLook.at(artefact.path) { try found.bytes(0..<found.size) }
    }

    private func open(_ artefact: PinnedFile, _ bytesMax: Int) async throws -> Result<ServedFile, Refusal> {
        if let found = try await FileLook.at(artefact.path, { self.openNow(artefact, bytesMax) { _, _ in nil } }) { return found }
        let isCancelled = Latch()
        return try await withTaskCancellationHandler {
            try await FileLook.at(artefact.path, within: .seconds(3600)) { self.openReading(artefact, bytesMax, isCancelled) }
        } onCancel: {
            isCancelled.set()
        }
    }

    /// Blocks.
    /// - Parameter digest: of a file that is not known; nil: it would have to be read.
    private func openNow(
        _ artefact: PinnedFile, _ bytesMax: Int = bytesMax, digest: (ServedFile, Identity) -> Result<String, Refusal>?
    ) -> Result<ServedFile, Refusal>? {
        let descriptor = Glibc.open(artefact.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .failure(Refusal(.unreadable("\(artefact.path): \(errnoText(errno))"))) }
        guard let identity = Identity(descriptor) else {
            close(descriptor)
            return .failure(Refusal(.unreadable("\(artefact.path) is not a regular file")))
        }
        let file = ServedFile(artefact.path, descriptor, identity, lines)
        guard identity.size <= bytesMax else { return .failure(Refusal(.unreadable("\(artefact.path) is larger than \(bytesMax) bytes"))) }
        let remembered = known.withLock { $0[artefact.path].flatMap { $0.identity == identity ? $0.digest : nil } }
        return (remembered.map { .success($0) } ?? digest(file, identity))?.flatMap { digest in
            digest == artefact.digest ? .success(file) : .failure(Refusal(.differs(actual: digest)))
        }
    }

    /// Blocks, as long as it takes to read the whole file where it is not known.
    private func openReading(_ artefact: PinnedFile, _ bytesMax: Int = bytesMax, _ isCancelled: Latch = Latch()) -> Result<ServedFile, Refusal> {
        let found = openNow(artefact, bytesMax) { file, identity in
            guard let digest = digest(of: file.descriptor, identity, artefact.path, isCancelled) else {
                return .failure(Refusal(.unreadable("\(artefact.path) changes while it is read")))
            }
            return .success(digest)
        }
        guard let found else { preconditionFailure("a file was neither opened nor refused") }
        return found
    }

    private func digest(of descriptor: Int32, _ identity: Identity, _ path: String, _ isCancelled: Latch) -> String? {
        var hash = SHA256()
        var offset = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while offset < identity.size {
            if isCancelled.isSet { return nil }
            let count = pread(descriptor, buffer.baseAddress, buffer.count, offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
        guard Identity(descriptor) == identity else { return nil }
        let digest = hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        // Otherwise it is read once more next time.
        guard identity.isSettled(at: time.date()) else { return digest }
        known.withLock { known in
            if known.count >= Self.knownMax { known = [:] }
            known[path] = Known(identity: identity, digest: digest)
        }
        return digest
    }

    /// nil: it has not so many.
    static func bytes(of descriptor: Int32, _ range: Range<Int>) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            while count < range.count, let base = buffer.baseAddress {
                let read = pread(descriptor, base + count, range.count - count, off_t(range.lowerBound + count))
                if read < 0, errno == EINTR { continue }
                if read <= 0 { break }
                count += read
            }
            initialized = count
        }
        return count == range.count ? bytes : nil
    }
}

/// Why a file is not served.
private struct Refusal: Error {
    var sight: PinnedFiles.Sight
    init(_ sight: PinnedFiles.Sight) { self.sight = sight }
}

extension Result where Success == PinnedFiles.Sight, Failure == Refusal {
    fileprivate var merged: PinnedFiles.Sight {
        switch self {
        case .success(let sight): sight
        case .failure(let refusal): refusal.sight
        }
    }
}

/// An open file that is being sent; closed with its last use.
final class ServedFile: Sendable {
    private struct Changed: Error {}

    private let path: String
    let descriptor: Int32
    private let identity: PinnedFiles.Identity
    private let lines: FileLines

    init(_ path: String, _ descriptor: Int32, _ identity: PinnedFiles.Identity, _ lines: FileLines) {
        self.path = path
        self.descriptor = descriptor
        self.identity = identity
        self.lines = lines
    }

    var size: Int { identity.size }

    /// Blocks.
    /// - Throws: when somebody wrote to it since it was checked.
    func bytes(_ range: Range<Int>) throws -> [UInt8] {
        guard let bytes = PinnedFiles.bytes(of: descriptor, range), PinnedFiles.Identity(descriptor) == identity else { throw Changed() }
        return bytes
    }

    func read(_ range: Range<Int>, on loop: any EventLoop) -> EventLoopFuture<ByteBuffer> {
        lines.run(at: path, on: loop) { ByteBuffer(bytes: try self.bytes(range)) }
    }

    deinit { lines.add(path) { [descriptor] in close(descriptor) } }
}
