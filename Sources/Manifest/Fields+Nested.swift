extension Fields {
    /// Whether drawing still goes deeper.
    var isOpen: Bool { if case .drawing(let depth) = mode { depth < Fields.drawnDepthMax } else { false } }

    /// A mapping that must be there.
    package mutating func object<T>(_ name: String, _ help: String, _ read: (inout Fields) -> T) -> T {
        guard case .reading = mode else { return drawObject(name, help, isRequired: true, read) }
        return nested(demanded(name), name, read)
    }

    /// A mapping that may be absent.
    package mutating func optionalObject<T>(_ name: String, _ help: String, _ read: (inout Fields) -> T) -> T? {
        guard case .reading = mode else {
            guard isOpen else {
                draw(name, ["type": "object"], help)
                return nil
            }
            return drawObject(name, help, isRequired: false, read)
        }
        guard let value = written(name) else { return nil }
        return nested(value, name, read)
    }

    /// A list of mappings; absent is empty.
    package mutating func list<T>(
        _ name: String, _ count: ClosedRange<Int>, _ help: String, _ read: (inout Fields) -> T
    ) -> [T] {
        guard case .reading = mode else {
            guard isOpen || count.lowerBound > 0 else {
                draw(name, ["type": "array"], help)
                return []
            }
            var child = drawnChild()
            let item = read(&child)
            draw(name, Schema.list(child.schema, count), help, isRequired: count.lowerBound > 0)
            return [item]
        }
        guard let items = items(name, count) else { return [] }
        return items.enumerated().map { index, item in nested(item, "\(name)[\(index)]", read) }
    }

    /// A mapping of names to mappings; absent is empty. A name with nothing after it has an empty mapping.
    package mutating func dictionary<T>(_ name: String, _ help: String, _ read: (inout Fields) -> T) -> [String: T] {
        guard case .reading = mode else {
            guard isOpen else {
                draw(name, ["type": "object"], help)
                return [:]
            }
            var child = drawnChild()
            let item = read(&child)
            draw(name, ["type": "object", "additionalProperties": child.schema], help)
            return ["name": item]
        }
        guard let value = written(name) else { return [:] }
        guard case .mapping(let members) = value.shape else {
            noteWrong(value, name, "a mapping")
            return [:]
        }
        var dictionary: [String: T] = [:]
        for member in members { dictionary[member.key] = nested(member.value, Manifest.path(name, member.key), read) }
        return dictionary
    }

    /// Reads a nested mapping; nil (already noted as missing) reads a stand-in.
    mutating func nested<T>(_ value: Value?, _ name: String, _ read: (inout Fields) -> T) -> T {
        guard let value else { return blank(read) }
        var child = Fields(reading: value, file: file, object: object, path: joined(name))
        let result = read(&child)
        child.finish()
        note(child.problems)
        return result
    }

    func blank<T>(_ read: (inout Fields) -> T) -> T {
        var child = Fields(mode: .blank, file: file, object: object, path: path)
        return read(&child)
    }

    func drawnChild() -> Fields {
        switch mode {
        case .drawing(let depth): Fields(mode: .drawing(depth: depth + 1), file: file, object: object, path: path)
        default: Fields(mode: .blank, file: file, object: object, path: path)
        }
    }

    private mutating func drawObject<T>(_ name: String, _ help: String, isRequired: Bool, _ read: (inout Fields) -> T) -> T {
        var child = drawnChild()
        let result = read(&child)
        draw(name, child.schema, help, isRequired: isRequired)
        return result
    }
}
