import Foundation
import Host
import Store
import Synchronization

/// The authorities that a vault keeps. Every change is one write of one value, and one that was made already is not made
/// again: what is asked names what it takes the place of.
package struct Authorities: Sendable {
    let vault: Vault
    private let makeSerial: @Sendable () -> SerialNumber
    private let signers = SignerCache()
    private let listeners = Listeners()

    private final class Listeners: Sendable {
        struct State {
            var changed: Set<String> = []
            var bell: AsyncStream<Void>.Continuation?
        }
        let state = Mutex(State())
    }

    /// What an authority is to be.
    package struct Wish: Hashable, Sendable {
        package var name: String
        package var spec: CertificateSpec
        /// The authority that signs it, and the fingerprint of the certificate it is to sign with; nil: itself.
        package var issuer: String?
        package var issuerFingerprint: String?
        /// Go on with the key it has.
        package var keepsKey: Bool
        /// The request for a renewal that this honours.
        package var renewed: String?
        /// Fingerprint of the certificate that it takes the place of; nil for the first.
        package var replacing: String?

        package init(
            name: String, spec: CertificateSpec, issuer: String? = nil, issuerFingerprint: String? = nil, keepsKey: Bool = false,
            renewed: String? = nil, replacing: String? = nil
        ) {
            self.name = name
            self.spec = spec
            self.issuer = issuer
            self.issuerFingerprint = issuerFingerprint
            self.keepsKey = keepsKey
            self.renewed = renewed
            self.replacing = replacing
        }
    }

    package init(vault: Vault, makeSerial: @escaping @Sendable () -> SerialNumber = { SerialNumber() }) {
        self.vault = vault
        self.makeSerial = makeSerial
    }

    /// What may be told of an authority; nil when there is none yet.
    package func facts(of name: String) async throws(PKIError) -> AuthorityFacts? {
        try await vault.authority(name).map { AuthorityFacts($0.value) }
    }

    /// The names of all that are kept.
    package func names() async throws(PKIError) -> [String] {
        try await vault.names(below: SealedAuthority.name("")).map { String($0.dropFirst(SealedAuthority.name("").count)) }
    }

    /// The first certificate of an authority. Nothing happens when it has one.
    package func create(_ wish: Wish, now: Date) async throws(PKIError) {
        guard try await vault.authority(wish.name) == nil else { return }
        let (part, standingOn) = try await make(wish, keyPEM: nil, now)
        var sealed = SealedAuthority(
            current: part, revision: 1, renewed: wish.renewed, revoked: [],
            list: .init(number: 0, thisUpdate: now, nextUpdate: now, pem: ""))
        try sealed.signLists(now)
        try await vault.replace(SealedAuthority.name(wish.name), expecting: 0, with: sealed, standingOn: standingOn)
    }

    /// Begins a change to another certificate: by making both trusted, where that is not so already.
    package func rollOver(_ wish: Wish, now: Date) async throws(PKIError) {
        try await change(wish.name) { kept, vault throws(PKIError) in
            guard kept.phase == nil, kept.current.facts.fingerprint == wish.replacing else { return [] }
            let (part, standingOn) = try await make(wish, keyPEM: wish.keepsKey ? kept.current.material.keyPEM : nil, now)
            let isTrusted = part.issuer != nil && part.issuer == kept.current.issuer
            kept.revision += 1
            kept.renewed = wish.renewed
            kept.settledAt = nil
            if isTrusted {
                (kept.previous, kept.current, kept.phase) = (kept.current, part, .reissue)
                try kept.signLists(now)
            } else {
                (kept.next, kept.phase) = (part, .trustBoth)
            }
            return standingOn
        }
    }

    /// Notes that a phase has reached everything that hangs on the authority. What a clock that was ahead noted does not count.
    package func settle(_ name: String, _ phase: RolloverPhase, now: Date) async throws(PKIError) {
        try await change(name) { kept, _ in
            if kept.phase == phase, kept.settledAt.map({ $0 > now }) ?? true { kept.settledAt = now }
            return []
        }
    }

    /// Ends a phase.
    package func advance(_ name: String, from phase: RolloverPhase, now: Date) async throws(PKIError) {
        var replaced: [RevocationList.Entry] = []
        if phase == .reissue, try await vault.authority(name)?.value.isRenamed == true { replaced = try await standing(of: name, now, currentToo: false) }
        try await change(name) { kept, _ throws(PKIError) in
            guard kept.phase == phase else { return [] }
            kept.settledAt = nil
            switch phase {
            case .trustBoth:
                guard let next = kept.next else { throw .damaged(SealedAuthority.name(name)) }
                (kept.previous, kept.current, kept.next, kept.phase) = (kept.current, next, nil, .reissue)
                try kept.signLists(now)
            case .reissue:
                // Under another name, the lists to come say nothing of what was signed before; all of that has been made anew.
                if let old = kept.previous, kept.isRenamed {
                    kept.inherit([try kept.lastList(of: old, and: replaced, now)].compactMap { $0 })
                }
                (kept.previous, kept.phase) = (nil, .dropOld)
                try kept.signLists(now)
            case .dropOld: kept.phase = nil
            }
            return []
        }
    }

    /// Puts serial numbers (as `SerialNumber.normal` writes them) on the list, for good.
    package func revoke(_ name: String, _ serials: [String], now: Date) async throws(PKIError) {
        try await revoke(name, serials.map { RevocationList.Entry(serial: $0, date: now) }, now: now)
    }

    /// The same, of certificates whose end is known.
    package func revoke(_ name: String, _ entries: [RevocationList.Entry], now: Date) async throws(PKIError) {
        try await change(name) { kept, _ throws(PKIError) in
            let known = Set(kept.revoked.map(\.serial))
            var new = Dictionary(entries.map { ($0.serial, $0) }, uniquingKeysWith: { first, _ in first }).values
                .filter { !known.contains($0.serial) }.sorted { $0.serial < $1.serial }
            if new.isEmpty { return [] }
            for index in new.indices { new[index].date = Date(timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down)) }
            kept.revoked += new
            try kept.signLists(now)
            return []
        }
        let bell = listeners.state.withLock { state in
            state.changed.insert(name)
            return state.bell
        }
        bell?.yield()
    }

    /// Names of authorities whose lists were changed on behalf of others; of many changes within a second one is told.
    package func wakes(_ time: any Time) -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let (bells, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        listeners.state.withLock { $0.bell = bell }
        let task = Task { [listeners] in
            for await _ in bells {
                do { try await time.sleep(for: .seconds(1)) } catch { break }
                let names = listeners.state.withLock { state in
                    defer { state.changed = [] }
                    return state.changed.sorted()
                }
                for name in names { continuation.yield(name) }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Signs the lists anew.
    package func signLists(_ name: String, now: Date) async throws(PKIError) {
        try await change(name) { kept, _ throws(PKIError) in
            try kept.signLists(now)
            return []
        }
    }

    /// Destroys the authority and its keys. The one above it keeps its lists, as long as what it signed could be shown.
    package func remove(_ name: String, now: Date) async throws(PKIError) {
        if let gone = try await vault.authority(name)?.value {
            let issuers = Set(gone.parts.compactMap(\.issuer)).sorted()
            // Below a root that goes nothing is believed.
            let signed = issuers.isEmpty ? [] : try await standing(of: name, now, currentToo: true)
            for above in issuers {
                let parts = gone.parts.filter { $0.issuer == above }
                var lists = gone.inherited ?? []
                for part in parts { if let last = try gone.lastList(of: part, and: signed, now) { lists.append(last) } }
                do throws(PKIError) {
                    try await change(above) { kept, _ throws(PKIError) in
                        kept.inherit(lists)
                        try kept.signLists(now)
                        return []
                    }
                    try await revoke(
                        above, parts.map { RevocationList.Entry(serial: $0.facts.serial, date: now, notAfter: $0.facts.notAfter) }, now: now)
                } catch .missing {}
            }
        }
        try await vault.delete(SealedAuthority.name(name))
    }

    /// What it signed and could still be shown, of the certificates that are kept.
    /// - Parameter currentToo: those in use as well, and not only what they took the place of.
    private func standing(of name: String, _ now: Date, currentToo: Bool) async throws(PKIError) -> [RevocationList.Entry] {
        var found: [RevocationList.Entry] = []
        for path in try await vault.names(below: SealedCertificate.name("")) {
            let certificate = String(path.dropFirst(SealedCertificate.name("").count))
            guard let kept = try await vault.certificate(certificate)?.value else { continue }
            found += kept.standing(now).filter { $0.authority == name && (currentToo || $0.serial != kept.facts.serial) }
                .map { RevocationList.Entry(serial: $0.serial, date: now, notAfter: $0.notAfter) }
        }
        return found
    }

    private func make(
        _ wish: Wish, keyPEM: String?, _ now: Date
    ) async throws(PKIError) -> (SealedAuthority.Part, standingOn: [(name: String, revision: Revision)]) {
        guard let issuer = wish.issuer else {
            let (material, facts) = try AuthorityMaterial.make(wish.spec, keyPEM: keyPEM, now: now, serial: makeSerial())
            return (SealedAuthority.Part(material: material, facts: facts, spec: wish.spec), [])
        }
        guard let above = try await vault.authority(issuer) else { throw .missing("the authority \(issuer)") }
        let current = above.value.current
        guard current.facts.fingerprint == wish.issuerFingerprint else { throw .changed("the authority \(issuer)") }
        let (material, facts) = try signers.signer(current).issueAuthority(wish.spec, keyPEM: keyPEM, now: now, serial: makeSerial())
        let part = SealedAuthority.Part(
            material: material, facts: facts, spec: wish.spec, issuer: issuer, issuerFingerprint: current.facts.fingerprint)
        return (part, [(SealedAuthority.name(issuer), above.revision)])
    }

    /// Changes what is kept, if the body changes it; from the beginning where somebody else has changed it meanwhile, as many do who revoke
    /// at once what an authority signed.
    private func change(
        _ name: String,
        _ body: (inout SealedAuthority, Vault) async throws(PKIError) -> [(name: String, revision: Revision)]
    ) async throws(PKIError) {
        for _ in 0..<16 {
            guard let kept = try await vault.authority(name) else { throw .missing("the authority \(name)") }
            var next = kept.value
            let standingOn = try await body(&next, vault)
            if next == kept.value { return }
            do {
                return try await vault.replace(SealedAuthority.name(name), expecting: kept.revision, with: next, standingOn: standingOn)
            } catch .changed {
                continue
            }
        }
        throw .changed("the authority \(name)")
    }
}

/// Signers that were parsed lately: a fleet is issued by one or two.
final class SignerCache: Sendable {
    private let known = Mutex<[String: Signer]>([:])

    func signer(_ part: SealedAuthority.Part) throws(PKIError) -> Signer {
        let fingerprint = part.facts.fingerprint
        if let signer = known.withLock({ $0[fingerprint] }) { return signer }
        let signer = try part.material.signer()
        known.withLock { known in
            if known.count >= 16 { known = [:] }
            known[fingerprint] = signer
        }
        return signer
    }
}
