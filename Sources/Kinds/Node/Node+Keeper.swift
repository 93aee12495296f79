import Reconcile
import Resource

extension Node {
    /// A node is seen through its children's records: there is nothing else to look at.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        package init() {}
        package func observe(_ goal: Goal<Node>, _ reader: Reader) async throws -> Sight { Sight() }
        package func perform(_ action: NoAction) async throws {}
    }
}
