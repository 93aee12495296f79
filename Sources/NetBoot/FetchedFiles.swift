import AsyncHTTPClient
import Crypto
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// Files that were fetched by URL, in a directory of their own for each owner. Each has its digest in its name and lies there whole
/// and checked, or not at all.
package struct FetchedFiles: Sendable {
    package struct Order: Hashable, Sendable {
        /// http or https; redirects are followed.
        package var url: String
        /// SHA-256 of the file, 64 hexadecimal digits.
        package var digest: String
        /// Where it is to lie.
        package var path: String

        package init(url: String, digest: String, path: String) {
            self.url = url
            self.digest = digest
            self.path = path
        }
    }

    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        case answered(String, status: UInt, reason: String)
        case broken(String, why: String)
        case tooLarge(String)
        case differs(Order, actual: String)
        case disk(String, why: String)

        package var description: String {
            switch self {
            case .answered(let url, let status, let reason): "\(url) answered \(status) \(reason)"
            case .broken(let url, let why): "\(url) could not be fetched: \(why)"
            case .tooLarge(let url): "\(url) is larger than \(PinnedFiles.bytesMax) bytes"
            case .differs(let order, let actual):
                "\(order.url) has the digest sha256:\(actual), and sha256:\(order.digest) is expected; nothing is offered until they agree (it is fetched again every 10 min)"
            case .disk(let path, let why): "could not write \(path): \(why)"
            }
        }
    }

    private let directory: String
    private let threads: NIOThreadPool
    private let wrong = Wrong()

    private final class Wrong: Sendable {
        /// What came instead of what was ordered, and when.
        let digests = Mutex<[Order: (digest: String, at: ContinuousClock.Instant)]>([:])
    }

    package init(directory: String, threads: NIOThreadPool = .singleton) {
        self.directory = directory
        self.threads = threads
    }

    /// - Parameters:
    ///   - owner: a name without a slash; what it orders is its own.
    ///   - use: such as "kernel".
    package func order(_ url: String, digest: String, for use: String, of owner: String) -> Order {
        Order(url: url, digest: digest, path: "\(directory)/\(owner)/\(use)-\(digest)")
    }

    /// What came instead of what was ordered, in the last ten minutes: so long it is not fetched again.
    package func mistake(in order: Order) -> Failure? {
        guard let last = wrong.digests.withLock({ $0[order] }), ContinuousClock.now - last.at < .seconds(600) else { return nil }
        return .differs(order, actual: last.digest)
    }

    /// Paths of what an owner has and needs no more, in order.
    package func leftovers(of owner: String, keeping orders: [Order]) -> [String] {
        let kept = Set(orders.map(\.path)), place = "\(directory)/\(owner)"
        guard let handle = opendir(place) else { return [] }
        defer { closedir(handle) }
        var found: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            if name != ".", name != "..", !kept.contains("\(place)/\(name)") { found.append("\(place)/\(name)") }
        }
        return found.sorted()
    }

    /// Removes files that `leftovers` named, and the owner's directory when it is empty.
    package func discard(_ paths: [String]) {
        for path in paths where path.hasPrefix(directory + "/") {
            unlink(path)
            if let slash = path.lastIndex(of: "/") { rmdir(String(path[..<slash])) }
        }
    }

    /// Returns once the file lies in its place, checked and fsynced.
    /// - Throws: `Failure`; `CancellationError`. Nothing is left behind then.
    package func fetch(_ order: Order) async throws {
        wrong.digests.withLock { $0[order] = nil }
        let part = order.path + ".part"
        let descriptor = try await threads.runIfActive { try Self.create(part) }
        var isDone = false
        defer {
            close(descriptor)
            if !isDone { unlink(part) }
        }
        let digest: String
        // Asked once: the loop that ordered it comes again, and tells meanwhile why.
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(60))
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            do {
                digest = try await receive(order.url, with: client, into: descriptor, part)
            } catch {
                try? await client.shutdown()
                throw error
            }
            try await client.shutdown()
        } catch let failure as Failure {
            throw failure
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw Failure.broken(order.url, why: "\(error)")
        }
        guard digest == order.digest else {
            wrong.digests.withLock { $0[order] = (digest, ContinuousClock.now) }
            throw Failure.differs(order, actual: digest)
        }
        try await threads.runIfActive {
            guard fsync(descriptor) == 0, rename(part, order.path) == 0 else { throw Failure.disk(order.path, why: errnoText(errno)) }
        }
        isDone = true
    }

    private func receive(_ url: String, with client: HTTPClient, into descriptor: Int32, _ path: String) async throws -> String {
        let response = try await client.execute(HTTPClientRequest(url: url), timeout: .hours(12))
        guard response.status == .ok else { throw Failure.answered(url, status: response.status.code, reason: response.status.reasonPhrase) }
        var hash = SHA256(), size = 0
        for try await chunk in response.body {
            let bytes = Array(chunk.readableBytesView)
            hash.update(data: bytes)
            let offset = size
            size += bytes.count
            guard size <= PinnedFiles.bytesMax else { throw Failure.tooLarge(url) }
            try await threads.runIfActive { try Self.write(bytes, descriptor, offset, path) }
        }
        return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func create(_ path: String) throws -> Int32 {
        // Every directory above; those that are there are left alone.
        for (at, character) in zip(path.indices, path) where character == "/" && at > path.startIndex {
            guard mkdir(String(path[..<at]), 0o700) == 0 || errno == EEXIST else { throw Failure.disk(path, why: errnoText(errno)) }
        }
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure.disk(path, why: errnoText(errno)) }
        return descriptor
    }

    private static func write(_ bytes: [UInt8], _ descriptor: Int32, _ offset: Int, _ path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count, let base = buffer.baseAddress {
                let count = pwrite(descriptor, base + done, buffer.count - done, off_t(offset + done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Failure.disk(path, why: errnoText(errno)) }
                done += count
            }
        }
    }
}
