import Foundation
import PKI
import Reconcile
import Resource

import protocol Host.Time

extension CertificateAuthority {
    /// Looks into the vault, and keeps authorities in it.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let authorities: Authorities
        private let time: any Time

        package init(authorities: Authorities, time: any Time) {
            self.authorities = authorities
            self.time = time
        }

        package func observe(_ goal: Goal<CertificateAuthority>, _ reader: Reader) async throws -> Sight {
            let authority = goal.resource
            guard var kept = try await authorities.facts(of: authority.name) else { return Sight(kept: nil) }
            let spec = authority.spec
            let renewBefore = spec.renewBefore.map { TimeInterval($0.milliseconds) / 1000 }
            let life = TimeInterval(spec.duration.milliseconds) / 1000
            let now = time.date()
            // By a clock that was ahead: how long that is, nobody knows.
            if let settledAt = kept.settledAt, settledAt > now { kept.settledAt = nil }
            let issuer = spec.issuerRef.flatMap { reader.get(CertificateAuthority.self, $0.name.scalarText) }?.status?.detail
            let isDue = kept.phase == nil && Renewal.isDue(
                kept.current.certificate, renewBefore: renewBefore, life: life, uid: authority.metadata.uid, issuerNotAfter: issuer?.notAfter, now: now)
            let due = Renewal.date(of: kept.current.certificate, renewBefore: renewBefore, uid: authority.metadata.uid)
            // Behind an old certificate that has ended, there is nobody to wait for.
            let old = kept.phase == .trustBoth ? kept.current : kept.previous
            let hold = TimeInterval(spec.rolloverHold.milliseconds) / 1000
            let isHoldOver = (kept.settledAt.map { now >= $0.addingTimeInterval(hold) } ?? false) || old.map { now > $0.certificate.notAfter } ?? false
            // What may never follow, as a node that does not come back, or a record that nobody brings in order, is waited for until the time
            // that is left is just enough without it.
            let reserve = max(2 * hold, min(3600, (renewBefore ?? life / 3) / 2))
            let isPressing = old.map { now > $0.certificate.notAfter.addingTimeInterval(-reserve) } ?? (kept.phase == .dropOld && now >= due)
            let next = min(now < due ? due : .distantFuture, RevocationList.due(nextUpdate: kept.listNextUpdate))
            return Sight(
                kept: kept, isDue: isDue, isListDue: RevocationList.isDue(nextUpdate: kept.listNextUpdate, now: now), isHoldOver: isHoldOver, isPressing: isPressing,
                pace: Pace(until: next.timeIntervalSince(now)))
        }

        package func perform(_ action: Action) async throws {
            let now = time.date()
            switch action {
            case .create(let wish): try await authorities.create(wish, now: now)
            case .rollOver(let wish, _): try await authorities.rollOver(wish, now: now)
            case .settle(let name, let phase, _): try await authorities.settle(name, phase, now: now)
            case .advance(let name, let phase): try await authorities.advance(name, from: phase, now: now)
            case .revoke(let name, let serials): try await authorities.revoke(name, serials, now: now)
            case .signLists(let name): try await authorities.signLists(name, now: now)
            case .remove(let name): try await authorities.remove(name, now: now)
            }
        }

        /// Names of authorities whose lists others changed.
        package func wakes() -> AsyncStream<String> { authorities.wakes(time) }

        package func strays(_ reader: Reader) async throws -> [Reconcile.Stray] {
            let known = Set(reader.list(CertificateAuthority.self).map(\.name))
            return try await authorities.names().filter { !known.contains($0) }.map {
                Reconcile.Stray(Reference(CertificateAuthority.self, $0), "a sealed authority and its key in the vault")
            }
        }
    }
}
