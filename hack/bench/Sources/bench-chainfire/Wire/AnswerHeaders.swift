import NIOCore
import NIOHPACK

/// Understands the header blocks of one connection's answers. A block that only names places of the tables, as all but
/// the first are, changes nothing in them: what it said before it says again, and need not be decoded again.
struct AnswerHeaders {
    enum Meaning {
        case head
        /// Of a call that ended well.
        case good
        case bad(String)
    }

    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    private var known: [(block: [UInt8], isEnd: Bool, meaning: Meaning)] = []

    mutating func read(_ block: UnsafeRawBufferPointer, isEnd: Bool) throws -> Meaning {
        if let same = known.first(where: { $0.isEnd == isEnd && $0.block.elementsEqual(block) }) { return same.meaning }
        var buffer = ByteBuffer(bytes: block)
        let meaning = Self.meaning(try decoder.decodeHeaders(from: &buffer), isEnd: isEnd)
        // One byte each (RFC 7541 §6.1); 0x80 is no place, 0xFF begins a longer number.
        if block.allSatisfy({ $0 > 0x80 && $0 < 0xFF }) {
            known.append((Array(block), isEnd, meaning))
        } else {
            known = []
        }
        return meaning
    }

    private static func meaning(_ headers: HPACKHeaders, isEnd: Bool) -> Meaning {
        if let status = headers.first(name: ":status"), status != "200" { return .bad("HTTP status \(status)") }
        guard isEnd else { return .head }
        let status = headers.first(name: "grpc-status")
        return status == "0" ? .good : .bad("\(status ?? "no status"): \(headers.first(name: "grpc-message") ?? "")")
    }
}
