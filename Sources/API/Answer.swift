import Hummingbird
import Manifest
import NIOCore
import Resource

/// Makes responses.
enum Answer {
    static func json(_ bytes: [UInt8], code: Int = 200) -> Response {
        response(code, "application/json", bytes)
    }

    static func json(_ value: some Encodable, code: Int = 200) throws -> Response { json(try Wire.encode(value), code: code) }

    static func object(_ resource: any AnyResource, code: Int = 200) throws -> Response {
        json(try resource.json().encoded(), code: code)
    }

    static func text(_ text: String, code: Int = 200, contentType: String = "text/plain; charset=utf-8") -> Response {
        response(code, contentType, Array(text.utf8))
    }

    static func refusal(_ refusal: Refusal) -> Response {
        var answer: Response
        do {
            answer = try json(refusal.status, code: refusal.code)
        } catch {
            answer = text(refusal.message, code: refusal.code)
        }
        if refusal.code == 401 { answer.headers[.wwwAuthenticate] = "Bearer" }
        return answer
    }

    /// A body that is written bit by bit. The connection ends with it, since what the client sends meanwhile is not read.
    static func stream(
        _ contentType: String, _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: contentType, .cacheControl: "no-store", .connection: "close"],
            body: ResponseBody(write))
    }

    private static func response(_ code: Int, _ contentType: String, _ bytes: [UInt8]) -> Response {
        Response(
            status: .init(code: code), headers: [.contentType: contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
