import Foundation
import Manifest

/// A record that is no object of its kind as this plasma knows it: another version wrote it, or somebody's hand.
package struct UnreadableRecord: Error, Hashable, CustomStringConvertible {
    /// "Disk/node01-root", or "a Disk" when not even its name can be told.
    package var object: String
    /// "spec.size is missing"
    package var why: String

    init(kind: String, _ bytes: [UInt8], _ error: any Error) {
        object = (try? JSON(parsing: bytes))?.at("metadata.name")?.string.map { "\(kind)/\($0)" } ?? "a \(kind)"
        why = (error as? DecodingError)?.words ?? "\(error)"
    }

    package var description: String { "\(object) is stored in a form that this version of plasma cannot read: \(why)" }
}

extension DecodingError {
    /// Where in the JSON, and what is wrong there.
    var words: String {
        func place(_ path: [any CodingKey]) -> String {
            path.reduce("") { text, key in key.intValue.map { "\(text)[\($0)]" } ?? (text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)") }
        }
        switch self {
        case .keyNotFound(let key, let context): return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)) is null"
        case .typeMismatch(_, let context), .dataCorrupted(let context):
            return context.codingPath.isEmpty ? context.debugDescription : "\(place(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "\(self)"
        }
    }
}
