/// A YAML node that knows its place. Aliases are already replaced by what they name; marks inside
/// them show where the anchor was written.
package struct Value: Sendable {
    package struct Member: Sendable {
        package var key: String
        package var keyMark: Mark
        package var value: Value

        package init(key: String, keyMark: Mark, value: Value) {
            self.key = key
            self.keyMark = keyMark
            self.value = value
        }
    }

    package indirect enum Shape: Sendable {
        /// `plain`: written without quotes and not as a block. `tag`: as in `!!str`, one of the core schema's.
        case scalar(text: String, plain: Bool, tag: String?)
        case sequence([Value])
        /// In the order written; no key occurs twice.
        case mapping([Member])
    }

    package var mark: Mark
    package var shape: Shape

    package init(mark: Mark, shape: Shape) {
        self.mark = mark
        self.shape = shape
    }

    /// The member of a mapping; nil when absent or not a mapping.
    package subscript(key: String) -> Value? {
        guard case .mapping(let members) = shape else { return nil }
        return members.first { $0.key == key }?.value
    }

    package var isEmptyList: Bool { if case .sequence(let items) = shape { items.isEmpty } else { false } }

    package var isNull: Bool { if case .scalar = shape { json == .null } else { false } }

    /// The place of `spec.disks[0].size`, or of its nearest ancestor that exists.
    package func mark(at path: String) -> Mark {
        var here = self
        for step in PathStep.parse(path) ?? [] {
            switch (step, here.shape) {
            case (.key(let key), .mapping):
                guard let next = here[key] else { return here.mark }
                here = next
            case (.index(let index), .sequence(let items)) where items.indices.contains(index): here = items[index]
            default: return here.mark
            }
        }
        return here.mark
    }

    /// The place of the key at a path, for problems about the key itself; else as `mark(at:)`.
    package func keyMark(at path: String) -> Mark {
        guard var steps = PathStep.parse(path), case .key(let last)? = steps.popLast() else { return mark(at: path) }
        var here = self
        for step in steps {
            switch (step, here.shape) {
            case (.key(let key), .mapping):
                guard let next = here[key] else { return here.mark }
                here = next
            case (.index(let index), .sequence(let items)) where items.indices.contains(index): here = items[index]
            default: return here.mark
            }
        }
        guard case .mapping(let members) = here.shape else { return here.mark }
        return members.first { $0.key == last }?.keyMark ?? here.mark
    }

    /// The plain data, by YAML 1.2's core schema.
    package var json: JSON {
        switch shape {
        case .scalar(let text, let plain, let tag): CoreSchema.resolve(text, plain: plain, tag: tag)
        case .sequence(let items): .array(items.map(\.json))
        case .mapping(let members):
            .object(Dictionary(members.map { ($0.key, $0.value.json) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    /// What it is, for a person: "a list", "a boolean".
    package var noun: String {
        switch shape {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let text, let plain, let tag):
            switch CoreSchema.resolve(text, plain: plain, tag: tag) {
            case .null: "empty"
            case .bool: "a boolean"
            case .integer, .number: "a number"
            default: "text"
            }
        }
    }
}
