import Foundation
import Manifest
import PKI
import Reconcile
import Resource

import struct Crypto.SHA256

extension Certificate {
    package struct Sight: Hashable, Sendable {
        /// What the vault holds.
        package var kept: IdentityFacts?
        /// Whether it is time for a new one.
        package var isDue: Bool
        var pace: Pace

        package init(kept: IdentityFacts?, isDue: Bool = false) {
            self.init(kept: kept, isDue: isDue, pace: .rarely)
        }

        init(kept: IdentityFacts?, isDue: Bool, pace: Pace) {
            self.kept = kept
            self.isDue = isDue
            self.pace = pace
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case issue(Identities.Wish, why: String)
        /// Tells its holder whom to trust from now on.
        case renewTrust(name: String, trust: [String])
        /// `revoking`: whoever has a copy of it, or of one before it, is believed no more.
        case remove(name: String, revoking: String?)

        package var description: String {
            switch self {
            case .issue(let wish, let why): "issue \(wish.name) (\(wish.spec.key)) under \(wish.authority): \(why)"
            case .renewTrust(let name, _): "change the roots that \(name) trusts"
            case .remove(let name, let revoked): "destroy the key of \(name)" + (revoked.map { ", and revoke \($0)" } ?? "")
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = Certificate

        package static func plan(_ goal: Goal<Certificate>, given seen: Sight, _ reader: Reader) -> Plan<Certificate, Action> {
            switch goal {
            case .absent(let certificate): leave(certificate, seen, reader)
            case .present(let certificate): keep(certificate, seen, reader)
            }
        }

        private static func leave(_ certificate: Resource<Certificate>, _ seen: Sight, _ reader: Reader) -> Plan<Certificate, Action> {
            let status = certificate.status(seen)
            guard let kept = seen.kept else { return Plan(.ready, status: status) }
            let node = certificate.spec.node.flatMap { reader.glance(Node.self, $0.scalarText) }
            if let node, node.metadata.isLeaving {
                // Until then it is renewed, and trusts whom it should, like any other.
                var plan = keep(certificate, seen, reader)
                if plan.condition == .ready { plan.condition = .waiting(on: node.reference, "it shows the certificate until it is gone") }
                return plan
            }
            // Revoked, it would cut off a node that stays. And nobody hears of the lists of authorities that all leave.
            let isRevoked = node == nil && isHeard(kept.authority, reader)
            return Plan(
                .converging("destroying the key"),
                [.remove(name: certificate.name, revoking: isRevoked ? "\(kept.certificate.serial) of \(kept.authority)" : nil)],
                status: status, differences: [.leaving("certificate")])
        }

        /// Whether the authority stays, or one above it does.
        private static func isHeard(_ name: String, _ reader: Reader) -> Bool {
            var next: String? = name, seen: Set<String> = []
            while let name = next, seen.insert(name).inserted, let authority = reader.glance(CertificateAuthority.self, name) {
                if !authority.metadata.isLeaving { return true }
                next = authority.spec.issuerRef?.name.scalarText
            }
            return false
        }

        private static func keep(_ certificate: Resource<Certificate>, _ seen: Sight, _ reader: Reader) -> Plan<Certificate, Action> {
            let status = certificate.status(seen)
            // Before anything else: an authority that changes waits for it, and this can be done when no certificate can be issued.
            if let plan = changeOfTrust(certificate, seen, status, reader) { return plan }
            guard let wanted = request(certificate, reader) else {
                let node = Reference(Node.self, certificate.spec.node?.scalarText ?? "")
                return Plan(.waiting(on: node, "it is not there, and the certificate bears its names"), status: status)
            }
            let above = Reference(CertificateAuthority.self, certificate.spec.issuerRef.name.scalarText)
            guard let authority = reader.get(CertificateAuthority.self, above.name) else {
                return Plan(.waiting(on: above, "it is not there"), status: status)
            }
            guard !authority.metadata.isLeaving, let issuer = authority.status?.detail, let fingerprint = issuer.fingerprint else {
                return Plan(.waiting(on: above, reason(authority)), status: status)
            }
            if wanted.isCA, authority.spec.maxPathLength == 0 {
                return Plan(.stalled("isCA: \(above) allows no authority below it (maxPathLength: 0); change one of them"), status: status)
            }
            let differences = Self.differences(certificate, wanted, seen, above, issuer)
            if differences.isEmpty { return Plan(.ready, status: status, lookAgain: seen.pace.lookAgain) }
            return issue(certificate, wanted, seen, issuer, fingerprint, differences, status)
        }

        /// What the authority that signed it says of its roots, told to its holder; nil where that is so already.
        private static func changeOfTrust(
            _ certificate: Resource<Certificate>, _ seen: Sight, _ status: Status, _ reader: Reader
        ) -> Plan<Certificate, Action>? {
            guard let kept = seen.kept, let issuer = reader.get(CertificateAuthority.self, kept.authority)?.status?.detail,
                let trust = issuer.trust?.map(\.fingerprint.hexadecimal), kept.trust != trust
            else { return nil }
            let difference = Difference("trust", seen: list(kept.trust), wanted: list(trust), impact: .reload)
            return Plan(
                .converging("changing whom it trusts"), [.renewTrust(name: certificate.name, trust: trust)], status: status,
                differences: [difference])
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .issue(let wish, _):
                next.isDue = false
                next.kept = IdentityFacts(
                    certificate: .foreseen("certificate \(wish.name)", wish.replacing + 1), spec: wish.spec, authority: wish.authority,
                    issuerFingerprint: wish.issuerFingerprint, trust: wish.trust, revision: wish.replacing + 1, renewed: wish.renewed)
            case .renewTrust(_, let trust): next.kept?.trust = trust
            case .remove: next.kept = nil
            }
            return next
        }

        /// Why a new one is needed; empty when what there is serves.
        private static func differences(
            _ certificate: Resource<Certificate>, _ wanted: CertificateSpec, _ seen: Sight, _ above: Reference,
            _ issuer: CertificateAuthority.Status
        ) -> [Difference] {
            guard let kept = seen.kept else { return [Difference("certificate", seen: nil, wanted: "issued", impact: .none)] }
            var found = Certificate.differences(kept.spec, wanted)
            if kept.authority != above.name {
                found.append(Difference("spec.issuerRef", seen: .string(kept.authority), wanted: .string(above.name), impact: .reload))
            } else if let fingerprint = issuer.fingerprint, fingerprint.hexadecimal != kept.issuerFingerprint {
                found.append(Difference("issuer", seen: .string("sha256:" + kept.issuerFingerprint), wanted: .string(fingerprint.scalarText), impact: .reload))
            }
            if issuer.revoked?.contains(kept.certificate.serial) == true {
                found.append(Difference("serial", seen: .string(kept.certificate.serial + " (revoked)"), wanted: "not revoked", impact: .reload))
            }
            if let asked = certificate.metadata.annotations[renewAnnotation], asked != kept.renewed {
                found.append(Difference("renewal", seen: kept.renewed.map { .string($0) }, wanted: .string(asked), impact: .reload))
            }
            if seen.isDue {
                found.append(Difference("renewal", seen: .string("due"), wanted: "renewed", impact: .reload))
            }
            return found
        }

        private static func issue(
            _ certificate: Resource<Certificate>, _ wanted: CertificateSpec, _ seen: Sight, _ issuer: CertificateAuthority.Status,
            _ fingerprint: Digest, _ differences: [Difference], _ status: Status
        ) -> Plan<Certificate, Action> {
            // A revoked certificate's key may be in other hands.
            let isRevoked = seen.kept.map { issuer.revoked?.contains($0.certificate.serial) == true } ?? false
            let keepsKey = certificate.spec.privateKey.rotationPolicy == .never && seen.kept?.spec.key == wanted.key && !isRevoked
            let wish = Identities.Wish(
                name: certificate.name, spec: wanted, authority: certificate.spec.issuerRef.name.scalarText,
                issuerFingerprint: fingerprint.hexadecimal, trust: (issuer.trust ?? []).map(\.fingerprint.hexadecimal), keepsKey: keepsKey,
                renewed: certificate.metadata.annotations[renewAnnotation] ?? seen.kept?.renewed, replacing: seen.kept?.revision ?? 0)
            let why = seen.kept == nil ? "the first" : differences.map(\.path).joined(separator: ", ")
            return Plan(.converging("issuing"), [.issue(wish, why: why)], status: status, differences: differences)
        }

        private static func list(_ texts: [String]) -> JSON { .array(texts.map { .string("sha256:" + $0) }) }
    }
}

extension CertificateFacts {
    /// One that is not made yet: its fingerprint is another one than any before.
    static func foreseen(_ what: String, _ revision: Int) -> CertificateFacts {
        let hash = SHA256.hash(data: Array("foreseen: \(what) \(revision)".utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
        let epoch = Date(timeIntervalSince1970: 0)
        return CertificateFacts(serial: String(hash.prefix(32)), fingerprint: hash, notBefore: epoch, notAfter: epoch)
    }
}

extension Resource where K == Certificate {
    fileprivate func status(_ seen: Certificate.Sight) -> Certificate.Status {
        var status = Certificate.Status()
        guard let kept = seen.kept else { return status }
        status.serial = kept.certificate.serial
        status.fingerprint = digest(kept.certificate.fingerprint)
        status.notBefore = kept.certificate.notBefore
        status.notAfter = kept.certificate.notAfter
        status.renewalTime = Renewal.date(
            of: kept.certificate, renewBefore: spec.renewBefore.map { TimeInterval($0.milliseconds) / 1000 }, uid: metadata.uid)
        status.revision = kept.revision
        status.authority = try? ObjectName(scalar: kept.authority)
        status.issuer = digest(kept.issuerFingerprint)
        status.trust = kept.trust.compactMap(digest)
        status.renewed = kept.renewed
        status.certificate = kept.certificatePEM
        return status
    }
}
