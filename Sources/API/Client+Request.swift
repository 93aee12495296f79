import AsyncHTTPClient
import Causes
import Foundation
import Manifest
import NIOCore
import NIOPosix
import NIOSSL
import Resource

extension Client {
    /// The largest answer that is held in memory as a whole.
    private static let answerBytesMax = 512 << 20
    private static let pageObjectsMax = 1000

    func json(
        _ method: String, _ path: String, query: [(String, String)] = [], body: [UInt8]? = nil,
        contentType: String = "application/json"
    ) async throws -> JSON {
        let answer = try await bytes(method, path, query: query, body: body, contentType: contentType)
        do {
            return try JSON(parsing: answer)
        } catch {
            throw ClientError.server(200, "an answer that is not JSON: \(error)")
        }
    }

    /// Reads a whole list, page by page, all at one revision.
    /// - Returns: the list's resourceVersion.
    func pages(
        _ path: String, selector: LabelSelector? = nil, fieldSelector: String? = nil, _ read: (JSON) throws -> Void
    ) async throws -> String {
        var next: String? = nil
        repeat {
            var query = [("limit", String(Self.pageObjectsMax))]
            if let selector { query.append(("labelSelector", selector.description)) }
            if let fieldSelector { query.append(("fieldSelector", fieldSelector)) }
            if let next { query.append(("continue", next)) }
            let page = try await json("GET", path, query: query)
            for item in page["items"]?.array ?? [] { try read(item) }
            next = page.at("metadata.continue")?.string.flatMap { $0.isEmpty ? nil : $0 }
            if next == nil { return page.at("metadata.resourceVersion")?.string ?? "0" }
        } while true
    }

    func bytes(
        _ method: String, _ path: String, query: [(String, String)] = [], body: [UInt8]? = nil,
        contentType: String = "application/json", deadline: TimeAmount? = nil
    ) async throws -> [UInt8] {
        let response = try await open(
            method, Paths.withQuery(path, query), body: body, contentType: contentType, deadline: deadline ?? TimeAmount(patience))
        do {
            let buffer = try await response.body.collect(upTo: Self.answerBytesMax)
            return Array(buffer.readableBytesView)
        } catch {
            throw translated(error)
        }
    }

    /// Sends a request and returns once the answer begins.
    /// - Throws: `ClientError` when the answer is not a success; `CancellationError`.
    func open(
        _ method: String, _ pathAndQuery: String, body: [UInt8]? = nil, contentType: String = "application/json",
        deadline: TimeAmount
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: endpoint.url(pathAndQuery))
        request.method = .init(rawValue: method)
        request.headers.add(name: "accept", value: "application/json")
        if case .unix = endpoint { request.headers.replaceOrAdd(name: "host", value: "localhost") }
        if case .https(_, _, let token?) = endpoint { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: contentType)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        do {
            let response = try await http.execute(request, timeout: deadline)
            guard response.status.code < 300 else {
                let buffer = try await response.body.collect(upTo: Self.answerBytesMax)
                throw Self.failure(Int(response.status.code), Array(buffer.readableBytesView))
            }
            return response
        } catch let error as ClientError {
            throw error
        } catch {
            throw translated(error)
        }
    }

    static func failure(_ code: Int, _ body: [UInt8]) -> ClientError {
        guard let status = try? Wire.decode(Status.self, from: body) else {
            return .server(code, String(decoding: body, as: UTF8.self).trimmed)
        }
        return failure(status)
    }

    static func failure(_ status: Status) -> ClientError {
        let message = status.message ?? status.reason ?? "no reason given"
        switch status.code {
        case 401, 403: return .forbidden(message)
        case 404:
            guard let kind = status.details?.kind, let name = status.details?.name else { return .server(404, message) }
            return .notFound(Reference(kind: kind, name: name))
        case 409: return .conflict(message)
        case 410: return .gone(message)
        case 422:
            let problems = status.problems
            return problems.isEmpty ? .server(422, message) : .invalid(problems)
        default: return .server(status.code, message)
        }
    }

    /// What a broken connection means to a person.
    func translated(_ error: any Error) -> any Error {
        if error is CancellationError || (error as? HTTPClientError) == .cancelled { return CancellationError() }
        return ClientError.unreachable(endpoint, reason(error))
    }

    private func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return reason(errno: error.errnoCode) }
        if let error = error as? NIOConnectionError, let first = error.connectionErrors.first {
            return reason(first.error)
        }
        switch (error as? HTTPClientError, endpoint) {
        case (.deadlineExceeded?, _): return "\(endpoint) did not answer in time"
        case (.connectTimeout?, _): return "\(endpoint) did not accept a connection within 10 seconds"
        case (.remoteConnectionClosed?, _): return "the server at \(endpoint) closed the connection"
        case (nil, .https) where error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError:
            return "no secure connection to \(endpoint): \(explain(error)); give the certificate of its authority (--ca-file)"
        default: return "the connection to \(endpoint) failed: \(explain(error))"
        }
    }

    private func reason(errno code: CInt) -> String {
        switch (endpoint, code) {
        case (.unix(let path), ENOENT), (.unix(let path), ECONNREFUSED):
            "no plasma server listens at \(path); start one with `plasma server`"
        case (.unix(let path), EACCES), (.unix(let path), EPERM):
            "not permitted to open \(path); only the user who runs the server may"
        case (.https(let url, _, _), ECONNREFUSED): "no plasma server listens at \(url)"
        default: "the connection to \(endpoint) failed: \(String(cString: strerror(code)))"
        }
    }
}
