import API
import Foundation
import Kinds
import Manifest
import Resource

/// What the server tells of an authority or a certificate.
struct AuthorityRecord: Sendable {
    static let renew = Kinds.Certificate.renewAnnotation

    var kind: AnyKind
    var name: String
    private var json: JSON

    init(_ kind: AnyKind, _ object: any AnyResource) throws {
        self.kind = kind
        name = object.name
        json = try object.json()
    }

    /// - Parameter word: NAME or KIND/NAME.
    static func fetch(_ word: String, _ client: Client, kind wanted: String = "CertificateAuthority") async throws -> AuthorityRecord {
        let (kind, name) = word.contains("/") ? try Selection.reference(word, kinds: kinds) : (try Selection.kind(wanted, kinds: kinds), word)
        guard kind.name == wanted else { throw Failure("\(word) is a \(kind.name); a \(wanted) is asked for") }
        guard let object = try await client.get(kind, name) else { throw Failure("\(wanted)/\(name) is not there") }
        return try AuthorityRecord(kind, object)
    }

    /// Asks an authority to revoke a serial number, beside those that others ask it for at the same time.
    /// - Returns: false when that was asked for already.
    static func revoke(_ serial: String, of name: String, _ client: Client) async throws -> Bool {
        let annotation = Kinds.CertificateAuthority.revokeAnnotation
        for _ in 0..<16 {
            let record = try await fetch(name, client)
            let asked = record.annotation(annotation)
            let known = record.texts("status.revoked") + Kinds.CertificateAuthority.revocations(in: asked ?? "").serials
            if known.contains(serial) { return false }
            do {
                _ = try await client.patchAnnotations(
                    record.kind, name, [annotation: [asked, serial].compactMap { $0 }.joined(separator: ",")],
                    resourceVersion: record.text("metadata.resourceVersion"))
                return true
            } catch ClientError.conflict {
                continue
            }
        }
        throw Failure("CertificateAuthority/\(name) changes all the time, and \(serial) was not revoked; ask again")
    }

    func text(_ path: String) -> String? { json.at(path).flatMap { $0.string ?? $0.text } }
    func texts(_ path: String) -> [String] { (json.at(path)?.array ?? []).compactMap(\.string) }
    func annotation(_ key: String) -> String? { json["metadata"]?["annotations"]?[key]?.string }

    /// The roots that its certificates are checked against, PEM.
    var trust: [(fingerprint: String, pem: String)] {
        (json.at("status.trust")?.array ?? []).compactMap { root in
            guard let fingerprint = root["fingerprint"]?.string, let pem = root["certificate"]?.string else { return nil }
            return (fingerprint, pem)
        }
    }

    /// - Throws: when it was not issued yet.
    func issued(_ path: String) throws -> String {
        guard let text = text(path), !text.isEmpty else {
            let why = text("status.phase").map { " (\($0))" } ?? ""
            throw Failure("\(kind.name)/\(name) has not been issued yet\(why); plasma describe \(kind.name.lowercased())/\(name) says why")
        }
        return text
    }
}
