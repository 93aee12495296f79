/// Checks RFC 1123 (section 2.1, with RFC 1035's lengths), in lower case.
private func checkName(_ text: String) throws(ScalarProblem) {
    guard !text.isEmpty else { throw ScalarProblem("is empty") }
    guard text.utf8.count <= 253 else { throw ScalarProblem("is longer than 253 characters") }
    let small = text.lowercased()
    if small != text, (try? checkName(small)) != nil { throw ScalarProblem("has capital letters; write \(quoted(small))") }
    if text.hasSuffix(".") { throw ScalarProblem("ends with a dot; leave the dot out") }
    for label in text.split(separator: ".", omittingEmptySubsequences: false) {
        guard !label.isEmpty else { throw ScalarProblem("has two dots in a row or begins with one") }
        guard label.utf8.count <= 63 else { throw ScalarProblem("has a part longer than 63 characters") }
        if let bad = label.unicodeScalars.first(where: { !(("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "-") }) {
            throw ScalarProblem("has \(quoted(String(bad))) in it; a name is made of a to z, 0 to 9, \"-\" and \".\"")
        }
        guard label.first != "-", label.last != "-" else { throw ScalarProblem("has a part that begins or ends with \"-\"") }
    }
}

private let namePattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"

/// A host or domain name by RFC 1123, without the final dot: "node01.plasma.local".
package struct DNSName: TextScalar, Comparable {
    package let scalarText: String

    package init(scalar text: String) throws(ScalarProblem) {
        try checkName(text)
        if (try? IPv4Address(scalar: text)) != nil { throw ScalarProblem("is an IPv4 address; a DNS name is expected") }
        scalarText = text
    }

    private init(valid text: String) { scalarText = text }

    package var labels: [String] { scalarText.split(separator: ".").map(String.init) }

    package static func < (a: DNSName, b: DNSName) -> Bool { a.scalarText < b.scalarText }
    package static var schema: JSON { ["type": "string", "format": "hostname", "maxLength": 253, "pattern": .string(namePattern)] }
    package static var example: DNSName { DNSName(valid: "node01.plasma.local") }
}

/// The name of an object: an RFC 1123 subdomain of at most 253 characters, as Kubernetes has it.
package struct ObjectName: TextScalar, Comparable {
    package let scalarText: String

    package init(scalar text: String) throws(ScalarProblem) {
        try checkName(text)
        scalarText = text
    }

    private init(valid text: String) { scalarText = text }

    package static func < (a: ObjectName, b: ObjectName) -> Bool { a.scalarText < b.scalarText }
    package static var schema: JSON { ["type": "string", "maxLength": 253, "pattern": .string(namePattern)] }
    package static var example: ObjectName { ObjectName(valid: "node01") }
}
