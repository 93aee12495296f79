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
        guard cluster.spec.trust != nil, let certificate = certificate(of: node, lookup),
            let request = Certificate.request(certificate, lookup)
        else { return nil }
        let spec = certificate.spec
        return WantedCertificate(
            name: certificate.name, request: request, issuer: spec.issuerRef.name.scalarText,
            renewBefore: spec.renewBefore.map { Double($0.milliseconds) / 1000 } ?? Double(request.life) / 3,
            keepsKey: spec.privateKey.rotationPolicy == .never)
    }

    /// nil when there is no such CertificateAuthority.
    package static func wantedAuthority(_ name: String, _ lookup: some RecordLookup) -> WantedAuthority? {
        guard let authority = lookup.get(CertificateAuthority.self, name) else { return nil }
        let spec = authority.spec
        let above = spec.issuerRef.flatMap { lookup.get(CertificateAuthority.self, $0.name.scalarText) }
        return WantedAuthority(
            name: name,
            request: .authority(
                Certificate.subject(spec.commonName, spec.subject),
                maxPathLength: CertificateAuthority.Standing.pathLength(spec, above), key: Certificate.policy(spec.privateKey),
                life: spec.duration.milliseconds / 1000),
            issuer: spec.issuerRef?.name.scalarText)
    }
}
