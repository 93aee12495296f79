/// Small things about JSON that protobuf's own coder does not do.
enum JSONTexts {
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

    /// A string literal (RFC 8259, 7).
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// Cuts a stream's body into its objects, which follow each other with or without space between. What is no
    /// object, or not whole, is the last piece: decoding it says what is wrong with it.
    static func objects(_ body: [UInt8]) -> [ArraySlice<UInt8>] {
        var objects: [ArraySlice<UInt8>] = []
        var place = 0
        while true {
            while place < body.count, isSpace(body[place]) { place += 1 }
            guard place < body.count else { return objects }
            guard body[place] == UInt8(ascii: "{"), let end = end(of: body, from: place) else {
                objects.append(body[place...])
                return objects
            }
            objects.append(body[place..<end])
            place = end
        }
    }

    /// Behind the brace that closes the object.
    private static func end(of body: [UInt8], from start: Int) -> Int? {
        var depth = 0
        var isInString = false
        var place = start
        while place < body.count {
            switch body[place] {
            case UInt8(ascii: "\\") where isInString: place += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case UInt8(ascii: "{") where !isInString: depth += 1
            case UInt8(ascii: "}") where !isInString:
                depth -= 1
                if depth == 0 { return place + 1 }
            default: break
            }
            place += 1
        }
        return nil
    }
}
