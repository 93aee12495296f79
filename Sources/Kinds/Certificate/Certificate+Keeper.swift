import Foundation
import PKI
import Reconcile
import Resource

import protocol Host.Time

extension Certificate {
    /// Looks into the vault, and issues into it.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let identities: Identities
        private let authorities: Authorities
        private let time: any Time

        package init(identities: Identities, authorities: Authorities, time: any Time) {
            self.identities = identities
            self.authorities = authorities
            self.time = time
        }

        package func observe(_ goal: Goal<Certificate>, _ reader: Reader) async throws -> Sight {
            let certificate = goal.resource
            guard let kept = try await identities.facts(of: certificate.name) else { return Sight(kept: nil) }
            let spec = certificate.spec
            let renewBefore = spec.renewBefore.map { TimeInterval($0.milliseconds) / 1000 }
            let now = time.date()
            let due = Renewal.date(of: kept.certificate, renewBefore: renewBefore, uid: certificate.metadata.uid)
            let issuer = reader.get(CertificateAuthority.self, spec.issuerRef.name.scalarText)?.status?.detail
            let isDue = Renewal.isDue(
                kept.certificate, renewBefore: renewBefore, life: TimeInterval(spec.duration.milliseconds) / 1000,
                uid: certificate.metadata.uid, issuerNotAfter: issuer?.notAfter, now: now)
            return Sight(kept: kept, isDue: isDue, pace: now < due ? Pace(until: due.timeIntervalSince(now)) : .minutes)
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .issue(let wish, _): try await identities.issue(wish, now: time.date())
            case .renewTrust(let name, let trust): try await identities.renewTrust(name, trust)
            case .remove(let name, let revoked):
                try await identities.remove(name, revokingIn: revoked == nil ? nil : authorities, now: time.date())
            }
        }

        package func strays(_ reader: Reader) async throws -> [Reconcile.Stray] {
            let known = Set(reader.list(Certificate.self).map(\.name))
            return try await identities.names().filter { !known.contains($0) }.map {
                Reconcile.Stray(Reference(Certificate.self, $0), "a sealed certificate and its key in the vault")
            }
        }
    }
}
