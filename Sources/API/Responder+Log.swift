import Foundation
import Hummingbird
import NIOCore
import Resource

extension Responder {
    func log(_ asked: Asked, _ kind: AnyKind, _ name: String) async throws -> Response {
        try asked.query.allow("follow", "tailLines")
        try await authorize(asked, .log, kind.name, name)
        let follow = try asked.query.flag("follow")
        let tailLines = try asked.query.integer("tailLines", 0...1_000_000).map(Int.init)
        let reference = Reference(kind: kind.name, name: name)
        guard let source = hooks.log(reference) else {
            _ = try await objects.read(kind, name)
            throw Refusal(code: 404, reason: "NotFound", message: "\(reference) has no log")
        }
        var tail = FileTail(path: source.path)
        guard try tail.open(lastLines: tailLines) || follow else {
            throw Refusal(code: 404, reason: "NotFound", message: "\(reference) has not logged anything yet")
        }
        let body = LogBody(tail: tail, follow: follow)
        let request = asked.request
        return Answer.stream("text/plain; charset=utf-8") { writer in
            try await body.write(to: &writer, until: request)
        }
    }
}

/// Writes a file, and what is added to it until the client goes or the server stops. A client that does not read is
/// waited for: it costs a file's name and a position.
private struct LogBody: Sendable {
    private static let lookAgain = Duration.milliseconds(200)

    var tail: FileTail
    var follow: Bool

    func write(to writer: inout any ResponseBodyWriter, until request: Request) async throws {
        try await Listener.listen(to: request) { listener in
            switch try await listener.tell(within: nil, { try await writeFile(to: &writer, $0) }) {
            case .told: return
            case .clientGone, .stalled: throw CancellationError()
            case .serverStops:
                try await listener.sayGoodbye(nil, within: WatchBody.shutdownPatience, hearsShutdown: false, by: &writer)
            }
        }
    }

    private func writeFile(to writer: inout any ResponseBodyWriter, _ clock: WriteClock) async throws {
        var tail = tail
        while true {
            while let bytes = try tail.read() {
                try await clock.time { try await writer.write(ByteBuffer(bytes: bytes)) }
            }
            guard follow else { break }
            try await Task.sleep(for: Self.lookAgain)
        }
        try await clock.time { try await writer.finish(nil) }
    }
}

/// Reads a growing file from some point on. When it was cut or replaced it begins anew.
struct FileTail: Sendable {
    private static let blockBytes = 64 << 10

    var path: String
    /// The next byte to read.
    private(set) var offset: UInt64 = 0
    private var inode: UInt64?

    init(path: String) { self.path = path }

    /// Sets the start so many lines before the end; nil is the file's beginning.
    /// - Returns: false when there is no file.
    mutating func open(lastLines: Int?) throws -> Bool {
        guard let file = FileHandle(forReadingAtPath: path) else { return false }
        defer { close(file) }
        guard let lastLines else { return true }
        offset = try Self.start(ofLast: lastLines, file)
        inode = try identity()?.inode
        return true
    }

    /// The next block; nil at the end of what there is now, or while there is no file.
    mutating func read() throws -> [UInt8]? {
        guard let (inode, size) = try identity() else { return nil }
        if let known = self.inode, known != inode || size < offset { offset = 0 }
        self.inode = inode
        guard size > offset, let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { close(file) }
        try file.seek(toOffset: offset)
        guard let block = try file.read(upToCount: Self.blockBytes), !block.isEmpty else { return nil }
        offset += UInt64(block.count)
        return Array(block)
    }

    private func identity() throws -> (inode: UInt64, size: UInt64)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (UInt64(status.st_ino), UInt64(max(status.st_size, 0)))
    }

    private func close(_ file: FileHandle) {
        // Reading leaves nothing behind that a failed close could lose.
        try? file.close()
    }

    /// Reads backwards block by block until enough line ends are passed; a last line without an end counts too.
    private static func start(ofLast lines: Int, _ file: FileHandle) throws -> UInt64 {
        let size = try file.seekToEnd()
        guard lines > 0 else { return size }
        var position = size
        var ends = 0
        while position > 0 {
            let count = min(UInt64(blockBytes), position)
            position -= count
            try file.seek(toOffset: position)
            let block = [UInt8](try file.read(upToCount: Int(count)) ?? Data())
            for index in block.indices.reversed() where block[index] == UInt8(ascii: "\n") {
                let place = position + UInt64(index)
                if place == size - 1 { continue }
                ends += 1
                if ends == lines { return place + 1 }
            }
        }
        return 0
    }
}
