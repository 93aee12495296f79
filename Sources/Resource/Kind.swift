import Manifest

/// A kind of resource: an empty enum that serves as the namespace of its parts.
package protocol Kind: SendableMetatype {
    /// What the user wants. One writer: the user.
    associatedtype Spec: Codable & Hashable & Sendable
    /// What was seen, beyond the conditions that every kind has. One writer: the kind's controller.
    associatedtype Status: Codable & Hashable & Sendable

    /// "VirtualMachine"
    static var name: String { get }
    /// "virtualmachines", as in the API's paths.
    static var plural: String { get }
    /// What a person may type instead: "vm".
    static var shortNames: [String] { get }
    /// One sentence for `plasma explain` and the schema.
    static var summary: String { get }
    /// The columns of `plasma get` beside NAME, READY, STATUS and AGE.
    static var columns: [Column] { get }
    /// Reads a spec from the manifest. Never throws: every problem is noted with its line.
    static func readSpec(_ fields: inout Fields) -> Spec
    /// The objects that this one uses and that must outlive it: a machine's disks and networks, wanted and held.
    static func mentions(_ spec: Spec, _ status: Status?) -> [Reference]
}

extension Kind {
    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] { [] }
    package static var shortNames: [String] { [] }
    package static var columns: [Column] { [] }
}

/// A column of `plasma get`.
package struct Column: Hashable, Sendable {
    package var title: String
    /// Where the value stands in the object: `spec.cpus`, `status.addresses[0]`.
    package var path: String
    /// Shown by `-o wide` only.
    package var wide: Bool

    package init(_ title: String, _ path: String, wide: Bool = false) {
        self.title = title
        self.path = path
        self.wide = wide
    }
}

/// The kind whose objects have no status of their own.
package struct NoStatus: Codable, Hashable, Sendable {
    package init() {}
}

package let plasmaAPIVersion = "plasma.cloud/v1alpha1"
