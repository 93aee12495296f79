/// The same readers with the type taken from where the value goes, and with lists of up to 1024 entries.
extension Fields {
    package mutating func required<T: Scalar>(_ name: String, _ help: String) -> T { required(name, T.self, help) }

    package mutating func optional<T: Scalar>(_ name: String, _ help: String) -> T? { optional(name, T.self, help) }

    package mutating func optionalChoice<E: RawRepresentable & CaseIterable & Sendable>(_ name: String, _ help: String) -> E?
    where E.RawValue == String {
        optionalChoice(name, E.self, help)
    }

    package mutating func scalars<T: Scalar>(_ name: String, _ help: String) -> [T] { scalars(name, T.self, 0...1024, help) }

    package mutating func scalars<T: Scalar>(_ name: String, _ type: T.Type, _ help: String) -> [T] {
        scalars(name, T.self, 0...1024, help)
    }

    package mutating func scalars<T: Scalar>(_ name: String, _ count: ClosedRange<Int>, _ help: String) -> [T] {
        scalars(name, T.self, count, help)
    }

    package mutating func list<T>(_ name: String, _ help: String, _ read: (inout Fields) -> T) -> [T] {
        list(name, 0...1024, help, read)
    }

    package mutating func taggedList<T>(_ name: String, by tag: String = "type", _ help: String, _ cases: [Case<T>]) -> [T] {
        taggedList(name, by: tag, 0...1024, help, cases)
    }
}
