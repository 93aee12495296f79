import NIOCore

/// After the byte of the frame's kind:
///
///      0  1  code: 1 cluster, 2 incarnation, 3 removed, 4 wrong member, 5 version, 6 certificate, 7 other
///      1  8  first number of the case, else 0; so the second and the third
///     25  2  bytes n of the text, at most 900
///     27  n  UTF-8: the text of `certificate` and `other`; of a code that is not known, the whole of it
///   27+n  2  of `incarnation`: how many voters there are; may be missing
extension PeerRefusal {
    private static let textBytesMax = 900

    /// Nil when it is none.
    init?(_ content: ByteBuffer) {
        var content = content
        guard let code = content.readInteger(as: UInt8.self),
            let (a, b, c) = content.readMultipleIntegers(endianness: .little, as: (UInt64, UInt64, UInt64).self),
            let length = content.readInteger(endianness: .little, as: UInt16.self),
            let text = content.readString(length: Int(length))
        else { return nil }
        switch code {
        case 1: self = .cluster(theirs: a, ours: b)
        case 2:
            let voters = content.readInteger(endianness: .little, as: UInt16.self) ?? 0
            self = .incarnation(member: a, known: b, theirs: c, voters: Int(voters))
        case 3: self = .removed(member: a)
        case 4: self = .wrongMember(wanted: a, here: b)
        case 5: self = .version(theirs: a, ours: b)
        case 6: self = .certificate(Self.shown(text))
        default: self = .other(Self.shown(text))
        }
    }

    func write(to buffer: inout ByteBuffer) {
        let (code, a, b, c): (UInt8, UInt64, UInt64, UInt64) =
            switch self {
            case .cluster(let theirs, let ours): (1, theirs, ours, 0)
            case .incarnation(let member, let known, let theirs, _): (2, member, known, theirs)
            case .removed(let member): (3, member, 0, 0)
            case .wrongMember(let wanted, let here): (4, wanted, here, 0)
            case .version(let theirs, let ours): (5, theirs, ours, 0)
            case .certificate: (6, 0, 0, 0)
            case .other: (7, 0, 0, 0)
            }
        let text = Array(description.utf8.prefix(Self.textBytesMax))
        buffer.writeInteger(code)
        buffer.writeMultipleIntegers(a, b, c, endianness: .little)
        buffer.writeInteger(UInt16(text.count), endianness: .little)
        buffer.writeBytes(text)
        if case .incarnation(_, _, _, let voters) = self { buffer.writeInteger(UInt16(clamping: voters), endianness: .little) }
    }

    /// What another side wrote goes to our log on one line, without what steers a terminal.
    private static func shown(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
