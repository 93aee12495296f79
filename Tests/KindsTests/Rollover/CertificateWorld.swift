import Foundation
import Host
import PKI
import Reconcile
import Resource
import Simulation

@testable import Kinds

/// A daemon made of values over a real vault: it does with one object at a time what the controller does, in a seeded
/// order, and can crash between writing a status and acting on it, or act twice.
struct CertificateWorld {
    let store = MemoryStore()
    let time = ManualTime()
    let vault: Vault
    var ledger = Ledger()
    var random: SplitMix
    /// What was done, in order.
    var performed: [Reference: [String]] = [:]
    /// One in so many actions is lost to a crash, or done twice; 0: none.
    var faults: UInt64 = 0
    private var authorities: CertificateAuthority.Keeper
    private var certificates: Certificate.Keeper

    init(directory: String, seed: UInt64) {
        random = SplitMix(state: seed)
        vault = Vault(store: store, sealingKeyFile: directory + "/vault.key")
        (authorities, certificates) = Self.keepers(vault, time)
    }

    private static func keepers(_ vault: Vault, _ time: any Time) -> (CertificateAuthority.Keeper, Certificate.Keeper) {
        let authorities = Authorities(vault: vault)
        return (
            CertificateAuthority.Keeper(authorities: authorities, time: time),
            Certificate.Keeper(identities: Identities(vault: vault), authorities: authorities, time: time)
        )
    }

    /// The same world as its keepers see it whose clock is ahead.
    func ahead(_ seconds: TimeInterval) -> CertificateWorld {
        var world = self
        (world.authorities, world.certificates) = Self.keepers(vault, Ahead(time: time, seconds: seconds))
        return world
    }

    private struct Ahead: Time {
        let time: ManualTime
        let seconds: TimeInterval
        func now() -> Instant { time.now() }
        func date() -> Date { time.date().addingTimeInterval(seconds) }
        func sleep(until deadline: Instant) async throws { try await time.sleep(until: deadline) }
    }

    var loops: [AnyLoop] {
        [
            AnyLoop(Loop<CertificateAuthority.Planning>(observer: authorities)), AnyLoop(Loop<Certificate.Planning>(observer: certificates)),
        ]
    }

    mutating func put(_ text: String) throws {
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
        guard reading.problems.isEmpty else { throw Unreadable(why: "\(reading.problems)") }
        for draft in reading.drafts {
            if let old = ledger[draft.resource.reference] {
                ledger[old.reference] = old.replacingSpec(with: draft.resource)
            } else {
                var new = draft.resource
                new.metadata.uid = "uid-\(new.name)"
                ledger[new.reference] = new
            }
        }
    }

    struct Unreadable: Error { var why: String }

    /// One round of one object.
    /// - Returns: whether something came of it.
    mutating func step(_ reference: Reference) async throws -> Bool {
        reference.kind == Certificate.name ? try await step(certificates, reference.name) : try await step(authorities, reference.name)
    }

    /// Rounds of objects in a seeded order, until nothing comes of any.
    mutating func settle(most: Int = 20_000) async throws {
        var quiet: Set<Reference> = []
        for _ in 0..<most {
            let open = ledger.all.map(\.reference).filter { !quiet.contains($0) }
            guard let reference = open.randomElement(using: &random) else { return }
            if try await step(reference) { quiet = [] } else { quiet.insert(reference) }
        }
        throw Unreadable(why: "never came to rest: " + ledger.all.map { "\($0.reference) \($0.summary?.condition("Ready")?.message ?? "")" }.joined(separator: "; "))
    }

    private mutating func step<T: Observer & Performer>(_ keeper: T, _ name: String) async throws -> Bool where T.P: Planner {
        guard let resource = ledger.get(T.P.K.self, name) else { return false }
        let reader = Reader(ledger)
        let goal = Goal(resource)
        let seen = try await keeper.observe(goal, reader) as T.P.Observation
        var plan = T.P.plan(goal, given: seen, reader)
        if !plan.actions.isEmpty, let outdated = await Footing(loops).outdated(under: resource, reader) { plan = plan.held(by: outdated) }
        let isHeld = if case .waiting(_, "looking at it again") = plan.condition { true } else { false }
        let round = Round<T.P>(resource, plan: plan, ledger: ledger, now: Date(timeIntervalSince1970: 0), makeUID: { "" })
        if round.isGone {
            ledger[resource.reference] = nil
            return true
        }
        if let status = round.status { ledger[resource.reference] = status }
        for action in round.actions {
            if faults > 0, random.next() % faults == 0 { break }
            performed[resource.reference, default: []].append(action.description)
            do {
                try await keeper.perform(action)
                if faults > 0, random.next() % faults == 0 { try await keeper.perform(action) }
            } catch PKIError.changed {
                // The controller would look again a little later.
            } catch PKIError.refused(let why) {
                let shown = Plan<T.P.K, T.P.Action>(.failing("\(action): \(why)", attempt: 1), status: plan.status)
                let failed = Round<T.P>(resource, plan: shown, ledger: ledger, now: Date(timeIntervalSince1970: 0), makeUID: { "" })
                if let status = failed.status { ledger[resource.reference] = status }
                return resource.summary?.condition("Ready")?.reason != "Failing"
            }
        }
        return round.status != nil || !round.actions.isEmpty || isHeld
    }
}

/// A root, an authority below it, and certificates of both.
private let manifest = """
    apiVersion: plasma.cloud/v1alpha1
    kind: CertificateAuthority
    metadata: {name: root}
    spec: {commonName: root, rolloverHold: HOLD, privateKey: {algorithm: ROOTKEY}}
    ---
    apiVersion: plasma.cloud/v1alpha1
    kind: CertificateAuthority
    metadata: {name: issuing}
    spec: {commonName: issuing, rolloverHold: HOLD, ISSUER}
    ---
    apiVersion: plasma.cloud/v1alpha1
    kind: Certificate
    metadata: {name: n1}
    spec: {commonName: n1, dnsNames: [n1], duration: 8760h, issuerRef: {name: root}}
    ---
    apiVersion: plasma.cloud/v1alpha1
    kind: Certificate
    metadata: {name: n2}
    spec: {commonName: n2, dnsNames: [n2DNS], duration: 8760h, issuerRef: {name: issuing}, privateKey: {rotationPolicy: ROTATION}}
    ---
    apiVersion: plasma.cloud/v1alpha1
    kind: Certificate
    metadata: {name: n3}
    spec: {commonName: n3, dnsNames: [n3], duration: 8760h, issuerRef: {name: issuing}, privateKey: {algorithm: Ed25519}}

    """

func rolloverText(hold: String = "1h", rootKey: String = "ECDSA", issuer: String = "issuerRef: {name: root}", dns: String = "", rotation: String = "Always") -> String {
    manifest.replacingOccurrences(of: "HOLD", with: hold).replacingOccurrences(of: "ROOTKEY", with: rootKey)
        .replacingOccurrences(of: "ISSUER", with: issuer).replacingOccurrences(of: "DNS", with: dns)
        .replacingOccurrences(of: "ROTATION", with: rotation)
}

func inRolloverDirectory<T>(_ body: (String) async throws -> T) async throws -> T {
    let path = FileManager.default.temporaryDirectory.path + "/plasma-rollover.\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

extension CertificateWorld {
    mutating func annotate(_ reference: Reference, _ key: String, _ value: String?) {
        ledger[reference]?.metadata.annotations[key] = value
    }

    mutating func leave(_ reference: Reference) {
        ledger[reference]?.metadata.deletionTimestamp = Date(timeIntervalSince1970: 0)
    }

    var isReady: Bool { ledger.all.allSatisfy { $0.isReady } }

    var phases: String {
        ledger.all.map { "\($0.reference): \($0.summary?.condition("Ready")?.message ?? "unseen")" }.joined(separator: "; ")
    }
}
