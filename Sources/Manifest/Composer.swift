/// Makes values of events and keeps the limits.
struct Composer {
    /// Reading ends: a limit was passed, and the problem is noted.
    private enum Stop: Error {
        case limit
        case syntax(EventStream.SyntaxProblem)
    }

    /// A value and how many levels it nests; scalars have none.
    private struct Composed {
        var value: Value
        var height = 0
    }

    private struct Anchor {
        var composed: Composed
        /// What one alias of it adds.
        var nodes: Int
        var text: Int
    }

    private let bytes: [UInt8]
    private let file: String
    private let limits: YAML.Limits
    private var nodes = 0
    private var text = 0
    /// Of the document being read.
    private var anchors: [String: Anchor] = [:]
    private var openAnchors: Set<String> = []
    private var steps: [PathStep] = []

    private(set) var documents: [Value] = []
    private(set) var problems: [Problem] = []

    init(bytes: [UInt8], file: String, limits: YAML.Limits) {
        self.bytes = bytes
        self.file = file
        self.limits = limits
    }

    mutating func readAll() {
        let all = bytes
        all.withUnsafeBufferPointer { all in
            var start = all.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
            var line = 1
            while let next = read(UnsafeBufferPointer(rebasing: all[start...]), firstLine: line) {
                start += next.offset
                line = next.line
            }
        }
    }

    /// Reads to the end, or to a syntax error: then tells where to go on.
    private mutating func read(_ part: UnsafeBufferPointer<UInt8>, firstLine: Int) -> (offset: Int, line: Int)? {
        var stream = EventStream(part, firstLine: firstLine)
        do throws(Stop) {
            while try document(&stream) {}
            return nil
        } catch {
            switch error {
            case .limit: return nil
            case .syntax(let problem):
                let end = lineStart(problem.mark.line - firstLine, in: part)
                let isTab = end + problem.mark.column - 1 < part.count && part[end + problem.mark.column - 1] == 0x09
                steps = []
                do throws(Stop) { try note(problem.words(isTab: isTab), problem.mark) } catch { return nil }
                return nextDocument(in: part, afterLine: problem.mark.line - firstLine, firstLine: firstLine)
            }
        }
    }

    private func lineStart(_ line: Int, in part: UnsafeBufferPointer<UInt8>) -> Int {
        var offset = 0
        for _ in 0..<max(line, 0) {
            guard let end = part[offset...].firstIndex(of: 0x0A) else { return part.count }
            offset = end + 1
        }
        return offset
    }

    /// The first line at or after `line`, but never the first, that begins a document.
    private func nextDocument(in part: UnsafeBufferPointer<UInt8>, afterLine line: Int, firstLine: Int) -> (offset: Int, line: Int)? {
        var line = max(line, 1)
        var offset = lineStart(line, in: part)
        while offset < part.count {
            let rest = part[offset...]
            if rest.starts(with: "---".utf8), rest.count == 3 || [0x20, 0x09, 0x0A, 0x0D].contains(rest[offset + 3]) {
                return (offset, firstLine + line)
            }
            guard let end = rest.firstIndex(of: 0x0A) else { return nil }
            offset = end + 1
            line += 1
        }
        return nil
    }

    // MARK: documents

    /// False at the end of the stream.
    private mutating func document(_ stream: inout EventStream) throws(Stop) -> Bool {
        var event = try next(&stream)
        while true {
            switch event.shape {
            case .streamEnd: return false
            case .documentStart:
                anchors = [:]
                openAnchors = []
                steps = []
                let before = problems.count
                let root = try node(try next(&stream), &stream, depth: 0).value
                name(problemsFrom: before, in: root)
                if !root.isNull { documents.append(root) }
                return true
            default: event = try next(&stream)
            }
        }
    }

    /// Once the document is read, its problems can say in which object they are.
    private mutating func name(problemsFrom start: Int, in root: Value) {
        guard start < problems.count, let kind = root["kind"]?.json.string, let name = root["metadata"]?["name"]?.json.string else { return }
        for index in start..<problems.count { problems[index].object = "\(kind)/\(name)" }
    }

    private func next(_ stream: inout EventStream) throws(Stop) -> EventStream.Event {
        do throws(EventStream.SyntaxProblem) {
            return try stream.next()
        } catch {
            throw .syntax(error)
        }
    }

    // MARK: nodes

    private mutating func node(_ event: EventStream.Event, _ stream: inout EventStream, depth: Int) throws(Stop) -> Composed {
        if case .alias(let name) = event.shape { return try expand(name, event.mark, depth: depth) }
        let before = (nodes: nodes, text: text)
        if let anchor = event.anchor { openAnchors.insert(anchor) }
        try count(nodes: 1, event.mark)
        let composed: Composed
        switch event.shape {
        case .scalar(let text, let plain): composed = Composed(value: try scalar(text, plain, event))
        case .sequenceStart: composed = try sequence(event, &stream, depth: depth)
        case .mappingStart: composed = try mapping(event, &stream, depth: depth)
        default: preconditionFailure("libyaml gave \(event.shape) where a value belongs")
        }
        if let anchor = event.anchor {
            openAnchors.remove(anchor)
            anchors[anchor] = Anchor(composed: composed, nodes: nodes - before.nodes, text: text - before.text)
        }
        return composed
    }

    private mutating func expand(_ name: String, _ mark: Mark, depth: Int) throws(Stop) -> Composed {
        let nothing = Composed(value: Value(mark: mark, shape: .scalar(text: "", plain: true, tag: nil)))
        guard !openAnchors.contains(name) else {
            try count(nodes: 1, mark)
            try note("the alias *\(name) stands inside what its anchor &\(name) names; it would never end", mark)
            return nothing
        }
        guard let anchor = anchors[name] else {
            let hint = nearest(to: name, among: anchors.keys.sorted()).map { "; did you mean *\($0)?" } ?? ""
            try count(nodes: 1, mark)
            try note("the alias *\(name) names no anchor that stands before it in this document\(hint)", mark)
            return nothing
        }
        nodes += anchor.nodes
        text += anchor.text
        guard nodes <= limits.nodesMax, text <= limits.textMax else {
            let limit = nodes > limits.nodesMax ? "\(limits.nodesMax) values" : "\(ByteCount(UInt64(limits.textMax))) of text"
            try note("with the alias of the anchor &\(name) the file grows over the limit of \(limit); reading ends here", mark)
            throw .limit
        }
        guard depth + anchor.composed.height <= limits.depthMax else {
            try note("with the alias of the anchor &\(name) the file nests deeper than \(limits.depthMax) levels; reading ends here", mark)
            throw .limit
        }
        return anchor.composed
    }

    private mutating func scalar(_ text: String, _ plain: Bool, _ event: EventStream.Event) throws(Stop) -> Value {
        try count(text: text.utf8.count, event.mark)
        if let tag = event.tag {
            if !["!!str", "!!int", "!!float", "!!bool", "!!null"].contains(tag) {
                try noteTag(tag, event.mark)
            } else if !CoreSchema.accepts(text, tag: tag) {
                try note("\(quoted(text)) is not what its tag \(tag) says", event.mark)
            }
        }
        return Value(mark: event.mark, shape: .scalar(text: text, plain: plain, tag: event.tag))
    }

    private mutating func sequence(_ event: EventStream.Event, _ stream: inout EventStream, depth: Int) throws(Stop) -> Composed {
        try check(depth + 1, event.mark)
        if let tag = event.tag, tag != "!!seq" && tag != "!!str" { try noteTag(tag, event.mark) }
        var items: [Value] = []
        var height = 0
        while true {
            let next = try next(&stream)
            if case .sequenceEnd = next.shape { break }
            steps.append(.index(items.count))
            let item = try node(next, &stream, depth: depth + 1)
            steps.removeLast()
            items.append(item.value)
            height = max(height, item.height)
        }
        return Composed(value: Value(mark: event.mark, shape: .sequence(items)), height: height + 1)
    }

    private mutating func mapping(_ event: EventStream.Event, _ stream: inout EventStream, depth: Int) throws(Stop) -> Composed {
        try check(depth + 1, event.mark)
        if let tag = event.tag, tag != "!!map" && tag != "!!str" { try noteTag(tag, event.mark) }
        var members: [Value.Member] = []
        var places: [String: Mark] = [:]  // kept only for large mappings
        var merged: (mark: Mark, value: Value)?
        var height = 0
        while true {
            let next = try next(&stream)
            if case .mappingEnd = next.shape { break }
            let (key, role) = try key(next, &stream, depth: depth + 1)
            steps.append(.key(key))
            let first = switch role {
            case .merge: merged?.mark
            case .member, .nothing: members.count < 16 ? members.first { $0.key == key }?.keyMark : places[key]
            }
            if let first, role != .nothing {
                try note("is given twice; first at \(first.line):\(first.column). Remove one of the two", next.mark)
            }
            let known = problems.count
            let item = try node(try self.next(&stream), &stream, depth: depth + 1)
            height = max(height, item.height)
            if role == .merge, first == nil {
                merged = (next.mark, item.value)
                if problems.count == known { try checkMerge(item.value) }
            }
            steps.removeLast()
            guard role == .member, first == nil else { continue }
            members.append(Value.Member(key: key, keyMark: next.mark, value: item.value))
            if members.count == 16 {
                for member in members { places[member.key] = member.keyMark }
            } else if members.count > 16 {
                places[key] = next.mark
            }
        }
        if let merged {
            // What is merged was counted where it stands, or where its alias was expanded.
            var known = Set(members.map(\.key))
            for source in merged.value.mappings { members += source.filter { known.insert($0.key).inserted } }
        }
        return Composed(value: Value(mark: event.mark, shape: .mapping(members)), height: height + 1)
    }

    /// What stands under a merge key is a mapping, or a list of mappings.
    private mutating func checkMerge(_ value: Value) throws(Stop) {
        let items = if case .sequence(let items) = value.shape { items } else { [value] }
        for item in items {
            guard case .mapping = item.shape else {
                return try note("a merge key (<<) takes a mapping or a list of mappings; this is \(item.noun)", item.mark)
            }
        }
    }

    private enum Role {
        case member
        /// `<<`: the fields of another mapping that are not given here (YAML, "Merge Key Language-Independent Type").
        case merge
        /// It cannot stand in a mapping.
        case nothing
    }

    /// The text of a key, and what it is to its mapping.
    private mutating func key(
        _ event: EventStream.Event, _ stream: inout EventStream, depth: Int
    ) throws(Stop) -> (text: String, role: Role) {
        let key = try node(event, &stream, depth: depth).value
        guard case .scalar(let text, let plain, let tag) = key.shape else {
            try note("a key must be text; this is \(key.noun)", event.mark)
            return ("", .nothing)
        }
        if text == "<<", plain, tag == nil { return (text, .merge) }
        switch CoreSchema.resolve(text, plain: plain, tag: tag) {
        case .string: return (text, .member)
        case .null:
            try note("a key must be text; this one is empty", event.mark)
            return (text, .nothing)
        default:
            try note("the key \(text) is \(key.noun); quote it to make it text", event.mark)
            return (text, .member)
        }
    }

    // MARK: limits and problems

    private mutating func count(nodes more: Int = 0, text moreText: Int = 0, _ mark: Mark) throws(Stop) {
        nodes += more
        text += moreText
        guard nodes <= limits.nodesMax, text <= limits.textMax else {
            let limit = nodes > limits.nodesMax ? "\(limits.nodesMax) values" : "\(ByteCount(UInt64(limits.textMax))) of text"
            try note("the file grows over the limit of \(limit); reading ends here: split it into several files", mark)
            throw .limit
        }
    }

    private mutating func check(_ depth: Int, _ mark: Mark) throws(Stop) {
        guard depth <= limits.depthMax else {
            steps = []
            try note("nests deeper than \(limits.depthMax) levels; reading ends here", mark)
            throw .limit
        }
    }

    private mutating func noteTag(_ tag: String, _ mark: Mark) throws(Stop) {
        try note("unknown tag \(tag); known are !!str, !!int, !!float, !!bool, !!null, !!seq and !!map, each for its own kind of value", mark)
    }

    private mutating func note(_ message: String, _ mark: Mark) throws(Stop) {
        let path = steps.reduce("") { base, step in
            switch step {
            case .key(let key): Manifest.path(base, key)
            case .index(let index): "\(base)[\(index)]"
            }
        }
        problems.append(Problem(file: file, mark: mark, path: path, message: message))
        guard problems.count < limits.problemsMax else {
            problems.append(Problem(file: file, mark: mark, message: "has too many problems; reading ends here"))
            throw .limit
        }
    }
}

extension Value {
    /// The mappings that a merge key names, the strongest first.
    fileprivate var mappings: [[Member]] {
        switch shape {
        case .mapping(let members): [members]
        case .sequence(let items): items.flatMap(\.mappings)
        case .scalar: []
        }
    }
}
