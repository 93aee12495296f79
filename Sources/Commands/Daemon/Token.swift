import Foundation

/// The secret by which remote callers are known.
enum Token {
    /// Reads it, or makes one: 32 random bytes in hexadecimal, readable by the owner only.
    static func load(_ path: String) throws -> String {
        if let data = FileManager.default.contents(atPath: path) {
            let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            guard text.count >= 32 else { throw Failure("the token in \(path) is shorter than 32 characters; remove the file and a new one is made") }
            return text
        }
        var generator = SystemRandomNumberGenerator()
        let text = (0..<4).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        guard FileManager.default.createFile(
            atPath: path, contents: Data((text + "\n").utf8), attributes: [.posixPermissions: 0o600])
        else { throw Failure("the token \(path) cannot be written") }
        return text
    }
}
