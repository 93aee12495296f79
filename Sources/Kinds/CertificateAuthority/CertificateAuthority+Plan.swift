import Foundation
import Manifest
import PKI
import Reconcile
import Resource

extension CertificateAuthority {
    package struct Sight: Hashable, Sendable {
        /// What the vault holds.
        package var kept: AuthorityFacts?
        /// Whether it is time for a new certificate.
        package var isDue: Bool
        /// Whether the revocation lists must be signed anew.
        package var isListDue: Bool
        /// Whether the phase of a change has lasted long enough since it reached everything.
        package var isHoldOver: Bool
        /// Whether there is no time left to wait for what does not follow: the certificate that is to go will soon have ended, or the next change is due.
        var isPressing = false
        var pace: Pace

        package init(kept: AuthorityFacts?, isDue: Bool = false, isListDue: Bool = false, isHoldOver: Bool = false) {
            self.init(kept: kept, isDue: isDue, isListDue: isListDue, isHoldOver: isHoldOver, pace: .rarely)
        }

        init(kept: AuthorityFacts?, isDue: Bool, isListDue: Bool, isHoldOver: Bool, isPressing: Bool = false, pace: Pace) {
            self.kept = kept
            self.isDue = isDue
            self.isListDue = isListDue
            self.isHoldOver = isHoldOver
            self.isPressing = isPressing
            self.pace = pace
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case create(Authorities.Wish)
        case rollOver(Authorities.Wish, why: String)
        /// `holds`: the phase lasts some time yet.
        case settle(name: String, RolloverPhase, holds: Bool)
        case advance(name: String, from: RolloverPhase)
        case revoke(name: String, [String])
        case signLists(name: String)
        case remove(name: String)

        package var description: String {
            switch self {
            case .create(let wish): "issue \(wish.name) (\(wish.spec.key))" + (wish.issuer.map { " under \($0)" } ?? "")
            case .rollOver(let wish, let why):
                "change \(wish.name) to a new certificate (\(wish.spec.key))" + (wish.issuer.map { " under \($0)" } ?? "") + ": \(why)"
            case .settle(let name, let phase, _): "note that \(phase.rawValue) of \(name) has reached everything"
            case .advance(let name, let phase): "end \(phase.rawValue) of \(name)"
            case .revoke(let name, let serials): "revoke \(serials.joined(separator: ", ")) of \(name)"
            case .signLists(let name): "sign the revocation list of \(name)"
            case .remove(let name): "destroy the key of \(name)"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = CertificateAuthority

        package static func plan(
            _ goal: Goal<CertificateAuthority>, given seen: Sight, _ reader: Reader
        ) -> Plan<CertificateAuthority, Action> {
            switch (goal, seen.kept) {
            case (.absent(let authority), let kept): leave(authority, kept, seen, reader)
            case (.present(let authority), let kept): present(authority, kept, seen, reader)
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .create(let wish):
                next.kept = AuthorityFacts(
                    current: .foreseen(wish, 1), renewed: wish.renewed, listNextUpdate: Date(timeIntervalSince1970: 0))
            case .rollOver(let wish, _):
                guard var kept = seen.kept else { break }
                kept.revision += 1
                kept.renewed = wish.renewed
                kept.settledAt = nil
                let part = AuthorityFacts.Part.foreseen(wish, kept.revision)
                if part.issuer != nil, part.issuer == kept.current.issuer {
                    (kept.previous, kept.current, kept.phase) = (kept.current, part, .reissue)
                } else {
                    (kept.next, kept.phase) = (part, .trustBoth)
                }
                (next.kept, next.isDue, next.isHoldOver) = (kept, false, false)
            case .settle(_, _, let holds):
                next.kept?.settledAt = Date(timeIntervalSince1970: 0)
                next.isHoldOver = !holds
            case .advance(_, let phase):
                guard var kept = seen.kept else { break }
                kept.settledAt = nil
                switch phase {
                case .trustBoth: (kept.previous, kept.current, kept.next, kept.phase) = (kept.current, kept.next ?? kept.current, nil, .reissue)
                case .reissue: (kept.previous, kept.phase) = (nil, .dropOld)
                case .dropOld: kept.phase = nil
                }
                (next.kept, next.isHoldOver) = (kept, false)
            case .revoke(_, let serials): next.kept?.revoked += serials
            case .signLists: next.isListDue = false
            case .remove: next.kept = nil
            }
            return next
        }

        /// The key is not destroyed while anything hangs on it, and until then its lists are kept good.
        private static func leave(
            _ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts?, _ seen: Sight, _ reader: Reader
        ) -> Plan<CertificateAuthority, Action> {
            guard let kept else { return Plan(.ready, status: Status()) }
            guard let user = user(of: authority, reader) else {
                var status = authority.status?.detail ?? Status()
                status.awaits = nil
                return Plan(
                    .converging("destroying the key"), [.remove(name: authority.name)], status: status, differences: [.leaving("authority")])
            }
            var standing = Standing(authority, kept, reader)
            standing.status.awaits = nil
            return tend(authority, kept, seen, standing) ?? Plan(user, status: standing.status, lookAgain: seen.pace.lookAgain)
        }

        /// What it waits for before it can go.
        private static func user(of authority: Resource<CertificateAuthority>, _ reader: Reader) -> Condition? {
            let below: [any AnyResource] =
                reader.mentioning(authority.reference, Certificate.self) + reader.mentioning(authority.reference, CertificateAuthority.self)
            if let user = below.first { return .waiting(on: user.reference, "the authority signs for it") }
            let cluster = reader.list(Cluster.self).first {
                $0.spec.trust?.certificateAuthority.scalarText == authority.name && !$0.metadata.isLeaving
            }
            return cluster.map { .waiting(on: $0.reference, "it trusts the authority") }
        }

        /// What needs nothing but its own key, and waits for nobody: to revoke, and to sign the lists anew.
        private static func tend(
            _ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts, _ seen: Sight, _ standing: Standing
        ) -> Plan<CertificateAuthority, Action>? {
            let revoked = Set(asked(of: authority).serials).subtracting(kept.revoked).sorted()
            if !revoked.isEmpty {
                let difference = Difference("revoked", seen: nil, wanted: .array(revoked.map { .string($0) }), impact: .none)
                return Plan(
                    .converging("revoking"), [.revoke(name: authority.name, revoked)], status: standing.status, differences: [difference])
            }
            guard seen.isListDue else { return nil }
            let difference = Difference("revocationList", seen: "ends soon", wanted: "signed", impact: .none)
            return Plan(
                .converging("signing the revocation list"), [.signLists(name: authority.name)], status: standing.status, differences: [difference])
        }

        private static func present(
            _ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts?, _ seen: Sight, _ reader: Reader
        ) -> Plan<CertificateAuthority, Action> {
            var standing = Standing(authority, kept, reader)
            if let kept, let plan = tend(authority, kept, seen, standing) { return plan }
            if let obstacle = standing.obstacle { return Plan(obstacle, status: standing.status) }
            guard let kept else {
                let difference = Difference("authority", seen: nil, wanted: "issued", impact: .none)
                return Plan(.converging("issuing"), [.create(standing.wish)], status: standing.status, differences: [difference])
            }
            if let phase = kept.phase { return go(on: phase, authority, kept, seen, standing) }
            var differences = Certificate.differences(kept.current.spec, standing.wish.spec)
            differences += standing.differences(kept, isDue: seen.isDue)
            guard differences.isEmpty else {
                standing.wish.replacing = kept.current.certificate.fingerprint
                let why = differences.map(\.path).joined(separator: ", ")
                return Plan(.converging("changing"), [.rollOver(standing.wish, why: why)], status: standing.status, differences: differences)
            }
            if let word = asked(of: authority).unreadable.first {
                let wrong = "\"\(word)\" in the annotation \(revokeAnnotation) is not a serial number in hexadecimal, and revokes nothing; put it right, or take it out"
                return Plan(.stalled(wrong), status: standing.status, lookAgain: seen.pace.lookAgain)
            }
            return Plan(.ready, status: standing.status, lookAgain: seen.pace.lookAgain)
        }

        private static func go(
            on phase: RolloverPhase, _ authority: Resource<CertificateAuthority>, _ kept: AuthorityFacts, _ seen: Sight, _ standing: Standing
        ) -> Plan<CertificateAuthority, Action> {
            let name = authority.name
            let hold = authority.spec.rolloverHold
            let difference = Difference("rollover", seen: .string(phase.rawValue), wanted: nil, impact: .reload)
            // To wait is no drift: there is a difference only where something is to be done.
            func plan(_ what: String, _ actions: [Action] = []) -> Plan<CertificateAuthority, Action> {
                Plan(
                    .converging("rolling over; \(phase.rawValue): \(what)"), actions, status: standing.status,
                    differences: actions.isEmpty ? [] : [difference], lookAgain: .seconds(2))
            }
            if let node = standing.status.awaitedNode {
                // One that trusts the old root for longer does no harm.
                if phase != .dropOld, !seen.isPressing {
                    return plan("\(node) has not put \(phase == .reissue ? "the new certificate" : "the same roots") on its node yet")
                }
            } else if let behind = standing.status.awaits, !seen.isPressing {
                return plan(phase == .reissue ? "\(behind) is not issued anew yet" : "\(behind) does not trust the same roots yet")
            }
            if phase == .dropOld { return plan("everything has followed", [.advance(name: name, from: phase)]) }
            if kept.settledAt == nil {
                return plan("everything has followed", [.settle(name: name, phase, holds: hold > .seconds(0))])
            }
            if seen.isHoldOver { return plan("held for \(hold.scalarText)", [.advance(name: name, from: phase)]) }
            return plan("everything has followed; held for \(hold.scalarText), so that everybody fetches it")
        }

        private static func asked(of authority: Resource<CertificateAuthority>) -> (serials: [String], unreadable: [String]) {
            revocations(in: authority.metadata.annotations[revokeAnnotation] ?? "")
        }
    }

    /// Serial numbers to revoke, parted by commas or space. What was revoked stays so when the annotation goes.
    package static let revokeAnnotation = "plasma.cloud/revoke"

    /// What an annotation asks to revoke, and what of it is no serial number.
    package static func revocations(in text: String) -> (serials: [String], unreadable: [String]) {
        let words = text.split { $0 == "," || $0.isWhitespace }.map(String.init)
        return (words.compactMap(SerialNumber.normal), words.filter { SerialNumber.normal($0) == nil })
    }
}

extension AuthorityFacts.Part {
    fileprivate static func foreseen(_ wish: Authorities.Wish, _ revision: Int) -> AuthorityFacts.Part {
        AuthorityFacts.Part(
            certificate: .foreseen("authority \(wish.name)", revision), certificatePEM: "", spec: wish.spec, issuer: wish.issuer,
            issuerFingerprint: wish.issuerFingerprint)
    }
}
