import Foundation
import GRPC
import NIOHTTP1
import SwiftProtobuf

/// etcd's JSON gateway (gRPC-gateway, etcd documentation "Why gRPC gateway"): POST, protobuf's JSON with the
/// fields' own names, int64 as strings, bytes in base64, zero fields left out.
enum Gateway {
    private static let lenient: JSONDecodingOptions = {
        var options = JSONDecodingOptions()
        options.ignoreUnknownFields = true
        return options
    }()

    static let encoding: JSONEncodingOptions = {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        return options
    }()

    /// An empty body, or null, is an empty message.
    static func decode<Request: Message>(_ body: ArraySlice<UInt8>) throws(GRPCStatus) -> Request {
        let text = body.drop(while: JSONTexts.isSpace)
        guard !text.isEmpty, !(text.starts(with: "null".utf8) && text.dropFirst(4).allSatisfy(JSONTexts.isSpace)) else { return Request() }
        let bytes = JSONTexts.plain(Array(text))
        do {
            do {
                return try Request(jsonUTF8Bytes: bytes)
            } catch JSONDecodingError.unknownField {
                // Passed over, as etcd does. Not at once: that way of reading passes over unknown names of enums too.
                return try Request(jsonUTF8Bytes: bytes, options: lenient)
            }
        } catch {
            throw GRPCStatus(.invalidArgument, "the request's JSON cannot be read: \(error)")
        }
    }

    static func encode(_ message: some Message) -> [UInt8] {
        do {
            return try message.jsonUTF8Bytes(options: encoding)
        } catch {
            // Only `Any` and well-known types can fail; etcd's messages have none.
            preconditionFailure("\(type(of: message)) has no JSON: \(error)")
        }
    }

    static func errorBody(_ status: GRPCStatus) -> [UInt8] {
        let text = JSONTexts.quoted(status.message)
        return Array(#"{"error":\#(text),"code":\#(status.code.rawValue),"message":\#(text)}"#.utf8)
    }

    /// An error after the first line of a stream.
    static func errorLine(_ status: GRPCStatus) -> [UInt8] {
        let http = httpStatus(status.code)
        return Array("""
            {"error":{"grpc_code":\(status.code.rawValue),"http_code":\(http.code),\
            "message":\(JSONTexts.quoted(status.message)),"http_status":"\(http.reasonPhrase)"}}\n
            """.utf8)
    }

    /// gRPC-gateway's `HTTPStatusFromCode`, as Debian's etcd 3.4 answers.
    static func httpStatus(_ code: GRPCStatus.Code) -> HTTPResponseStatus {
        switch code {
        case .ok: .ok
        case .cancelled: .requestTimeout
        case .invalidArgument, .outOfRange: .badRequest
        case .deadlineExceeded: .gatewayTimeout
        case .notFound: .notFound
        case .alreadyExists, .aborted: .conflict
        case .permissionDenied: .forbidden
        case .unauthenticated: .unauthorized
        case .resourceExhausted: .tooManyRequests
        case .failedPrecondition: .preconditionFailed
        case .unimplemented: .notImplemented
        case .unavailable: .serviceUnavailable
        case .unknown, .internalError, .dataLoss: .internalServerError
        }
    }
}
