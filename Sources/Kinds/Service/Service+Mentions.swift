import Resource

// Who names a Service: read backwards by its plan.

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
