import Resource

// Who names a Service, a CertificateAuthority or a Node: read backwards by the plans of Services and Clusters.

extension Cluster {
    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        spec.services.map { Reference(Service.self, $0.scalarText) }
    }
}

extension Node {
    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        spec.services.map { Reference(Service.self, $0.scalarText) }
    }
}

extension Certificate {
    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        [Reference(CertificateAuthority.self, spec.issuerRef.name.scalarText)] + (spec.node.map { [Reference(Node.self, $0.scalarText)] } ?? [])
    }
}
