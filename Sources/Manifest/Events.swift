import CYAML

/// libyaml's parser over bytes that outlive it.
struct EventStream: ~Copyable {
    enum Shape {
        case streamStart, streamEnd, documentStart, documentEnd
        case alias(String)
        case scalar(text: String, plain: Bool)
        case sequenceStart, sequenceEnd, mappingStart, mappingEnd
    }

    struct Event {
        var mark: Mark
        var shape: Shape
        var anchor: String?
        /// "!!str", "!foo"; nil when none was written.
        var tag: String?
    }

    /// libyaml's words for what it cannot read.
    struct SyntaxProblem: Error {
        var mark: Mark
        var message: String
        /// Where what it was reading began: "while scanning a quoted scalar".
        var context: String?
        var contextMark: Mark
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let firstLine: Int

    /// - Parameter firstLine: the number of the first line, for bytes from the middle of a file.
    init(_ bytes: UnsafeBufferPointer<UInt8>, firstLine: Int) {
        self.firstLine = firstLine
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else { fatalError("out of memory for a YAML parser") }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    mutating func next() throws(SyntaxProblem) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
        defer { yaml_event_delete(&event) }
        let mark = mark(event.start_mark)
        switch event.type {
        case YAML_STREAM_START_EVENT: return Event(mark: mark, shape: .streamStart)
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return Event(mark: mark, shape: .streamEnd)
        case YAML_DOCUMENT_START_EVENT: return Event(mark: mark, shape: .documentStart)
        case YAML_DOCUMENT_END_EVENT: return Event(mark: mark, shape: .documentEnd)
        case YAML_ALIAS_EVENT: return Event(mark: mark, shape: .alias(String(cString: event.data.alias.anchor)))
        case YAML_SCALAR_EVENT:
            let text = String(
                decoding: UnsafeBufferPointer(start: event.data.scalar.value, count: event.data.scalar.length), as: UTF8.self)
            let plain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE
            return Event(
                mark: mark, shape: .scalar(text: text, plain: plain), anchor: event.data.scalar.anchor.map { String(cString: $0) },
                tag: tag(event.data.scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            return Event(
                mark: mark, shape: .sequenceStart, anchor: event.data.sequence_start.anchor.map { String(cString: $0) },
                tag: tag(event.data.sequence_start.tag))
        case YAML_MAPPING_START_EVENT:
            return Event(
                mark: mark, shape: .mappingStart, anchor: event.data.mapping_start.anchor.map { String(cString: $0) },
                tag: tag(event.data.mapping_start.tag))
        case YAML_SEQUENCE_END_EVENT: return Event(mark: mark, shape: .sequenceEnd)
        case YAML_MAPPING_END_EVENT: return Event(mark: mark, shape: .mappingEnd)
        default: preconditionFailure("libyaml knows no event \(event.type.rawValue)")
        }
    }

    private func mark(_ mark: yaml_mark_t) -> Mark { Mark(line: Int(mark.line) + firstLine, column: Int(mark.column) + 1) }

    private func tag(_ tag: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let tag else { return nil }
        let text = String(cString: tag)
        let core = "tag:yaml.org,2002:"
        return text == "!" ? "!!str" : text.hasPrefix(core) ? "!!" + text.dropFirst(core.count) : text
    }

    private func problem() -> SyntaxProblem {
        let seen = parser.pointee
        var message = seen.problem.map { String(cString: $0) } ?? "cannot be read"
        // A reader's problem (a character YAML does not allow) has no mark of its own.
        guard seen.error != YAML_READER_ERROR else {
            if seen.problem_value > 0 { message += " (U+" + String(seen.problem_value, radix: 16, uppercase: true) + ")" }
            return SyntaxProblem(mark: mark(seen.mark), message: message, contextMark: mark(seen.mark))
        }
        return SyntaxProblem(
            mark: mark(seen.problem_mark), message: message, context: seen.context.map { String(cString: $0) },
            contextMark: mark(seen.context_mark))
    }
}
