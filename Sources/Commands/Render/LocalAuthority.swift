import Foundation
import Kinds
import NixOS
import PKI
import Resource

/// Certificates without a server: an authority in files, made on first use and used again, so that the same manifest
/// gives the same files until a certificate is due.
///
///     authorities/NAME.json    the authority, with its key
///     certificates/NAME.json   what was issued, with its key, and what was asked for
///     tokens/CLUSTER           the secret by which members join
///
/// All of it is for its owner alone.
struct LocalAuthority {
    var directory: String
    var now: Date

    private struct KeptAuthority: Codable {
        var material: AuthorityMaterial
        var facts: CertificateFacts
        /// PEM of the root above it.
        var trustPEM: String
    }

    private struct KeptCertificate: Codable {
        var request: CertificateSpec
        var identity: IssuedIdentity
        var facts: CertificateFacts
        /// Fingerprint of the certificate of who signed it.
        var issuer: String
    }

    /// Of all nodes: `secrets/{ca.crt,join.token,NODE.crt,NODE.key}`.
    /// - Throws: `Failure`.
    func secrets(of cluster: Resource<Cluster>, _ description: ClusterDescription, _ lookup: some RecordLookup) throws -> [RenderedFile] {
        let token = try joinToken(of: cluster.name)
        return try description.nodes.flatMap { node in
            guard description.isSecure, let wanted = Kinds.Rendering.wantedCertificate(of: node.name, in: cluster, lookup) else {
                return NodeSecrets(trust: nil, certificate: nil, key: nil, joinToken: token).files(of: node.name)
            }
            let identity = try identity(wanted, lookup)
            return NodeSecrets(
                trust: identity.trustPEM, certificate: identity.certificatePEM, key: identity.keyPEM, joinToken: token
            ).files(of: node.name)
        }
    }

    private func identity(_ wanted: Kinds.Rendering.WantedCertificate, _ lookup: some RecordLookup) throws -> IssuedIdentity {
        let issuer = try authority(wanted.issuer, lookup, below: [])
        let file = "certificates/\(wanted.name).json"
        let kept: KeptCertificate? = try read(file)
        if let kept, kept.request == wanted.request, kept.issuer == issuer.facts.fingerprint,
            now < kept.facts.notAfter.addingTimeInterval(-wanted.renewBefore), now >= kept.facts.notBefore
        {
            return kept.identity
        }
        do {
            let key = wanted.keepsKey && kept?.request.key == wanted.request.key ? kept?.identity.keyPEM : nil
            let made = try issuer.material.signer().issue(wanted.request, trustPEM: issuer.trustPEM, keyPEM: key, now: now)
            try write(KeptCertificate(request: wanted.request, identity: made.identity, facts: made.facts, issuer: issuer.facts.fingerprint), file)
            return made.identity
        } catch let error as PKIError {
            throw Failure("Certificate/\(wanted.name): \(error)")
        }
    }

    /// It is made once and never again: its certificates are trusted elsewhere.
    private func authority(_ name: String, _ lookup: some RecordLookup, below: [String]) throws -> KeptAuthority {
        let file = "authorities/\(name).json"
        if let kept: KeptAuthority = try read(file) {
            guard kept.facts.notAfter > now else {
                throw Failure("\(directory)/\(file): CertificateAuthority/\(name) has expired; remove the file to make a new one, which all nodes must be given")
            }
            return kept
        }
        guard let wanted = Kinds.Rendering.wantedAuthority(name, lookup) else {
            throw Failure("CertificateAuthority/\(name) is not in these manifests; add it")
        }
        guard !below.contains(name) else { throw Failure("CertificateAuthority/\(name) is issued by itself: \((below + [name]).joined(separator: " → "))") }
        do {
            let made: KeptAuthority
            if let issuer = wanted.issuer {
                let above = try authority(issuer, lookup, below: below + [name])
                let signed = try above.material.signer().issueAuthority(wanted.request, now: now)
                made = KeptAuthority(material: signed.material, facts: signed.facts, trustPEM: above.trustPEM)
            } else {
                let root = try AuthorityMaterial.make(wanted.request, now: now)
                made = KeptAuthority(material: root.material, facts: root.facts, trustPEM: root.material.certificatePEM)
            }
            try write(made, file)
            return made
        } catch let error as PKIError {
            throw Failure("CertificateAuthority/\(name): \(error)")
        }
    }

    private func joinToken(of cluster: String) throws -> String {
        let file = "tokens/\(cluster)"
        if let data = FileManager.default.contents(atPath: directory + "/" + file) {
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let token = Vault.randomToken()
        try put(Array((token + "\n").utf8), file)
        return token
    }

    // MARK: Files

    private func read<T: Decodable>(_ file: String) throws -> T? {
        let path = directory + "/" + file
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure("\(path) cannot be read") }
        do {
            return try JSONDecoder().decode(T.self, from: data)
        } catch {
            // Without what was decoded: it is secret.
            throw Failure("\(path) is not what plasma wrote there; restore it, or remove it to make a new one, which all nodes must be given")
        }
    }

    private func write(_ value: some Encodable, _ file: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        let data: Data
        do { data = try encoder.encode(value) } catch { throw Failure("\(file) cannot be made: \(error)") }
        try put(Array(data) + [10], file)
    }

    private func put(_ bytes: [UInt8], _ file: String) throws {
        let path = directory + "/" + file
        do {
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure("\(directory) cannot be made: \(error.localizedDescription)")
        }
        do { try writeWhole(bytes, to: path, mode: 0o600) } catch { throw Failure("\(path) cannot be written: \(error)") }
    }
}
