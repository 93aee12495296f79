import Hummingbird
import Manifest
import NIOCore
import ServiceLifecycle

/// Reads the body of a request and what it says of its form.
enum Body {
    static let bytesMax = 16 << 20

    /// - Parameter accepted: media types, of which a body without one is taken to be the first.
    /// - Returns: the body and its media type, without parameters.
    static func read(_ request: Request, _ accepted: [String]) async throws -> (bytes: [UInt8], type: String) {
        let type = try mediaType(of: request, accepted)
        if let length = request.headers[.contentLength].flatMap(Int.init), length > bytesMax { throw tooLarge("\(length) bytes are") }
        do {
            let buffer = try await cancelWhenGracefulShutdown { try await collect(request.body) }
            return (Array(buffer.readableBytesView), type)
        } catch is NIOTooManyBytesError {
            throw tooLarge("this is")
        }
    }

    /// Known before the body is read.
    static func mediaType(of request: Request, _ accepted: [String]) throws(Refusal) -> String {
        let given = request.headers[.contentType]
        let type = given.map { String($0.prefix { $0 != ";" }).trimmed.lowercased() } ?? accepted[0]
        guard accepted.contains(type) else {
            throw .mediaType("the content type \"\(given ?? "")\" is not accepted here; send \(accepted.joined(separator: " or "))")
        }
        return type
    }

    /// Who begins a body and does not go on is waited for no longer than this.
    private static let within = Duration.seconds(600)

    /// - Throws: `CancellationError` also where the client was too slow: nobody reads an answer to half a request.
    private static func collect(_ body: RequestBody) async throws -> ByteBuffer {
        try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask {
                let buffer = try await body.collect(upTo: bytesMax)
                // What a cancelled reader has is not all of it.
                try Task.checkCancellation()
                return buffer
            }
            group.addTask {
                try await Task.sleep(for: within)
                throw CancellationError()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    static func json(_ bytes: [UInt8]) throws(Refusal) -> JSON {
        guard !bytes.isEmpty else { throw .badRequest("the body is empty; JSON is expected") }
        do {
            return try JSON(parsing: bytes)
        } catch {
            throw .badRequest("the body is not JSON: \(error)")
        }
    }

    private static func tooLarge(_ what: String) -> Refusal {
        .tooLarge("the body may have \(bytesMax >> 20) MiB; \(what) more. Split the manifest")
    }
}
