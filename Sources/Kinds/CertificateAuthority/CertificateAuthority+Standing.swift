import Foundation
import Manifest
import PKI
import Reconcile
import Resource

extension CertificateAuthority {
    /// Where an authority stands between what signs it and what hangs on it.
    struct Standing {
        var status: Status
        /// What it is to be.
        var wish: Authorities.Wish
        /// Why nothing can be done.
        var obstacle: Condition?
        private let issuer: Status?
        private let isRenewalAsked: Bool
        private let isRevoked: Bool

        init(_ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts?, _ reader: Reader) {
            let spec = authority.spec
            let above = spec.issuerRef.flatMap { reader.get(CertificateAuthority.self, $0.name.scalarText) }
            issuer = above?.status?.detail
            let asked = authority.metadata.annotations[Certificate.renewAnnotation]
            isRenewalAsked = asked != nil && asked != kept?.renewed
            isRevoked = kept.map { above?.status?.detail.revoked?.contains($0.current.certificate.serial) == true } ?? false
            wish = Authorities.Wish(
                name: authority.name,
                spec: .authority(
                    Certificate.subject(spec.commonName, spec.subject), maxPathLength: Self.pathLength(spec, above),
                    key: Certificate.policy(spec.privateKey), life: spec.duration.milliseconds / 1000),
                issuer: spec.issuerRef?.name.scalarText, issuerFingerprint: issuer?.fingerprint?.hexadecimal, keepsKey: false,
                renewed: asked ?? kept?.renewed)
            // A revoked certificate's key may be in other hands.
            wish.keepsKey = spec.privateKey.rotationPolicy == .never && kept?.current.spec.key == wish.spec.key && !isRevoked
            obstacle = Self.obstacle(authority, above, reader)
            status = Status()
            if let kept { draw(authority, kept, reader) }
        }

        /// Why another certificate is needed, beside what the spec says.
        func differences(_ kept: AuthorityFacts, isDue: Bool) -> [Difference] {
            var found: [Difference] = []
            if kept.current.issuer != wish.issuer {
                found.append(Difference(
                    "spec.issuerRef", seen: kept.current.issuer.map { .string($0) }, wanted: wish.issuer.map { .string($0) }, impact: .reload))
            } else if kept.current.issuerFingerprint != wish.issuerFingerprint {
                found.append(Difference(
                    "issuer", seen: kept.current.issuerFingerprint.map { .string("sha256:" + $0) },
                    wanted: wish.issuerFingerprint.map { .string("sha256:" + $0) }, impact: .reload))
            }
            if isRevoked {
                found.append(Difference("serial", seen: .string(kept.current.certificate.serial + " (revoked)"), wanted: "not revoked", impact: .reload))
            }
            if isRenewalAsked { found.append(Difference("renewal", seen: nil, wanted: wish.renewed.map { .string($0) }, impact: .reload)) }
            if isDue { found.append(Difference("renewal", seen: "due", wanted: "renewed", impact: .reload)) }
            return found
        }

        private mutating func draw(_ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts, _ reader: Reader) {
            let current = kept.current.certificate
            let old = authority.status?.detail
            status.serial = current.serial
            status.fingerprint = digest(current.fingerprint)
            status.notBefore = current.notBefore
            status.notAfter = current.notAfter
            status.renewalTime = Renewal.date(
                of: current, renewBefore: authority.spec.renewBefore.map { TimeInterval($0.milliseconds) / 1000 }, uid: authority.metadata.uid)
            status.revision = kept.revision
            status.rollover = kept.phase?.rawValue
            status.certificate = kept.current.certificatePEM
            status.revoked = kept.revoked.isEmpty ? nil : kept.revoked
            status.crl = kept.listPEM
            status.crlNextUpdate = kept.listNextUpdate
            status.renewed = kept.renewed
            let parts = kept.parts
            let issuers = Set(parts.compactMap(\.issuer)).sorted().compactMap { try? ObjectName(scalar: $0) }
            status.issuers = issuers.isEmpty ? nil : issuers
            let fingerprints = Set(parts.compactMap(\.issuerFingerprint)).sorted().compactMap(digest)
            status.issuerFingerprints = fingerprints.isEmpty ? nil : fingerprints
            status.trust = Self.roots(parts, reader) ?? old?.trust
            // What hangs on it is gone through only while something of it may not have followed: there may be ten thousand.
            let trust = status.trust?.map(\.fingerprint)
            status.spread = old?.spread
            let followers = Followers(authority, phase: kept.phase, remembered: old?.awaits, reader)
            if status.spread != trust {
                status.awaits = followers.firstBehind(trust: trust ?? [])?.description
                if status.awaits == nil { status.spread = trust }
            }
            if status.awaits == nil, kept.phase == .reissue, kept.settledAt == nil, let previous = kept.previous {
                status.awaits = followers.firstUnder(previous.certificate.fingerprint)?.description
            }
        }

        /// The roots that those below it are to trust; nil while a record above does not say.
        private static func roots(_ parts: [AuthorityFacts.Part], _ reader: Reader) -> [Root]? {
            var found: [String: Root] = [:]
            for part in parts {
                if let issuer = part.issuer {
                    guard let above = reader.get(CertificateAuthority.self, issuer)?.status?.detail.trust else { return nil }
                    for root in above { found[root.fingerprint.scalarText] = root }
                } else if let fingerprint = digest(part.certificate.fingerprint) {
                    found[fingerprint.scalarText] = Root(fingerprint: fingerprint, certificate: part.certificatePEM)
                }
            }
            return found.keys.sorted().compactMap { found[$0] }
        }

        static func pathLength(_ spec: Spec, _ above: Resource<CertificateAuthority>?) -> Int? {
            guard let limit = above?.spec.maxPathLength else { return spec.maxPathLength }
            return max(0, min(spec.maxPathLength ?? limit - 1, limit - 1))
        }

        private static func obstacle(
            _ authority: Resource<CertificateAuthority>, _ above: Resource<CertificateAuthority>?, _ reader: Reader
        ) -> Condition? {
            guard let name = authority.spec.issuerRef?.name.scalarText else { return nil }
            let reference = Reference(CertificateAuthority.self, name)
            guard let above else { return .waiting(on: reference, "it is not there") }
            var next: Resource<CertificateAuthority>? = above
            for _ in 0..<16 {
                guard let step = next else { break }
                if step.name == authority.name { return .stalled("issuerRef: its issuers go in a circle (\(authority.name) is above itself); one must be a root") }
                next = step.spec.issuerRef.flatMap { reader.ledger.get(CertificateAuthority.self, $0.name.scalarText) }
            }
            if above.spec.maxPathLength == 0 {
                return .stalled("issuerRef: \(reference) allows no authority below it (maxPathLength: 0); change one of them")
            }
            if above.metadata.isLeaving || above.status?.detail.fingerprint == nil { return .waiting(on: reference, reason(above)) }
            return nil
        }
    }

    /// The objects that hang on an authority, and whether they have followed it: certificates, authorities below it, and installed nodes, which
    /// follow when they have the files.
    private struct Followers {
        private let authority: Resource<CertificateAuthority>
        private let phase: RolloverPhase?
        private let remembered: String?
        private let reader: Reader

        /// - Parameter remembered: who was the first that had not followed when somebody last looked.
        init(_ authority: Resource<CertificateAuthority>, phase: RolloverPhase?, remembered: String?, _ reader: Reader) {
            self.authority = authority
            self.phase = phase
            self.remembered = remembered
            self.reader = reader
        }

        /// The last by name that does not trust exactly these roots: followers go in the order of their names, so that
        /// whoever waits for the last need not look at all the others again and again.
        func firstBehind(trust: [Digest]) -> Reference? {
            first(behind: { $0.trust ?? [] != trust }, node: { $0.trust != trust }, { below, reference in
                // Below two authorities at once, it trusts what both say.
                func holds(_ roots: [Digest]?) -> Bool {
                    below.issuers?.count == 1 ? roots ?? [] == trust : Set(trust).isSubset(of: roots ?? [])
                }
                guard holds(below.trust?.map(\.fingerprint)) else { return .record(reference) }
                if holds(below.spread) { return nil }
                return below.awaitedNode.map { .node($0) } ?? .record(reference)
            })
        }

        /// The last by name that was signed by a certificate of the authority.
        func firstUnder(_ fingerprint: String) -> Reference? {
            let fingerprint = digest(fingerprint)
            return first(behind: { $0.issuer == fingerprint }, node: { $0.issuer == fingerprint }, { below, reference in
                fingerprint.map { below.issuerFingerprints?.contains($0) == true } == true ? .record(reference) : nil
            })
        }

        /// Whom there is to wait for: something that is to be signed or told anew, or a node that is to have it.
        private enum Lag { case record(Reference), node(Reference) }

        /// A record goes before any node: while an old root leaves the bundles, a node is not waited for, and a record is.
        private func first(
            behind isBehind: (Certificate.Status) -> Bool, node isNodeBehind: (Installation.Delivered) -> Bool, _ belowLag: (Status, Reference) -> Lag?
        ) -> Reference? {
            func lag(_ reference: Reference) -> Lag? {
                switch reference.kind {
                case Certificate.name:
                    guard let certificate = reader.ledger.get(Certificate.self, reference.name), let status = certificate.status else { return nil }
                    guard status.detail.serial != nil else { return isInFlight(certificate) ? .record(reference) : nil }
                    guard status.detail.authority?.scalarText == authority.name else { return nil }
                    if isBehind(status.detail) { return .record(reference) }
                    guard let installation = installation(of: certificate), installation.status?.detail.delivered.map(isNodeBehind) ?? true else { return nil }
                    return .node(installation.reference)
                case CertificateAuthority.name:
                    guard let below = reader.ledger.get(CertificateAuthority.self, reference.name), let status = below.status else { return nil }
                    guard status.detail.serial != nil else { return isInFlight(below) ? .record(reference) : nil }
                    return status.detail.issuers?.contains { $0.scalarText == authority.name } == true ? belowLag(status.detail, reference) : nil
                default: return nil
                }
            }
            // Looked at again when it changes.
            func found(_ reference: Reference) -> Reference {
                _ = reader.follower(reference)
                return reference
            }
            if let remembered = remembered.flatMap(CertificateAuthority.reference), case .record(let reference)? = lag(remembered) { return found(reference) }
            var node: Reference?
            for reference in reader.ledger.mentioning(authority.reference).reversed() {
                switch lag(reference) {
                case .record(let reference): return found(reference)
                case .node(let reference): node = node ?? reference
                case nil: break
                }
            }
            return node.map(found)
        }

        /// That of the node which has this certificate, once its system is there.
        private func installation(of certificate: Resource<Certificate>) -> Resource<Installation>? {
            guard let node = certificate.spec.node?.scalarText, let found = reader.ledger.get(Installation.self, node), !found.metadata.isLeaving,
                let detail = found.status?.detail, detail.system != nil
            else { return nil }
            // Only one of a node's certificates is put on it, and none where the cluster trusts nobody.
            if let delivered = detail.delivered { return delivered.certificate == certificate.name ? found : nil }
            let unnoted = Reader(reader.ledger)
            guard Rendering.cluster(of: node, unnoted)?.spec.trust != nil else { return nil }
            return Rendering.certificate(of: node, unnoted)?.name == certificate.name ? found : nil
        }

        /// What was announced, and may have been issued although its record does not say so yet. Of one that cannot be issued at all nothing
        /// keeps an old root in the bundles.
        private func isInFlight(_ record: any AnyResource) -> Bool {
            phase != .dropOld && ["Issuing", "Failing"].contains(record.summary?.condition("Ready")?.reason ?? "")
        }
    }

    fileprivate static func reference(_ text: String) -> Reference? {
        let parts = text.split(separator: "/").map(String.init)
        return parts.count == 2 ? Reference(kind: parts[0], name: parts[1]) : nil
    }
}

extension CertificateAuthority.Status {
    /// The installed node that it waits for, where that is one.
    var awaitedNode: Reference? {
        awaits.flatMap(CertificateAuthority.reference).flatMap { $0.kind == Installation.name ? $0 : nil }
    }
}
