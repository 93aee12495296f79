import API
import Foundation
import Manifest
import Resource

/// The authorities that a server has, and how many certificates each has signed that are in use.
struct AuthorityTable {
    struct Row {
        var authority: AuthorityRecord
        var certificates = 0
    }

    var rows: [Row]

    static func ask(_ client: Client) async throws -> AuthorityTable {
        let kind = try Selection.kind("CertificateAuthority", kinds: kinds)
        let leaf = try Selection.kind("Certificate", kinds: kinds)
        return AuthorityTable(
            try await client.list(kind).items.map { try AuthorityRecord(kind, $0) },
            certificates: try await client.list(leaf).items.map { try AuthorityRecord(leaf, $0) })
    }

    init(_ authorities: [AuthorityRecord], certificates: [AuthorityRecord]) {
        let signed = Dictionary(grouping: certificates.compactMap { $0.text("status.authority") }, by: { $0 }).mapValues(\.count)
        rows = authorities.map { Row(authority: $0, certificates: signed[$0.name] ?? 0) }
    }

    var text: String {
        if rows.isEmpty { return "there is no certificate authority\n" }
        var table = Table(header: ["NAME", "COMMONNAME", "ISSUER", "NOTAFTER", "RENEWAL", "PHASE", "CERTIFICATES", "REVOKED"])
        for row in rows {
            let authority = row.authority
            table.add([
                .init(authority.name), .init(authority.text("spec.commonName") ?? ""), .init(authority.text("spec.issuerRef.name") ?? "itself"),
                .init(authority.text("status.notAfter") ?? "-"), .init(authority.text("status.renewalTime") ?? "-"),
                .init(authority.text("status.rollover") ?? authority.text("status.phase") ?? "-"), .init("\(row.certificates)"),
                .init("\(authority.texts("status.revoked").count)"),
            ])
        }
        return table.take().map { $0 + "\n" }.joined()
    }

    /// `{"authorities": […]}`: of each what `ca show -o json` tells, and `certificates`.
    var json: JSON {
        let authorities = rows.map { row in
            var document = row.authority.document
            document["certificates"] = .integer(Int64(row.certificates))
            return document
        }
        return ["authorities": .array(authorities)]
    }
}

extension AuthorityRecord: CustomStringConvertible {
    /// What is told of an authority: in words, in a document, and where its object has it.
    private static let facts: [(title: String, key: String, path: String)] = [
        ("Common name", "commonName", "spec.commonName"), ("Issuer", "issuer", "spec.issuerRef.name"), ("Serial", "serial", "status.serial"),
        ("Fingerprint", "fingerprint", "status.fingerprint"), ("Not before", "notBefore", "status.notBefore"),
        ("Not after", "notAfter", "status.notAfter"), ("Renewal", "renewalTime", "status.renewalTime"), ("Phase", "phase", "status.phase"),
        ("Rollover", "rollover", "status.rollover"), ("Awaits", "awaits", "status.awaits"), ("List until", "crlNextUpdate", "status.crlNextUpdate"),
    ]

    /// A line for each fact that there is, as `ca show` prints them.
    var description: String {
        var lines: [(String, String)] = [("Name", name)]
        for fact in Self.facts {
            if let text = text(fact.path) { lines.append((fact.title, text)) }
        }
        for root in trust { lines.append(("Root", root.fingerprint)) }
        for serial in texts("status.revoked") { lines.append(("Revoked", serial)) }
        return lines.map { ($0.0 + ":").padding(toLength: 14, withPad: " ", startingAt: 0) + $0.1 + "\n" }.joined()
    }

    /// The same for programs: a fact that there is not is left out; an authority without `issuer` is signed by itself.
    var document: JSON {
        var document: JSON = ["name": .string(name)]
        for fact in Self.facts {
            if let text = text(fact.path) { document[fact.key] = .string(text) }
        }
        document["roots"] = .array(trust.map { .string($0.fingerprint) })
        document["revoked"] = .array(texts("status.revoked").map { .string($0) })
        return document
    }
}
