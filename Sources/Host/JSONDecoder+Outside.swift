import Foundation

extension JSONDecoder {
    /// Decodes what did not come from ourselves.
    ///
    /// Foundation's decoder traps, and does not throw, where a text ends with the bracket that is one too deep (the 513th); not
    /// before a space.
    package func decode<T: Decodable>(_ type: T.Type, fromOutside bytes: some Sequence<UInt8>) throws -> T {
        try decode(type, from: Data(bytes) + [0x20])
    }
}
