import Chainfire
import Foundation
import GRPC
import NIOHTTP1
import Store

/// `/api/v1/kv/KEY`: keys by plain HTTP. The key is percent-decoded and may hold slashes.
///
/// - `GET` answers `{"key","value","create_revision","mod_revision","version","lease","revision"}`; a key or value that is not UTF-8
///   is in base64 and `"encoding"` says so. `?prefix=true` lists what begins with the key (`&limit=N`), `?revision=N` reads the past.
/// - `PUT` stores the body as it is (`?lease=ID` binds it), and answers the revision.
/// - `DELETE` answers how many keys went (`?prefix=true` for all that begin with it).
struct KeyPages: Sendable {
    static let path = "/api/v1/kv/"

    private struct Item: Encodable {
        var key: String
        var value: String
        var encoding: String?
        var createRevision: Revision
        var modRevision: Revision
        var version: Int64
        var lease: Int64
        var revision: Revision?

        enum CodingKeys: String, CodingKey {
            case key, value, encoding, createRevision = "create_revision", modRevision = "mod_revision", version, lease, revision
        }

        init(_ entry: Entry, revision: Revision? = nil) {
            if let key = String(validating: entry.key.bytes, as: UTF8.self),
                let value = String(validating: entry.value, as: UTF8.self)
            {
                (self.key, self.value) = (key, value)
            } else {
                encoding = "base64"
                key = Data(entry.key.bytes).base64EncodedString()
                value = Data(entry.value).base64EncodedString()
            }
            createRevision = entry.createRevision
            modRevision = entry.modRevision
            version = entry.version
            lease = entry.lease
            self.revision = revision
        }
    }

    private struct List: Encodable {
        var revision: Revision
        var count: Int
        var more: Bool
        var kvs: [Item]
    }

    private struct Changed: Encodable {
        var revision: Revision
        var deleted: Int?
    }

    let store: Chainfire

    func serve(_ request: HTTPRequest, _ reply: HTTPReply) {
        let text = Array(request.path.utf8.dropFirst(Self.path.utf8.count))
        guard let bytes = PercentEncoding.decode(text) else {
            return refuse(reply, .badRequest, "the key \(String(decoding: text, as: UTF8.self)) has a % without two hexadecimal digits")
        }
        let query = Query(request.query)
        let isPrefix = query["prefix"] == "true"
        guard !bytes.isEmpty || isPrefix else { return refuse(reply, .badRequest, GRPCStatus.emptyKey.message) }
        let range: KeyRange = isPrefix ? .prefix(Key(bytes)) : .single(Key(bytes))
        switch request.method {
        case .GET: get(range, isPrefix: isPrefix, query, reply)
        case .PUT where !bytes.isEmpty && !isPrefix: put(Key(bytes), request.body, query, reply)
        case .DELETE: delete(range, reply)
        default: reply.methodNotAllowed("GET, PUT, DELETE")
        }
    }

    private func get(_ range: KeyRange, isPrefix: Bool, _ query: Query, _ reply: HTTPReply) {
        guard let limit = number(query, "limit", reply), let revision = number(query, "revision", reply) else { return }
        let request = RangeRequest(range, at: revision > 0 ? revision : nil, limit: Int(limit))
        store.range(request, serializable: query["serializable"] == "true") { result in
            switch result {
            case .failure(let error): fail(reply, error)
            case .success(let found):
                if isPrefix {
                    return send(reply, List(
                        revision: found.revision, count: found.count, more: found.hasMore, kvs: found.entries.map { Item($0) }))
                }
                guard let entry = found.entries.first else {
                    return refuse(reply, .notFound, "there is no key \(range.lower) at revision \(revision > 0 ? revision : found.revision)")
                }
                send(reply, Item(entry, revision: found.revision))
            }
        }
    }

    private func put(_ key: Key, _ value: [UInt8], _ query: Query, _ reply: HTTPReply) {
        guard let lease = number(query, "lease", reply) else { return }
        store.commit(Transaction(then: [.put(key, value, lease: lease)])) { result in
            switch result {
            case .failure(let error): fail(reply, error)
            case .success(let done): send(reply, Changed(revision: done.revision))
            }
        }
    }

    private func delete(_ range: KeyRange, _ reply: HTTPReply) {
        store.commit(Transaction(then: [.delete(range)])) { result in
            switch result {
            case .failure(let error): fail(reply, error)
            case .success(let done):
                guard case .delete(let previous)? = done.results.first else {
                    preconditionFailure("a delete was answered as something else")
                }
                send(reply, Changed(revision: done.revision, deleted: previous.count))
            }
        }
    }

    /// 0 when it is not there; nil when it was answered that it is no number.
    private func number(_ query: Query, _ name: String, _ reply: HTTPReply) -> Int64? {
        guard let text = query[name] else { return 0 }
        guard let number = Int64(text), number >= 0 else {
            refuse(reply, .badRequest, "\(name)=\(text) is no number from 0 on")
            return nil
        }
        return number
    }

    private func send(_ reply: HTTPReply, _ value: some Encodable) {
        reply.send(.ok, contentType: "application/json", body: AdminMessages.encode(value))
    }

    private func fail(_ reply: HTTPReply, _ error: StoreError) {
        let status = GRPCStatus(error)
        refuse(reply, Gateway.httpStatus(status.code), status.message)
    }

    private func refuse(_ reply: HTTPReply, _ status: HTTPResponseStatus, _ text: String) {
        reply.send(status, contentType: "application/json", body: AdminMessages.encode(AdminMessages.Problem(error: text)))
    }
}
