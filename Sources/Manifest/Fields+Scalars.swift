extension Fields {
    /// A field that must be there.
    package mutating func required<T: Scalar>(_ name: String, _ type: T.Type, _ help: String) -> T {
        draw(name, T.schema, help, isRequired: true)
        return demanded(name).flatMap { scalar(T.self, $0, at: name) } ?? T.example
    }

    /// A field that may be absent. Drawing returns the example.
    package mutating func optional<T: Scalar>(_ name: String, _ type: T.Type, _ help: String) -> T? {
        draw(name, T.schema, help)
        if case .drawing = mode { return T.example }
        return written(name).flatMap { scalar(T.self, $0, at: name) }
    }

    /// A field with a default.
    package mutating func value<T: Scalar>(_ name: String, default fallback: T, _ help: String) -> T {
        draw(name, T.schema, help, fallback: Schema.json(fallback))
        return written(name).flatMap { scalar(T.self, $0, at: name) } ?? fallback
    }

    /// A whole number; without a default it must be there.
    package mutating func integer(
        _ name: String, _ range: ClosedRange<Int>, default fallback: Int? = nil, _ help: String
    ) -> Int {
        drawInteger(name, range, help, fallback: fallback, isRequired: fallback == nil)
        let written = fallback == nil ? demanded(name) : written(name)
        return written.flatMap { integer(range, $0, at: name) } ?? fallback ?? range.lowerBound
    }

    package mutating func optionalInteger(_ name: String, _ range: ClosedRange<Int>, _ help: String) -> Int? {
        drawInteger(name, range, help)
        if case .drawing = mode { return range.lowerBound }
        return written(name).flatMap { integer(range, $0, at: name) }
    }

    /// A size in bytes; without a default it must be there.
    package mutating func size(
        _ name: String, _ range: ClosedRange<ByteCount>, default fallback: ByteCount? = nil, _ help: String
    ) -> ByteCount {
        draw(
            name, ByteCount.schema, "\(help) From \(range.lowerBound) to \(range.upperBound).",
            fallback: fallback.map(Schema.json), isRequired: fallback == nil)
        let written = fallback == nil ? demanded(name) : written(name)
        return written.flatMap { size(range, $0, at: name) } ?? fallback ?? range.lowerBound
    }

    /// As `size`, but nil when absent.
    package mutating func optionalSize(_ name: String, _ range: ClosedRange<ByteCount>, _ help: String) -> ByteCount? {
        draw(name, ByteCount.schema, "\(help) From \(range.lowerBound) to \(range.upperBound).")
        if case .drawing = mode { return range.lowerBound }
        return written(name).flatMap { size(range, $0, at: name) }
    }

    /// One of a fixed set of words; without a default it must be there.
    package mutating func choice<E: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, default fallback: E? = nil, _ help: String
    ) -> E where E.RawValue == String {
        let words = E.allCases.map(\.rawValue)
        draw(name, Schema.choice(words), help, fallback: fallback.map { .string($0.rawValue) }, isRequired: fallback == nil)
        let written = fallback == nil ? demanded(name) : written(name)
        return written.flatMap { choice(E.self, $0, at: name) } ?? fallback ?? E.allCases.first!
    }

    /// As `choice`, but nil when absent.
    package mutating func optionalChoice<E: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ type: E.Type, _ help: String
    ) -> E? where E.RawValue == String {
        draw(name, Schema.choice(E.allCases.map(\.rawValue)), help)
        if case .drawing = mode { return E.allCases.first }
        return written(name).flatMap { choice(E.self, $0, at: name) }
    }

    /// A list of scalars; absent is empty. Entries that are wrong are noted and left out.
    package mutating func scalars<T: Scalar>(
        _ name: String, _ type: T.Type, _ count: ClosedRange<Int>, _ help: String
    ) -> [T] {
        draw(name, Schema.list(T.schema, count), help, isRequired: count.lowerBound > 0)
        guard case .reading = mode else { return isOpen || count.lowerBound > 0 ? [T.example] : [] }
        guard let items = items(name, count) else { return [] }
        return items.enumerated().compactMap { index, item in scalar(T.self, item, at: "\(name)[\(index)]") }
    }

    /// A mapping of text to text; absent is empty. Entries that are wrong are noted and left out.
    package mutating func stringMap(_ name: String, _ help: String) -> [String: String] {
        draw(name, ["type": "object", "additionalProperties": String.schema], help)
        if case .drawing = mode { return ["key": String.example] }
        guard let value = written(name) else { return [:] }
        guard case .mapping(let members) = value.shape else {
            noteWrong(value, name, "a mapping")
            return [:]
        }
        var map: [String: String] = [:]
        for member in members { map[member.key] = scalar(String.self, member.value, at: Manifest.path(name, member.key)) }
        return map
    }

    // MARK: one value

    private mutating func scalar<T: Scalar>(_ type: T.Type, _ value: Value, at name: String) -> T? {
        guard case .scalar(let text, let plain, let tag) = value.shape else {
            noteWrong(value, name, T.self == Int.self ? "a whole number" : T.self == Bool.self ? "true or false" : "a single value")
            return nil
        }
        let resolved = CoreSchema.resolve(text, plain: plain, tag: tag)
        switch resolved {
        case .null:
            noteWrong(value, name, "a value")
            return nil
        case .string where !plain || tag != nil:
            if T.self == Int.self, CoreSchema.integer(text) != nil {
                note("\(quoted(text)) is text; a whole number is expected: remove the quotes", value, name)
                return nil
            }
            if T.self == Bool.self, case .bool = CoreSchema.resolve(plain: text) {
                note("\(quoted(text)) is text; true or false is expected: remove the quotes", value, name)
                return nil
            }
        case .bool where T.self == String.self, .integer where T.self == String.self, .number where T.self == String.self:
            note("\(quoted(text)) is \(value.noun); quote it to make it text", value, name)
            return nil
        default: break
        }
        do throws(ScalarProblem) {
            return try T(scalar: text)
        } catch {
            note("\(quoted(text)) \(error.rest)", value, name)
            return nil
        }
    }

    private mutating func integer(_ range: ClosedRange<Int>, _ value: Value, at name: String) -> Int? {
        guard let number = scalar(Int.self, value, at: name) else { return nil }
        guard range.contains(number) else {
            note("\"\(number)\" is not from \(range.lowerBound) to \(range.upperBound)", value, name)
            return nil
        }
        return number
    }

    private mutating func size(_ range: ClosedRange<ByteCount>, _ value: Value, at name: String) -> ByteCount? {
        guard let size = scalar(ByteCount.self, value, at: name), case .scalar(let text, _, _) = value.shape else { return nil }
        guard range.contains(size) else {
            note("\(quoted(text)) is not from \(range.lowerBound) to \(range.upperBound)", value, name)
            return nil
        }
        return size
    }

    private mutating func choice<E: RawRepresentable & CaseIterable>(_ type: E.Type, _ value: Value, at name: String) -> E?
    where E.RawValue == String {
        let words = E.allCases.map(\.rawValue)
        guard case .scalar(let text, _, _) = value.shape else {
            noteWrong(value, name, "one of \(listed(words))")
            return nil
        }
        guard let choice = E(rawValue: text) else {
            note(notOne(text, of: words), value, name)
            return nil
        }
        return choice
    }

    /// The entries of a list; nil, noted, when it is none or has too few or too many.
    mutating func items(_ name: String, _ count: ClosedRange<Int>) -> [Value]? {
        guard let value = count.lowerBound > 0 ? demanded(name) : written(name) else { return nil }
        guard case .sequence(let items) = value.shape else {
            noteWrong(value, name, "a list")
            return nil
        }
        guard count.contains(items.count) else {
            let has = items.count == 1 ? "1 entry" : items.isEmpty ? "no entry" : "\(items.count) entries"
            let allowed =
                items.count > count.upperBound ? "at most \(count.upperBound) \(count.upperBound == 1 ? "is" : "are") allowed"
                : "at least \(count.lowerBound) \(count.lowerBound == 1 ? "is" : "are") required"
            note("has \(has); \(allowed)", value, name)
            return nil
        }
        return items
    }

    func notOne(_ text: String, of words: [String]) -> String {
        let hint = nearest(to: text, among: words).map { "; did you mean \(quoted($0))?" } ?? ""
        return "\(quoted(text)) is not one of \(listed(words))\(hint)"
    }

    mutating func noteWrong(_ value: Value, _ name: String, _ expected: String) {
        note("is \(value.noun); \(expected) is expected", value, name)
    }

    mutating func note(_ message: String, _ value: Value, _ name: String) {
        note(message, mark: value.mark, path: joined(name))
    }

    /// `name` may be a path of its own: `disks[0]`.
    func joined(_ name: String) -> String {
        path.isEmpty || name.isEmpty || name.hasPrefix("[") ? path + name : path + "." + name
    }
}
