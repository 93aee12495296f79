import Chainfire
import Foundation
import Host
import Kinds
import PKI
import Reconcile
import Resource
import Store

/// Certificates issued and rotated, each with a new P-256 key, sealed and fsynced into the vault before it counts: by the
/// room alone with 64 at once, and by the daemon's loops from records, where each has a status and events as well.
func certificateRows(_ options: Options) async throws -> [Row] {
    let count = options.certificates
    let room = try await roomRates(count, options), loops = try await loopRates(count, options)
    func row(_ what: String, _ seconds: Double, _ of: Double) -> Row { Row("certificates", "\(what), \(count) P-256 leaves", "1/min", of / seconds * 60) }
    func both(_ what: String, _ times: (issue: Double, rotate: Double)) -> Row {
        let rate = Double(count) / (times.issue + times.rotate) * 60
        return Row("certificates", "\(what): issued and rotated", "1/min", rate, aim: "≥ 10000/min", isAimMet: rate >= 10_000)
    }
    return [
        row("PKI room, vault and store: issued", room.issue, Double(count)), row("PKI room, vault and store: rotated", room.rotate, Double(count)),
        both("PKI room, vault and store", room),
        row("Certificate loop from record to ready", loops.issue, Double(count)), row("Certificate loop: a change of all specs to all ready again", loops.rotate, Double(count)),
        both("Certificate loop", loops),
    ]
}

private func openVault(_ name: String, _ options: Options) throws -> (store: Chainfire, vault: Vault) {
    let folder = try freshFolder(name, in: options.directory)
    let store = try openChainfire(folder)
    return (store, Vault(store: store, sealingKeyFile: folder + "/vault.key"))
}

private func roomRates(_ count: Int, _ options: Options) async throws -> (issue: Double, rotate: Double) {
    let (store, vault) = try openVault("certificates", options)
    return try await running([store]) {
        let authorities = Authorities(vault: vault), identities = Identities(vault: vault)
        try await authorities.create(.init(name: "ca", spec: .authority(SubjectName(commonName: "bench CA"))), now: Date())
        guard let facts = try await authorities.facts(of: "ca") else { throw BenchFailure("the authority is missing") }
        let issuer = facts.current.certificate.fingerprint
        func all(replacing: Int) async throws -> Double {
            try await timed {
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for lane in 0..<64 {
                        tasks.addTask {
                            for number in stride(from: lane, to: count, by: 64) {
                                let name = "node\(padded(number, 5))"
                                let spec = CertificateSpec.peer(names: ["\(name).bench.local", name, "localhost"], ipAddresses: ["10.\(number >> 16).\(number >> 8 & 255).\(number & 255)"])
                                try await identities.issue(
                                    .init(name: name, spec: spec, authority: "ca", issuerFingerprint: issuer, trust: [issuer], replacing: replacing), now: Date())
                            }
                        }
                    }
                    try await tasks.waitForAll()
                }
            }.1.inSeconds
        }
        let issue = try await all(replacing: 0), rotate = try await all(replacing: 1)
        // What counts is there: each twice issued.
        for number in [0, count / 2, count - 1] {
            guard let kept = try await identities.facts(of: "node\(padded(number, 5))"), kept.revision == 2 else { throw BenchFailure("certificate \(number) was not rotated") }
        }
        return (issue, rotate)
    }
}

private func loopRates(_ count: Int, _ options: Options) async throws -> (issue: Double, rotate: Double) {
    let (store, vault) = try openVault("certificate-loop", options)
    let mirror = makeMirror(store)
    func loops(performs: Bool) -> [AnyLoop] {
        let authorities = CertificateAuthority.Keeper(authorities: Authorities(vault: vault), time: SystemTime())
        let certificates = Certificate.Keeper(identities: Identities(vault: vault), authorities: Authorities(vault: vault), time: SystemTime())
        return [
            AnyLoop(Loop<CertificateAuthority.Planning>(observer: authorities, performer: performs ? authorities : nil, interval: .seconds(60))),
            AnyLoop(Loop<Certificate.Planning>(observer: certificates, performer: performs ? certificates : nil, interval: .seconds(60))),
        ]
    }
    func records(hours: Int) throws -> [any AnyResource] { try drafts(manifest(count, hours: hours)).map(\.resource) }
    return try await running([store]) {
        let first = try records(hours: 2160).map { resource in
            var record = resource
            record.metadata.uid = UUID().uuidString.lowercased()
            record.metadata.finalizers = [Registry.finalizer]
            return record
        }
        try await put(first, into: store)
        let references = first.map(\.reference)
        func ready(_ generation: Int64) async throws {
            // What was ready is not looked at again until all are: the looking must not cost more than what it watches.
            var open = references[...]
            func isReady(_ reference: Reference, _ ledger: Ledger) -> Bool {
                guard let record = ledger[reference] else { return false }
                return record.isReady && (reference.kind != Certificate.name || record.metadata.generation == generation)
            }
            try await wait("all certificates ready", upTo: .seconds(900), every: .milliseconds(20)) {
                let ledger = mirror.ledger
                open = open.drop { isReady($0, ledger) }
                return open.isEmpty && references.allSatisfy { isReady($0, ledger) }
            }
        }
        let workshop = Workshop(mirror: mirror, store: store, time: SystemTime(), kinds: Catalog.table, footing: Footing(loops(performs: false)), logger: silence)
        let start = ContinuousClock.now
        return try await running([mirror] + loops(performs: true).map { $0.controller(workshop) }) {
            try await ready(1)
            let issue = (ContinuousClock.now - start).inSeconds
            // Another life makes another certificate.
            let wanted = Dictionary(uniqueKeysWithValues: try records(hours: 2161).map { ($0.reference, $0) })
            let began = ContinuousClock.now
            let ledger = mirror.ledger
            try await put(references.filter { $0.kind == Certificate.name }.compactMap { reference in
                guard let now = ledger[reference], let next = wanted[reference] else { return nil }
                return now.replacingSpec(with: next)
            }, into: store)
            try await ready(2)
            let rotate = (ContinuousClock.now - began).inSeconds
            for number in [0, count - 1] {
                guard let kept = try await Identities(vault: vault).facts(of: "node\(padded(number, 5))"), kept.revision == 2 else {
                    throw BenchFailure("certificate \(number) was not rotated once")
                }
            }
            return (issue, rotate)
        }
    }
}

private func manifest(_ count: Int, hours: Int) -> String {
    let authority = """
        apiVersion: plasma.cloud/v1alpha1
        kind: CertificateAuthority
        metadata: {name: ca}
        spec: {commonName: bench CA, duration: 87600h, renewBefore: 29200h, privateKey: {algorithm: ECDSA, size: 256}}

        """
    return authority + (0..<count).map { number in
        let name = "node\(padded(number, 5))"
        return """
            ---
            apiVersion: plasma.cloud/v1alpha1
            kind: Certificate
            metadata: {name: \(name)}
            spec:
              commonName: \(name).bench.local
              duration: \(hours)h
              renewBefore: 720h
              privateKey: {algorithm: ECDSA, size: 256}
              dnsNames: [\(name).bench.local, \(name), localhost]
              ipAddresses: [10.\(number >> 16).\(number >> 8 & 255).\(number & 255)]
              usages: [digital signature, key encipherment, server auth, client auth]
              issuerRef: {name: ca}

            """
    }.joined()
}
