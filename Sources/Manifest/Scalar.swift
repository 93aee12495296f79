/// A value that is written as one YAML scalar and checks itself: an address, a size, a name.
package protocol Scalar: Hashable, Sendable {
    /// - Throws: `ScalarProblem`, whose text follows the quoted value: `is not an IPv4 address`.
    init(scalar text: String) throws(ScalarProblem)
    /// The canonical spelling; reading it back gives the same value.
    var scalarText: String { get }
    /// What a JSON Schema says of it, without a description.
    static var schema: JSON { get }
    /// A valid value, for documentation and for drawing a schema.
    static var example: Self { get }
}

/// Completes the sentence `"<what was written>" …`.
package struct ScalarProblem: Error, Hashable, Sendable {
    package var rest: String
    package init(_ rest: String) { self.rest = rest }
}
