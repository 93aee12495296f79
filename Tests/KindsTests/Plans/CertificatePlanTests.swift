import Foundation
import Manifest
import PKI
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What is decided about certificates and authorities, case by case.
@Suite struct CertificatePlanTests {
    private static let epoch = Date(timeIntervalSince1970: 1_800_000_000)

    private static func fingerprint(_ digit: String) -> String { String(repeating: digit, count: 64) }

    private static func facts(_ digit: String) -> CertificateFacts {
        CertificateFacts(serial: "0" + digit, fingerprint: fingerprint(digit), notBefore: epoch, notAfter: epoch + 86_400)
    }

    @Test func `a certificate's plans`() throws {
        try PlanCases.check("certificate.txt") { words in
            var ledger = Ledger()
            func certificate(_ dns: String, issuer: String = "ca", node: String? = words["node"], moved: Bool = false) throws -> Resource<Certificate> {
                try draft(
                    """
                    kind: Certificate
                    metadata: {name: web}
                    spec:
                      dnsNames: [\(words["dns"] ?? dns)]
                      duration: \(words["duration"] ?? "24h")
                      privateKey: {algorithm: \(words["algorithm"] ?? "ECDSA")}
                      usages: \((words["usages"] ?? "[server auth, client auth]").replacingOccurrences(of: "~", with: " "))
                      isCA: \(words.has("isCA"))
                      issuerRef: {name: \(words["issuer"] ?? issuer)}\(node == nil ? "" : "\n  node: node01")
                    """, words)
            }
            var wanted = try certificate("a.example.org")
            if let renew = words["renew"] { wanted.metadata.annotations[Certificate.renewAnnotation] = renew }
            if let ca = words["ca"], ca != "none" {
                for name in ["ca", "other"] {
                    var authority: Resource<CertificateAuthority> = try draft(
                        "kind: CertificateAuthority\nmetadata: {name: \(name)}\nspec: {commonName: ca, maxPathLength: 0}", PlanCases.Words(values: [:]))
                    if ca == "leaving" { authority.metadata.deletionTimestamp = Self.epoch }
                    let trust = (ca == "both" ? ["1", "2"] : ["1"]).map {
                        "{\"fingerprint\": \"sha256:\(Self.fingerprint($0))\", \"certificate\": \"\"}"
                    }.joined(separator: ", ")
                    authority.status = try ready(
                        authority.metadata,
                        ca == "new" ? "{}" : """
                            {"fingerprint": "sha256:\(Self.fingerprint(ca == "changed" ? "2" : "1"))", "trust": [\(trust)], "revoked": ["09"]}
                            """)
                    ledger[authority.reference] = authority
                }
            }
            if let node = words["node"], node != "missing" {
                var record: Resource<Node> = try draft(
                    """
                    kind: Node
                    metadata: {name: node01}
                    spec:
                      hostname: node01
                      domain: plasma.local
                      interfaces: [{network: lan, address: 10.0.0.\(node == "moved" ? "12" : "11"), mac: "52:54:00:00:01:01"}]
                      machine: {virtual: {memory: 1GiB}}
                    """, PlanCases.Words(values: [:]))
                if node == "leaving" { record.metadata.deletionTimestamp = Self.epoch }
                ledger[record.reference] = record
            }
            var kept: IdentityFacts?
            if words.has("kept") {
                var before = ledger
                if var node = ledger.get(Node.self, "node01") {
                    node.spec.interfaces[0].address = try IPv4Address(scalar: "10.0.0.11")
                    before[node.reference] = node
                }
                let old: Resource<Certificate> = try draft(
                    """
                    kind: Certificate
                    metadata: {name: web}
                    spec:
                      dnsNames: [a.example.org]
                      duration: 24h
                      usages: [server auth, client auth]
                      issuerRef: {name: ca}\(words.has("node") ? "\n  node: node01" : "")
                    """, PlanCases.Words(values: [:]))
                kept = IdentityFacts(
                    certificate: Self.facts(words["kept"] == "revoked" ? "9" : "1"), spec: try #require(Certificate.request(old, Reader(before))),
                    authority: "ca", issuerFingerprint: Self.fingerprint("1"), trust: [Self.fingerprint("1")], revision: 3, renewed: "spent")
            }
            let sight = Certificate.Sight(kept: kept, isDue: words["kept"] == "due")
            return told(Certificate.Planning.plan(Goal(wanted), given: sight, Reader(ledger)))
        }
    }

    @Test func `an authority's plans`() throws {
        try PlanCases.check("certificateauthority.txt") { words in
            var ledger = Ledger()
            let issuer = words["issuer"].map { "\n  issuerRef: {name: \($0 == "circle" ? "ca" : "above")}" } ?? ""
            var authority: Resource<CertificateAuthority> = try draft(
                """
                kind: CertificateAuthority
                metadata: {name: ca}
                spec:
                  commonName: \(words["name"] ?? "ca")
                  duration: 48h
                  privateKey: {algorithm: \(words["algorithm"] ?? "ECDSA")}\(issuer)
                """, words)
            if let renew = words["renew"] { authority.metadata.annotations[Certificate.renewAnnotation] = renew }
            if let revoke = words["revoke"] { authority.metadata.annotations[CertificateAuthority.revokeAnnotation] = revoke.replacing("~", with: "\n") }
            ledger[authority.reference] = authority
            if let issuer = words["issuer"], issuer != "missing", issuer != "circle" {
                var above: Resource<CertificateAuthority> = try draft(
                    "kind: CertificateAuthority\nmetadata: {name: above}\nspec: {commonName: above, maxPathLength: \(issuer == "barren" ? 0 : 2)}",
                    PlanCases.Words(values: [:]))
                above.status = try ready(
                    above.metadata,
                    issuer == "new" ? "{}" : """
                        {"fingerprint": "sha256:\(Self.fingerprint("5"))", "trust": [{"fingerprint": "sha256:\(Self.fingerprint("5"))", "certificate": ""}]}
                        """)
                ledger[above.reference] = above
            }
            if let follower = words["follower"] { ledger[Reference(Certificate.self, "web")] = try self.follower(follower) }
            var kept: AuthorityFacts?
            if words.has("kept") {
                let spec = CertificateSpec.authority(SubjectName(commonName: "ca"), life: 48 * 3600)
                func part(_ digit: String) -> AuthorityFacts.Part {
                    AuthorityFacts.Part(certificate: Self.facts(digit), certificatePEM: "", spec: spec)
                }
                var facts = AuthorityFacts(current: part("1"), revision: 1, revoked: ["01"], listNextUpdate: Self.epoch + 86_400)
                let phase = words["phase"].flatMap(RolloverPhase.init(rawValue:))
                facts.phase = phase
                switch phase {
                case .trustBoth: facts.next = part("2")
                case .reissue: (facts.current, facts.previous) = (part("2"), part("1"))
                case .dropOld: facts.current = part("2")
                case nil: break
                }
                if words.has("settled") { facts.settledAt = Self.epoch }
                kept = facts
            }
            var sight = CertificateAuthority.Sight(
                kept: kept, isDue: words.has("due"), isListDue: words.has("listdue"), isHoldOver: words.has("over"))
            sight.isPressing = words.has("pressing")
            return told(CertificateAuthority.Planning.plan(Goal(authority), given: sight, Reader(ledger)))
        }
    }

    private func follower(_ state: String) throws -> Resource<Certificate> {
        var certificate: Resource<Certificate> = try draft(
            "kind: Certificate\nmetadata: {name: web}\nspec: {dnsNames: [a], issuerRef: {name: ca}}", PlanCases.Words(values: [:]))
        let issuer = ["old", "both"].contains(state) ? "1" : "2"
        let trust = ["old": ["1"], "dropped": ["2"]][state] ?? ["1", "2"]
        let roots = trust.map { "\"sha256:\(Self.fingerprint($0))\"" }.joined(separator: ", ")
        certificate.status = try ready(
            certificate.metadata, "{\"serial\": \"07\", \"authority\": \"ca\", \"issuer\": \"sha256:\(Self.fingerprint(issuer))\", \"trust\": [\(roots)]}")
        if state == "inflight" {
            certificate.status?.detail = Certificate.Status()
            certificate.status?.conditions = Condition.converging("issuing").records(generation: 1, now: Self.epoch, previous: [])
        }
        return certificate
    }

    private func told<K: Kind, A>(_ plan: Plan<K, A>) -> [String] {
        var lines = [plan.condition == .ready ? "ready" : "\(plan.condition.reason): \(plan.condition.message)"]
        lines += plan.actions.map { "  do \($0)" }
        lines += plan.differences.map { "  \($0.path): \($0.seen?.text ?? "-") -> \($0.wanted?.text ?? "-") (\($0.impact.rawValue))" }
        return lines
    }

    private func draft<K: Kind>(_ text: String, _ words: PlanCases.Words) throws -> Resource<K> {
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(("apiVersion: plasma.cloud/v1alpha1\n" + text).utf8))])
        try #require(reading.problems == [])
        var resource = try #require(reading.drafts.first?.resource as? Resource<K>)
        resource.metadata.uid = "uid-\(resource.name)"
        if words.has("leaving") { resource.metadata.deletionTimestamp = Self.epoch }
        return resource
    }

    private func ready<K: Kind>(_ metadata: Metadata, _ detail: String) throws -> StatusRecord<K> {
        StatusRecord(
            observedGeneration: metadata.generation,
            conditions: Condition.ready.records(generation: metadata.generation, now: Self.epoch, previous: []),
            phase: "Ready", detail: try Wire.decode(K.Status.self, from: Array(detail.utf8)))
    }
}
