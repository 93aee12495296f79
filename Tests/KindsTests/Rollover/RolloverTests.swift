import Foundation
import Host
import PKI
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What each of three machines has fetched last, and whether each accepts what the others show.
private struct Machines {
    static let names = ["n1", "n2", "n3"]
    var held: [String: IssuedIdentity] = [:]
    var fetchedAt: [String: Duration] = [:]
    /// Verdicts of a chain against roots: they do not change while nothing ends.
    private var verdicts: [String: Bool] = [:]
    var handshakes = 0
    var verified: Int { verdicts.count }

    mutating func fetch(_ name: String, _ world: CertificateWorld) async throws {
        if let identity = try await world.vault.identity(ofCertificate: name) { held[name] = identity }
        fetchedAt[name] = world.time.now().sinceStart
    }

    /// Every pair, in both directions.
    /// - Parameter names: who belongs together.
    /// - Returns: who refuses whom.
    mutating func shakeHands(_ world: CertificateWorld, among names: [String] = names) async throws -> [String] {
        var failures: [String] = []
        for server in names {
            for client in names where client != server {
                guard let shown = held[server], let trusting = held[client] else { continue }
                handshakes += 1
                let key = shown.serial + " " + trusting.trustPEM + shown.certificatePEM
                if verdicts[key] == nil {
                    verdicts[key] = try await verify(shown.certificatePEM, trusting.trustPEM, world.time.date())
                }
                if verdicts[key] != true { failures.append("\(client) refuses \(server)") }
            }
        }
        return failures
    }
}

private func seeds(_ count: Int) -> [UInt64] {
    if let one = ProcessInfo.processInfo.environment["PLASMA_SEED"].flatMap(UInt64.init) { return [one] }
    let percent = ProcessInfo.processInfo.environment["PLASMA_SIMULATION_PERCENT"].flatMap(Int.init) ?? 100
    return (1...UInt64(max(1, count * percent / 100))).map { $0 }
}

@Suite struct RolloverTests {
    /// Something that makes an authority change, or a certificate beside it.
    private enum Cause: CaseIterable { case renewRoot, renewIssuing, rootKey, issuerLeaves, issuerReturns, names, revoke, renewLeaf, rotation }

    @Test func `no handshake fails, whatever changes and in whatever order it is noticed`() async throws {
        var handshakes = 0, verified = 0, rollovers = 0
        for seed in seeds(40) {
            try await inRolloverDirectory { path in
                var world = CertificateWorld(directory: path, seed: seed)
                var machines = Machines()
                var (key, issuer, dns, rotation) = ("ECDSA", "issuerRef: {name: root}", "", "Always")
                try world.put(rolloverText())
                try await world.settle()
                for name in Machines.names { try await machines.fetch(name, world) }
                world.faults = world.random.next() % 2 == 0 ? 0 : 7
                // An authority that leaves its root takes those below it along, and parts them from the others.
                let parts = seed % 2 == 0
                let together = parts ? ["n2", "n3"] : Machines.names
                for turn in 0..<400 {
                    // Half the run changes things, the other half brings them to rest.
                    if turn < 200, world.random.next() % 40 == 0 {
                        let cause = Cause.allCases.randomElement(using: &world.random)!
                        switch cause {
                        case .renewRoot: world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "\(turn)")
                        case .renewIssuing: world.annotate(Reference(CertificateAuthority.self, "issuing"), Certificate.renewAnnotation, "\(turn)")
                        case .renewLeaf: world.annotate(Reference(Certificate.self, "n1"), Certificate.renewAnnotation, "\(turn)")
                        case .rootKey: key = key == "ECDSA" ? "Ed25519" : "ECDSA"
                        case .issuerLeaves where !parts, .issuerReturns where !parts: break
                        case .issuerLeaves: issuer = "duration: 87600h"
                        case .issuerReturns: issuer = "issuerRef: {name: root}"
                        case .names: dns = "-\(turn)"
                        case .rotation: rotation = rotation == "Always" ? "Never" : "Always"
                        case .revoke:
                            let serial = world.ledger.get(Certificate.self, "n3")?.status?.detail.serial ?? "01"
                            world.annotate(Reference(CertificateAuthority.self, "issuing"), CertificateAuthority.revokeAnnotation, serial)
                        }
                        try world.put(rolloverText(rootKey: key, issuer: issuer, dns: dns, rotation: rotation))
                    }
                    switch world.random.next() % 4 {
                    case 0:
                        // Time passes, but nobody goes without fetching for as long as the hold.
                        world.time.advance(by: .seconds(Int64(world.random.next() % 600)))
                        for name in Machines.names where world.time.now().sinceStart - (machines.fetchedAt[name] ?? .zero) > .seconds(2400) {
                            try await machines.fetch(name, world)
                        }
                    case 1: try await machines.fetch(Machines.names.randomElement(using: &world.random)!, world)
                    default:
                        for _ in 0..<3 { _ = try await world.step(world.ledger.all.map(\.reference).randomElement(using: &world.random)!) }
                    }
                    let failures = try await machines.shakeHands(world, among: together)
                    #expect(failures == [], "seed \(seed) turn \(turn): \(failures); \(world.phases)")
                    if !failures.isEmpty { return }
                }
                world.faults = 0
                for _ in 0..<48 {
                    try await world.settle()
                    world.time.advance(by: .seconds(1800))
                    for name in Machines.names { try await machines.fetch(name, world) }
                    #expect(try await machines.shakeHands(world, among: together) == [], "seed \(seed): \(world.phases)")
                }
                #expect(world.isReady, "seed \(seed): \(world.phases)")
                for authority in world.ledger.list(CertificateAuthority.self) {
                    #expect(authority.status?.detail.rollover == nil && authority.status?.detail.awaits == nil, "seed \(seed): \(world.phases)")
                    if authority.spec.issuerRef == nil { #expect(authority.status?.detail.trust?.count == 1, "seed \(seed)") }
                }
                handshakes += machines.handshakes
                verified += machines.verified
                rollovers += world.performed.values.joined().count { $0.hasPrefix("end DropOld") }
            }
        }
        if ProcessInfo.processInfo.environment["PLASMA_SEED"] == nil, seeds(40).count >= 40 {
            #expect(handshakes > 50_000 && verified > 500 && rollovers > 40, "\(handshakes) handshakes, \(verified) verified, \(rollovers) changes")
        }
    }

    @Test func `a change that does not hold breaks handshakes, so that the test above can fail`() async throws {
        var failed = 0
        for seed in seeds(20) {
            try await inRolloverDirectory { path in
                var world = CertificateWorld(directory: path, seed: seed)
                var machines = Machines()
                try world.put(rolloverText(hold: "0s"))
                try await world.settle()
                for name in Machines.names { try await machines.fetch(name, world) }
                #expect(try await machines.shakeHands(world) == [])
                world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "now")
                try await world.settle()
                try await machines.fetch("n1", world)
                if try await !machines.shakeHands(world).isEmpty { failed += 1 }
            }
        }
        #expect(failed > 0)
    }

    @Test func `what diff plans for certificates is what apply does`() async throws {
        for seed in seeds(30) {
            try await inRolloverDirectory { path in
                var world = CertificateWorld(directory: path, seed: seed)
                var issuer = "issuerRef: {name: root}"
                var key = "ECDSA"
                for turn in 0..<4 {
                    let before = world.ledger
                    if turn > 0 {
                        switch world.random.next() % 4 {
                        case 0: world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "\(turn)")
                        case 1: key = key == "ECDSA" ? "Ed25519" : "ECDSA"
                        case 2: issuer = issuer.hasPrefix("issuer") ? "duration: 87600h" : "issuerRef: {name: root}"
                        default: world.annotate(Reference(Certificate.self, "n2"), Certificate.renewAnnotation, "\(turn)")
                        }
                    }
                    try world.put(rolloverText(hold: "0s", rootKey: key, issuer: issuer))
                    let records = world.ledger.all
                    let report = await Differ(world.loops).diff(stored: before, records: records)
                    let planned = Dictionary(
                        uniqueKeysWithValues: report.objects.filter { !$0.actions.isEmpty }.map { ($0.reference, $0.actions) })
                    world.performed = [:]
                    try await world.settle()
                    #expect(planned == world.performed, "seed \(seed) turn \(turn)")
                    #expect(world.isReady, "seed \(seed): \(world.phases)")
                    let after = await Differ(world.loops).diff(stored: world.ledger, records: world.ledger.all)
                    #expect(after.isIdle, "seed \(seed) turn \(turn)")
                }
            }
        }
    }

    @Test func `what is deleted waits for what hangs on it, and leaves no key behind`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            world.leave(Reference(CertificateAuthority.self, "root"))
            try await world.settle()
            let root = try #require(world.ledger.get(CertificateAuthority.self, "root"))
            #expect(root.summary?.condition("Ready")?.message == "waiting on Certificate/n1: the authority signs for it")
            for name in Machines.names { world.leave(Reference(Certificate.self, name)) }
            try await world.settle()
            world.leave(Reference(CertificateAuthority.self, "issuing"))
            try await world.settle()
            #expect(world.ledger.all.isEmpty)
            #expect(try await world.vault.names(below: "") == [])
        }
    }

    /// A world in which the certificate is for an installed node of the same number.
    private func nodeWorld(_ path: String, _ certificate: String) async throws -> CertificateWorld {
        let node = certificate.replacing("n", with: "node-")
        var world = CertificateWorld(directory: path, seed: 1)
        let record = "apiVersion: plasma.cloud/v1alpha1\nkind: Node\nmetadata: {name: \(node)}\n"
            + "spec: {hostname: \(node), interfaces: [{network: lan, mac: \"52:54:00:00:01:01\"}], machine: {virtual: {memory: 512MiB}}}\n---\n"
        try world.put(record + rolloverText(hold: "0s").replacing("dnsNames: [\(certificate)]", with: "node: \(node)"))
        try await world.settle()
        return world
    }

    /// The node has what its certificate's record says now.
    private func deliver(_ certificate: String, _ world: inout CertificateWorld) throws {
        let node = certificate.replacing("n", with: "node-")
        let detail = try #require(world.ledger.get(Certificate.self, certificate)?.status?.detail)
        let record = "apiVersion: plasma.cloud/v1alpha1\nkind: Installation\nmetadata: {name: \(node)}\nspec: {node: \(node)}\n"
        let draft = try #require(Catalog.table.read([(file: "case.yaml", bytes: Array(record.utf8))]).drafts.first)
        var installation = try #require(draft.resource as? Resource<Installation>)
        installation.metadata.uid = "uid-\(node)"
        var known = Installation.Status()
        known.system = "/nix/store/one"
        known.delivered = .init(certificate: certificate, issuer: detail.issuer, trust: detail.trust ?? [])
        installation.status = StatusRecord(observedGeneration: 1, conditions: [], phase: "Ready", detail: known)
        world.ledger[installation.reference] = installation
    }

    @Test func `a change of the authority waits for installed nodes to have what it gave them`() async throws {
        try await inRolloverDirectory { path in
            var world = try await nodeWorld(path, "n1")
            func detail() throws -> CertificateAuthority.Status { try #require(world.ledger.get(CertificateAuthority.self, "root")?.status?.detail) }
            func certificate() throws -> Certificate.Status { try #require(world.ledger.get(Certificate.self, "n1")?.status?.detail) }
            let before = try certificate()
            try deliver("n1", &world)
            world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "1")
            try await world.settle()
            #expect(try detail().rollover == "TrustBoth" && detail().awaits == "Installation/node-1")
            #expect(world.ledger[Reference(CertificateAuthority.self, "root")]?.summary?.condition("Ready")?.message.contains(
                "Installation/node-1 has not put the same roots on its node yet") == true)
            #expect(try certificate().trust?.count == 2 && certificate().issuer == before.issuer, "nothing is signed anew before the node trusts it")
            try deliver("n1", &world)
            try await world.settle()
            #expect(try detail().rollover == "Reissue" && detail().awaits == "Installation/node-1")
            #expect(try certificate().trust?.count == 2 && certificate().issuer != before.issuer, "the old root goes when no node shows the old certificate")
            try deliver("n1", &world)
            try await world.settle()
            // That it still trusts the old root as well does no harm; every record has dropped it.
            #expect(try detail().rollover == nil && certificate().trust?.count == 1)
            #expect(world.ledger.get(Certificate.self, "n3")?.status?.detail.trust?.count == 1)
            // A node that never comes back holds the authority no longer than the certificate that is to go lives.
            world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "2")
            try await world.settle()
            #expect(try detail().rollover == "TrustBoth" && detail().awaits == "Installation/node-1")
            let end = try #require(try detail().notAfter)
            world.time.advance(by: .seconds(end.timeIntervalSince(world.time.date()) - 1800))
            try await world.settle()
            #expect(try detail().rollover != "TrustBoth" && detail().notAfter ?? end > end)
        }
    }

    @Test func `a root waits for the nodes below its authorities, too`() async throws {
        try await inRolloverDirectory { path in
            var world = try await nodeWorld(path, "n2")
            func detail(_ name: String) throws -> CertificateAuthority.Status { try #require(world.ledger.get(CertificateAuthority.self, name)?.status?.detail) }
            try deliver("n2", &world)
            world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "1")
            try await world.settle()
            #expect(try detail("root").rollover == "TrustBoth" && detail("root").awaits == "Installation/node-2")
            try deliver("n2", &world)
            try await world.settle()
            // The authority between signs anew, and keeps its old certificate until the node has what that signed.
            #expect(try detail("root").rollover == "Reissue" && detail("issuing").awaits == "Installation/node-2")
            try deliver("n2", &world)
            try await world.settle()
            #expect(try detail("root").rollover == nil && detail("issuing").rollover == nil)
            for name in Machines.names { #expect(world.ledger.get(Certificate.self, name)?.status?.detail.trust?.count == 1, "\(name)") }
        }
    }

    @Test func `a certificate whose node is gone trusts what its authority says, and holds it no longer than the certificate that is to go`() async throws {
        try await inRolloverDirectory { path in
            var world = try await nodeWorld(path, "n1")
            func detail() throws -> CertificateAuthority.Status { try #require(world.ledger.get(CertificateAuthority.self, "root")?.status?.detail) }
            world.ledger[Reference(Node.self, "node-1")] = nil
            world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "1")
            try await world.settle()
            #expect(world.ledger.get(Certificate.self, "n1")?.status?.detail.trust?.count == 2)
            #expect(try detail().rollover == "Reissue" && detail().awaits == "Certificate/n1", "it bears the node's names, and cannot be issued anew")
            world.time.advance(by: .seconds(10 * 365 * 86_400 - 1800))
            try await world.settle()
            #expect(try detail().rollover == nil)
        }
    }

    @Test func `an authority that lives for minutes waits for its certificates, too`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(hold: "0s").replacing("commonName: root,", with: "commonName: root, duration: 30m,"))
            try await world.settle()
            let root = Reference(CertificateAuthority.self, "root")
            world.annotate(root, Certificate.renewAnnotation, "1")
            for _ in 0..<8 { _ = try await world.step(root) }
            #expect(world.ledger.get(CertificateAuthority.self, "root")?.status?.detail.rollover == "TrustBoth", "nobody has followed")
            try await world.settle()
            #expect(world.isReady, "\(world.phases)")
        }
    }

    @Test func `an authority that ended in the midst of a change goes on with it, whatever could not be issued meanwhile`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(hold: "0s"))
            try await world.settle()
            let root = Reference(CertificateAuthority.self, "root")
            world.annotate(root, Certificate.renewAnnotation, "1")
            _ = try await world.step(root)
            world.time.advance(by: .seconds(11 * 365 * 86_400))
            // One certificate has changed, and one is new: neither can be had of an authority that has ended.
            let new = "apiVersion: plasma.cloud/v1alpha1\nkind: Certificate\nmetadata: {name: n4}\nspec: {dnsNames: [n4], issuerRef: {name: root}}\n---\n"
            try world.put(new + rolloverText(hold: "0s", dns: "-other"))
            try await world.settle()
            #expect(world.isReady, "\(world.phases)")
            #expect(world.ledger.get(CertificateAuthority.self, "root")?.status?.detail.rollover == nil)
        }
    }

    @Test func `a node that has no certificate any more is still given the roots`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            var needs = Installation.Needs(node: "node-1")
            needs.authority = "issuing"
            let files = try await Installation.NodeFiles(vault: world.vault, processes: SystemProcesses()).gather(needs, makesMissing: false).files
            let roots = try #require(try await world.vault.identity(ofCertificate: "n2")?.trustPEM)
            #expect(files.map { $0.path } == ["etc/nixos/secrets/ca.crt"] && files.first?.contents == Array(roots.utf8))
        }
    }

    @Test func `no record ever tells a key`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(hold: "0s"))
            try await world.settle()
            world.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "now")
            for _ in 0..<400 {
                _ = try await world.step(world.ledger.all.map(\.reference).randomElement(using: &world.random)!)
                for record in world.ledger.all {
                    #expect(!String(decoding: try record.encoded(), as: UTF8.self).contains("PRIVATE KEY"), "\(record.reference)")
                }
            }
        }
    }

    @Test func `a lost sealing key makes no new authority`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            let entries = try await world.store.range(.init(.all)).entries
            try FileManager.default.removeItem(atPath: path + "/vault.key")
            let keeper = CertificateAuthority.Keeper(
                authorities: Authorities(vault: Vault(store: world.store, sealingKeyFile: path + "/vault.key")), time: world.time)
            let root = try #require(world.ledger.get(CertificateAuthority.self, "root"))
            await #expect(throws: PKIError.keyMissing(file: path + "/vault.key")) {
                _ = try await keeper.observe(.present(root), Reader(Ledger()))
            }
            await #expect(throws: PKIError.keyMissing(file: path + "/vault.key")) {
                try await keeper.perform(.create(.init(name: "new", spec: .authority(SubjectName(commonName: "new")))))
            }
            #expect(try await world.store.range(.init(.all)).entries == entries)
        }
    }
}

extension DiffReport {
    fileprivate var isIdle: Bool { objects.allSatisfy { $0.actions.isEmpty } }
}
