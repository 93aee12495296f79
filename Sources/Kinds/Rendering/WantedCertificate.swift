import Manifest
import PKI
import Resource

extension Rendering {
    /// What a Certificate asks for, for those who issue it without a server.
    package struct WantedCertificate: Hashable, Sendable {
        package var name: String
        package var request: CertificateSpec
        /// Names the CertificateAuthority.
        package var issuer: String
        /// Seconds before its end.
        package var renewBefore: Double
        /// Whether a renewal goes on with the key.
        package var keepsKey: Bool
    }

    package struct WantedAuthority: Hashable, Sendable {
        package var name: String
        package var request: CertificateSpec
        /// nil: itself.
        package var issuer: String?
    }

    /// The certificate of a node of a cluster that has a trust; nil when it has none.
    package static func wantedCertificate(
        of node: String, in cluster: Resource<Cluster>, _ lookup: some RecordLookup
    ) -> WantedCertificate? {
        guard cluster.spec.trust != nil, let certificate = certificate(of: node, lookup) else { return nil }
        let spec = certificate.spec
        var names = spec.dnsNames.map(\.scalarText), addresses = spec.ipAddresses.map(\.scalarText)
        if let record = lookup.get(Node.self, node) {
            names += [record.spec.fullName, record.spec.hostname.scalarText, "localhost"]
            addresses += record.spec.interfaces.compactMap { $0.address?.scalarText } + ["127.0.0.1"]
        }
        let life = spec.duration.milliseconds / 1000
        return WantedCertificate(
            name: certificate.name,
            request: CertificateSpec(
                subject: SubjectName(spec.commonName, spec.subject), dnsNames: names, ipAddresses: addresses,
                usages: spec.usages.compactMap { KeyPurpose(rawValue: $0.rawValue) }, key: KeyPolicy(spec.privateKey), life: life),
            issuer: spec.issuerRef.name.scalarText,
            renewBefore: spec.renewBefore.map { Double($0.milliseconds) / 1000 } ?? Double(life) / 3,
            keepsKey: spec.privateKey.rotationPolicy == .never)
    }

    /// nil when there is no such CertificateAuthority.
    package static func wantedAuthority(_ name: String, _ lookup: some RecordLookup) -> WantedAuthority? {
        guard let authority = lookup.get(CertificateAuthority.self, name) else { return nil }
        let spec = authority.spec
        return WantedAuthority(
            name: name,
            request: .authority(
                SubjectName(spec.commonName, spec.subject), maxPathLength: spec.maxPathLength, key: KeyPolicy(spec.privateKey),
                life: spec.duration.milliseconds / 1000),
            issuer: spec.issuerRef?.name.scalarText)
    }
}

extension SubjectName {
    fileprivate init(_ commonName: String?, _ subject: Certificate.Subject?) {
        self.init(
            commonName: commonName, organizations: subject?.organizations ?? [],
            organizationalUnits: subject?.organizationalUnits ?? [], countries: subject?.countries ?? [])
    }
}

extension KeyPolicy {
    fileprivate init(_ key: Certificate.PrivateKey) {
        switch key.algorithm {
        case .ecdsa: self = .ecdsa(bits: key.size ?? 256)
        case .rsa: self = .rsa(bits: key.size ?? 2048)
        case .ed25519: self = .ed25519
        }
    }
}
