/// Those who follow something, each by a stream of its own. A part of its owner's state, to be used under the owner's lock, so that all are told in
/// the order in which the state changed.
///
/// Who has stopped listening is noticed at the next telling, and by no handler of a stream's end: cancellation runs that while it holds the
/// task's own lock, and `yield` takes that lock in turn. A handler that waits for the owner's lock and a telling under it would wait for each other for ever.
package struct Listeners<Element: Sendable>: Sendable {
    private var continuations: [AsyncStream<Element>.Continuation] = []

    package init() {}

    /// - Parameters:
    ///   - first: told before all else; no change of the state comes between.
    ///   - keeping: how much of what is not read yet is kept.
    package mutating func add(
        first: [Element] = [], keeping: AsyncStream<Element>.Continuation.BufferingPolicy = .unbounded
    ) -> AsyncStream<Element> {
        let (stream, continuation) = AsyncStream.makeStream(of: Element.self, bufferingPolicy: keeping)
        for element in first { continuation.yield(element) }
        continuations.append(continuation)
        return stream
    }

    package mutating func tell(_ element: Element) {
        continuations.removeAll { continuation in
            if case .terminated = continuation.yield(element) { true } else { false }
        }
    }

    /// Ends the streams of all, once they have read what they were told.
    package mutating func finish() {
        for continuation in continuations { continuation.finish() }
        continuations = []
    }
}
