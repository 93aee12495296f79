/// The reader handed to `Kind.readSpec`: reads the members of one mapping and notes every problem with its place
/// instead of throwing. A reading method always returns a valid value; where what was written is wrong it returns
/// the default or the type's example, so check rules that join several fields only while `isSound`.
///
/// Drawing, it records the JSON Schema of what is asked for, and everything asked for is "there" once.
///
/// A plain `null` or nothing after the colon counts as absent.
package struct Fields {
    enum Mode {
        case reading(Value)
        /// How many mappings lie around this one.
        case drawing(depth: Int)
        /// Stands in for something missing or of the wrong type, whose problem is already noted.
        case blank
    }

    /// Past this depth drawing hands out no more optionals and lists, so that recursive readers end.
    static let drawnDepthMax = 6

    let file: String
    /// "Node/node01"
    package let object: String
    /// "spec.disks[0]"
    package let path: String
    var mode: Mode
    var drawn = Schema()
    private var asked: [String] = []
    /// Those found so far, the children's included.
    package private(set) var problems: [Problem] = []

    package init(reading value: Value, file: String, object: String, path: String) {
        self.init(mode: .reading(value), file: file, object: object, path: path)
        switch value.shape {
        case .mapping: break
        case _ where value.isNull: mode = .reading(Value(mark: value.mark, shape: .mapping([])))
        default:
            note("is \(value.noun); a mapping is expected", mark: value.mark)
            mode = .blank
        }
    }

    package init(drawing: ()) {
        self.init(mode: .drawing(depth: 0), file: "", object: "", path: "")
    }

    init(mode: Mode, file: String, object: String, path: String) {
        self.mode = mode
        self.file = file
        self.object = object
        self.path = path
    }

    /// True also while a stand-in is read for something missing; rules of the kind's own are not to be checked then.
    package var isDrawing: Bool { if case .reading = mode { false } else { true } }

    /// Real input without a problem so far: what was returned is what was written.
    package var isSound: Bool { !isDrawing && problems.isEmpty }

    /// The JSON Schema (draft 2020-12) of what was asked for, while drawing.
    package var schema: JSON { drawn.json }

    /// Where this mapping stands.
    package var mark: Mark { if case .reading(let value) = mode { value.mark } else { Mark(line: 1, column: 1) } }

    /// Notes the fields nobody asked for. To be called once, last, by whoever made these fields; nested mappings
    /// are finished by the fields around them.
    package mutating func finish() {
        guard case .reading(let value) = mode, case .mapping(let members) = value.shape else { return }
        for member in members where !asked.contains(member.key) {
            let message: String
            if let near = nearest(to: member.key, among: asked) {
                message = "unknown field; did you mean \(quoted(near))?"
            } else if !asked.isEmpty, asked.count <= 12 {
                message = "unknown field; known here: \(listed(asked))"
            } else {
                message = "unknown field"
            }
            note(message, mark: member.keyMark, path: Manifest.path(path, member.key))
        }
        problems = problems.enumerated().sorted { ($0.element.mark, $0.offset) < ($1.element.mark, $1.offset) }.map(\.element)
    }

    /// A rule of the kind's own, noted at a field ("" is the mapping itself; "disks[0].size" reaches deeper). Does
    /// nothing while drawing.
    package mutating func note(_ message: String, at name: String = "") {
        guard case .reading(let value) = mode else { return }
        note(message, mark: value.mark(at: name), path: joined(name))
    }

    mutating func note(_ message: String, mark: Mark, path: String? = nil) {
        problems.append(Problem(file: file, mark: mark, object: object, path: path ?? self.path, message: message))
    }

    mutating func note(_ found: [Problem]) { problems += found }

    /// What stands at a field; nil when absent or null. The field counts as known from now on.
    mutating func written(_ name: String) -> Value? {
        if !asked.contains(name) { asked.append(name) }
        guard case .reading(let value) = mode, let member = value[name], !member.isNull else { return nil }
        return member
    }

    /// Like `written`, but of something that must be there.
    mutating func demanded(_ name: String) -> Value? {
        if let value = written(name) { return value }
        noteMissing(name)
        return nil
    }

    mutating func noteMissing(_ name: String, _ more: String = "") {
        guard case .reading(let value) = mode else { return }
        note("is required\(more)", mark: value.mark(at: name), path: Manifest.path(path, name))
    }
}
