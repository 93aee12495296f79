/// The offset of the first byte that is not part of well-formed UTF-8.
func invalidUTF8(_ bytes: [UInt8]) -> Int? {
    do throws(UTF8.ValidationError) {
        _ = try UTF8Span(validating: bytes.span)
        return nil
    } catch {
        return error.byteOffsets.lowerBound
    }
}

/// Line and column of a byte offset. Lines end with LF, CR or CRLF.
func place(of offset: Int, in bytes: [UInt8]) -> Mark {
    var mark = Mark(line: 1, column: 1)
    for index in 0..<min(offset, bytes.count) {
        switch bytes[index] {
        case 0x0A: mark = Mark(line: mark.line + 1, column: 1)
        case 0x0D where index + 1 >= bytes.count || bytes[index + 1] != 0x0A: mark = Mark(line: mark.line + 1, column: 1)
        case 0x0D: break
        case 0x80..<0xC0: break  // the rest of a scalar already counted
        default: mark.column += 1
        }
    }
    return mark
}

/// Two digits: `0A`.
func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) }
