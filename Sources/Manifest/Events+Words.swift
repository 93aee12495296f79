extension EventStream.SyntaxProblem {
    /// libyaml's words with what a person most likely has to do.
    func words(isTab: Bool) -> String {
        var words = message
        if let context {
            words += " " + context
            if contextMark != mark { words += " that begins at \(contextMark.line):\(contextMark.column)" }
        }
        return hint(isTab: isTab).map { "\(words); \($0)" } ?? words
    }

    private func hint(isTab: Bool) -> String? {
        if isTab || message.contains("tab character") { return "indent with spaces, not with tabs" }
        switch message {
        case "mapping values are not allowed in this context":
            return "check the indentation, and quote text that holds \": \""
        case "found character that cannot start any token": return "quote text that begins with a special character"
        case "did not find expected key", "did not find expected '-' indicator", "could not find expected ':'":
            return "check the indentation and the lines just before"
        case "found unexpected end of stream", "found unexpected document indicator":
            return context?.contains("quoted") == true ? "the closing quote is missing" : "something is not closed"
        case "did not find expected ',' or ']'": return "a \"[\" is not closed, or a comma is missing"
        case "did not find expected ',' or '}'": return "a \"{\" is not closed, or a comma is missing"
        case "did not find expected <document start>": return "begin a further document with a line ---"
        default: return nil
        }
    }
}
