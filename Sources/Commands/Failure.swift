/// What a person sees when a verb cannot do its work: what they wrote, where, what to do.
package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
