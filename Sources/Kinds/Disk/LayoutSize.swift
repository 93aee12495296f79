import Manifest

/// Size of a partition: bytes, or "100%": all that is left.
enum PartitionSize: Hashable, Sendable {
    case bytes(ByteCount)
    case rest
}

/// Size of a logical volume: bytes, or "100%FREE": all that is left in the group.
enum VolumeSize: Hashable, Sendable {
    case bytes(ByteCount)
    case rest
}

extension PartitionSize: TextScalar {
    init(scalar text: String) throws(ScalarProblem) {
        if text == "100%" { self = .rest } else { self = .bytes(try readBytes(text, or: "100%")) }
    }

    var scalarText: String {
        switch self {
        case .bytes(let size): size.scalarText
        case .rest: "100%"
        }
    }

    static var schema: JSON { sizeSchema(or: "100%") }
    static var example: Self { .rest }
}

extension VolumeSize: TextScalar {
    /// disko takes "100%" for "100%FREE" too.
    init(scalar text: String) throws(ScalarProblem) {
        if text == "100%FREE" || text == "100%" { self = .rest } else { self = .bytes(try readBytes(text, or: "100%FREE")) }
    }

    var scalarText: String {
        switch self {
        case .bytes(let size): size.scalarText
        case .rest: "100%FREE"
        }
    }

    static var schema: JSON { sizeSchema(or: "100%FREE") }
    static var example: Self { .rest }
}

private func readBytes(_ text: String, or rest: String) throws(ScalarProblem) -> ByteCount {
    if text.hasSuffix("%") { throw ScalarProblem("is not a size: of shares only \(rest), all that is left, is possible") }
    let size = try ByteCount(scalar: text)
    guard size.bytes > 0 else { throw ScalarProblem("is not more than nothing; write a size, or \(rest) for all that is left") }
    return size
}

private func sizeSchema(or rest: String) -> JSON {
    .object(["anyOf": .array([ByteCount.schema, .object(["const": .string(rest)])])])
}

/// Type of a GPT partition: four hexadecimal digits as gdisk has them. Not text to YAML's eyes: `8300` and `8E00` are
/// numbers there, and need no quotes here.
struct PartitionType: Hashable, Sendable {
    static let linux = PartitionType(code: "8300")
    static let efiSystem = PartitionType(code: "EF00")

    var code: String
}

extension PartitionType: TextScalar {
    init(scalar text: String) throws(ScalarProblem) {
        guard text.utf8.count == 4, text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
            throw ScalarProblem("is not a partition type: four hexadecimal digits as gdisk has them, EF00 for the EFI system")
        }
        code = text.uppercased()
    }

    var scalarText: String { code }
    static var schema: JSON { ["type": ["string", "number"], "pattern": "^[0-9A-Fa-f]{4}$"] }
    static var example: Self { .linux }
}
