extension Fields {
    /// One way a choice among mappings can be made.
    package struct Case<T> {
        let name: String
        let help: String
        let read: (inout Fields) -> T

        package init(_ name: String, _ help: String, _ read: @escaping (inout Fields) -> T) {
            self.name = name
            self.help = help
            self.read = read
        }
    }

    /// Exactly one of the named members is given: `machine: {virtual: {…}}`. A member with nothing after it has
    /// an empty mapping. It must be there.
    package mutating func oneOf<T>(_ name: String, _ help: String, _ cases: [Case<T>]) -> T {
        guard case .reading = mode else { return drawOneOf(name, help, cases, isRequired: true) }
        guard let value = written(name) else {
            noteMissing(name, "; give one of \(listed(cases.map(\.name)))")
            return blank(cases[0].read)
        }
        return readOneOf(value, name, cases)
    }

    package mutating func optionalOneOf<T>(_ name: String, _ help: String, _ cases: [Case<T>]) -> T? {
        guard case .reading = mode else {
            guard isOpen else {
                draw(name, ["type": "object"], help)
                return nil
            }
            return drawOneOf(name, help, cases, isRequired: false)
        }
        return written(name).map { readOneOf($0, name, cases) }
    }

    /// A mapping in which one member says what the others are, as in disko: `content: {type: filesystem, …}`.
    /// It must be there.
    package mutating func tagged<T>(_ name: String, by tag: String = "type", _ help: String, _ cases: [Case<T>]) -> T {
        guard case .reading = mode else { return drawTagged(name, tag, help, cases, isRequired: true) }
        guard let value = demanded(name) else { return blank(cases[0].read) }
        return readTagged(value, name, tag, cases)
    }

    package mutating func optionalTagged<T>(_ name: String, by tag: String = "type", _ help: String, _ cases: [Case<T>]) -> T? {
        guard case .reading = mode else {
            guard isOpen else {
                draw(name, ["type": "object"], help)
                return nil
            }
            return drawTagged(name, tag, help, cases, isRequired: false)
        }
        return written(name).map { readTagged($0, name, tag, cases) }
    }

    /// A list of such mappings; absent is empty.
    package mutating func taggedList<T>(
        _ name: String, by tag: String = "type", _ count: ClosedRange<Int>, _ help: String, _ cases: [Case<T>]
    ) -> [T] {
        guard case .reading = mode else {
            guard isOpen || count.lowerBound > 0 else {
                draw(name, ["type": "array"], help)
                return []
            }
            let (schema, first) = drawnTagged(tag, cases)
            draw(name, Schema.list(schema, count), help, isRequired: count.lowerBound > 0)
            return [first]
        }
        guard let items = items(name, count) else { return [] }
        return items.enumerated().map { index, item in readTagged(item, "\(name)[\(index)]", tag, cases) }
    }

    private mutating func readOneOf<T>(_ value: Value, _ name: String, _ cases: [Case<T>]) -> T {
        let names = cases.map(\.name)
        guard case .mapping(let members) = value.shape else {
            noteWrong(value, name, "a mapping with one of \(listed(names))")
            return blank(cases[0].read)
        }
        for member in members where !names.contains(member.key) {
            let hint = nearest(to: member.key, among: names).map { "did you mean \(quoted($0))?" } ?? "give one of \(listed(names))"
            note("unknown field; \(hint)", mark: member.keyMark, path: Manifest.path(joined(name), member.key))
        }
        let given = members.filter { names.contains($0.key) }
        guard let first = given.first, let chosen = cases.first(where: { $0.name == first.key }) else {
            if members.isEmpty { note("is empty; give one of \(listed(names))", value, name) }
            return blank(cases[0].read)
        }
        for extra in given.dropFirst() {
            note("cannot stand beside \(quoted(first.key)); give only one", mark: extra.keyMark, path: Manifest.path(joined(name), extra.key))
        }
        return nested(first.value, Manifest.path(name, first.key), chosen.read)
    }

    private mutating func readTagged<T>(_ value: Value, _ name: String, _ tag: String, _ cases: [Case<T>]) -> T {
        guard case .mapping = value.shape else {
            noteWrong(value, name, "a mapping with a \(quoted(tag))")
            return blank(cases[0].read)
        }
        var child = Fields(reading: value, file: file, object: object, path: joined(name))
        let chosen = child.tag(tag, among: cases.map(\.name))
        guard let chosen, let found = cases.first(where: { $0.name == chosen }) else {
            note(child.problems)  // what else is written there cannot be judged
            return blank(cases[0].read)
        }
        let result = found.read(&child)
        child.finish()
        note(child.problems)
        return result
    }

    private mutating func tag(_ name: String, among words: [String]) -> String? {
        guard let value = written(name) else {
            noteMissing(name, "; give one of \(listed(words))")
            return nil
        }
        guard case .scalar(let text, _, _) = value.shape else {
            noteWrong(value, name, "one of \(listed(words))")
            return nil
        }
        guard words.contains(text) else {
            note(notOne(text, of: words), value, name)
            return nil
        }
        return text
    }

    private mutating func drawOneOf<T>(_ name: String, _ help: String, _ cases: [Case<T>], isRequired: Bool) -> T {
        var properties: [String: JSON] = [:]
        var first: T?
        for item in drawable(cases) {
            var child = drawnChild()
            let result = item.read(&child)
            properties[item.name] = Schema.described(child.schema, item.help)
            first = first ?? result
        }
        let schema: JSON = [
            "type": "object", "properties": .object(properties), "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        ]
        draw(name, schema, help, isRequired: isRequired)
        return first!
    }

    private mutating func drawTagged<T>(_ name: String, _ tag: String, _ help: String, _ cases: [Case<T>], isRequired: Bool) -> T {
        let (schema, first) = drawnTagged(tag, cases)
        draw(name, schema, help, isRequired: isRequired)
        return first
    }

    private func drawnTagged<T>(_ tag: String, _ cases: [Case<T>]) -> (JSON, T) {
        var alternatives: [JSON] = []
        var first: T?
        for item in drawable(cases) {
            var child = drawnChild()
            let result = item.read(&child)
            child.draw(tag, ["const": .string(item.name)], "", isRequired: true)
            alternatives.append(Schema.described(child.schema, item.help))
            first = first ?? result
        }
        return (["type": "object", "required": [.string(tag)], "oneOf": .array(alternatives)], first!)
    }

    /// Deep down, and for a stand-in, only the first case: it must not hold another choice that must be there.
    private func drawable<T>(_ cases: [Case<T>]) -> ArraySlice<Case<T>> { isOpen ? cases[...] : cases.prefix(1) }
}
