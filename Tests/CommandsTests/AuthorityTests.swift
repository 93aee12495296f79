import Manifest
import Resource
import Testing

@testable import Commands

/// What `plasma ca list` and `ca show` print.
struct AuthorityTests {
    private static let print = "sha256:ab" + String(repeating: "0", count: 62)

    private static let manifest = """
        apiVersion: plasma.cloud/v1alpha1
        kind: CertificateAuthority
        metadata: {name: root}
        spec: {commonName: Root}
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: CertificateAuthority
        metadata: {name: issuing}
        spec: {commonName: Issuing, issuerRef: {name: root}}
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: Certificate
        metadata: {name: web}
        spec: {dnsNames: [web.example.org], issuerRef: {name: issuing}}
        ---
        apiVersion: plasma.cloud/v1alpha1
        kind: Certificate
        metadata: {name: never-issued}
        spec: {dnsNames: [new.example.org], issuerRef: {name: issuing}}
        """

    private static let status: [String: JSON] = [
        "root": [
            "phase": "Ready", "serial": "01", "fingerprint": .string(print), "notAfter": "2036-01-01T00:00:00Z",
            "trust": .array([["fingerprint": .string(print), "certificate": "PEM"]]),
        ],
        "issuing": ["phase": "Waiting", "rollover": "Reissue", "awaits": "Certificate/web", "revoked": .array(["02", "03"])],
        "web": ["phase": "Ready", "authority": "issuing"],
    ]

    private static func table() throws -> AuthorityTable {
        let reading = kinds.read([(file: "ca.yaml", bytes: Array(manifest.utf8))])
        #expect(reading.problems.map(\.description) == [])
        var records: [String: [AuthorityRecord]] = [:]
        for resource in reading.drafts.map(\.resource) {
            let kind = try Selection.kind(resource.reference.kind, kinds: kinds)
            var document = try resource.json()
            if var status = status[resource.name] {
                status["observedGeneration"] = 1
                status["conditions"] = .array([])
                document["status"] = status
            }
            records[kind.name, default: []].append(try AuthorityRecord(kind, try kind.decode(document.encoded(), 7)))
        }
        return AuthorityTable(records["CertificateAuthority"]!, certificates: records["Certificate"]!)
    }

    @Test func `the list counts what was issued, and tells a change before a phase`() throws {
        let lines = try Self.table().text.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init) }
        #expect(
            lines == [
                ["NAME", "COMMONNAME", "ISSUER", "NOTAFTER", "RENEWAL", "PHASE", "CERTIFICATES", "REVOKED"],
                ["root", "Root", "itself", "2036-01-01T00:00:00Z", "-", "Ready", "0", "0"],
                ["issuing", "Issuing", "root", "-", "-", "Reissue", "1", "2"],
            ])
        #expect(AuthorityTable([], certificates: []).text == "there is no certificate authority\n")
        #expect(AuthorityTable([], certificates: []).json == ["authorities": .array([])])
    }

    @Test func `a program reads the same, with what is not known left out`() throws {
        let authorities = try #require(try Self.table().json["authorities"]?.array)
        #expect(
            authorities == [
                [
                    "name": "root", "commonName": "Root", "serial": "01", "fingerprint": .string(Self.print), "notAfter": "2036-01-01T00:00:00Z",
                    "phase": "Ready", "roots": .array([.string(Self.print)]), "revoked": .array([]), "certificates": 0,
                ],
                [
                    "name": "issuing", "commonName": "Issuing", "issuer": "root", "phase": "Waiting", "rollover": "Reissue",
                    "awaits": "Certificate/web", "roots": .array([]), "revoked": .array(["02", "03"]), "certificates": 1,
                ],
            ])
        let lines = try Self.table().rows[1].authority.description.split(separator: "\n")
        #expect(lines.contains("Awaits:       Certificate/web"))
        #expect(lines.suffix(2) == ["Revoked:      02", "Revoked:      03"])
    }
}
