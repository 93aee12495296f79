import NIOCore

/// HTTP/2's frames (RFC 9113 §6).
package enum FrameType: UInt8, Sendable {
    case data, headers, priority, resetStream, settings, pushPromise, ping, goAway, windowUpdate, continuation
}

package struct FrameFlags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Of `settings` and `ping`, where it is the same bit as `endStream`.
    package static let acknowledge = FrameFlags(rawValue: 0x1)
    package static let endStream = FrameFlags(rawValue: 0x1)
    package static let endHeaders = FrameFlags(rawValue: 0x4)
    package static let padded = FrameFlags(rawValue: 0x8)
    package static let priority = FrameFlags(rawValue: 0x20)
}

/// The settings that a server minds (RFC 9113 §6.5.2).
enum SettingName {
    static let headerTableSize: UInt16 = 1
    static let enablePush: UInt16 = 2
    static let maxConcurrentStreams: UInt16 = 3
    static let initialWindowSize: UInt16 = 4
    static let maxFrameSize: UInt16 = 5
    static let maxHeaderListSize: UInt16 = 6
}

/// Why a stream or a connection ends (RFC 9113 §7).
enum HTTP2Code: UInt32 {
    case noError, protocolError, internalError, flowControlError, settingsTimeout, streamClosed, frameSizeError, refusedStream, cancel,
        compressionError, connectError, enhanceYourCalm
}

/// What the other side did that ends the connection; it is told so by GOAWAY.
struct HTTP2Fault: Error, Equatable {
    var code: HTTP2Code
    var words: String

    init(_ code: HTTP2Code, _ words: String) {
        self.code = code
        self.words = words
    }
}

enum HTTP2 {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// Of a frame's content, either way: what holds as long as nobody says otherwise, and here nobody does.
    static let frameBytesMax = 16_384
    /// Of any window, at its beginning and at most.
    static let windowAtFirst = 65_535
    static let windowMax = Int(Int32.max)
}

/// The nine bytes before every frame's content: length (3), type, flags, stream (RFC 9113 §4.1).
struct FrameHead {
    static let bytes = 9

    var length: Int
    var type: UInt8
    var flags: FrameFlags
    var stream: UInt32

    /// Out of the first bytes that are readable; nil: there are not enough yet.
    init?(_ buffer: ByteBuffer) {
        guard buffer.readableBytes >= Self.bytes else { return nil }
        let (word, flags, stream) = buffer.withUnsafeReadableBytes { bytes in
            (bytes.bigEndian(at: 0), bytes[4], bytes.bigEndian(at: 5))
        }
        length = Int(word >> 8)
        type = UInt8(truncatingIfNeeded: word)
        self.flags = FrameFlags(rawValue: flags)
        self.stream = stream & 0x7FFF_FFFF
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func bigEndian(at offset: Int) -> UInt32 { UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
}

extension ByteBuffer {
    mutating func writeFrame(_ type: FrameType, _ flags: FrameFlags = [], stream: UInt32, length: Int) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: FrameHead.bytes) { room in
            room.storeBytes(of: (UInt32(length) << 8 | UInt32(type.rawValue)).bigEndian, toByteOffset: 0, as: UInt32.self)
            room.storeBytes(of: flags.rawValue, toByteOffset: 4, as: UInt8.self)
            room.storeBytes(of: stream.bigEndian, toByteOffset: 5, as: UInt32.self)
            return FrameHead.bytes
        }
    }

    mutating func writeWindowUpdate(stream: UInt32, _ more: Int) {
        writeFrame(.windowUpdate, stream: stream, length: 4)
        writeInteger(UInt32(more))
    }

    mutating func writeReset(stream: UInt32, _ code: HTTP2Code) {
        writeFrame(.resetStream, stream: stream, length: 4)
        writeInteger(code.rawValue)
    }

    /// - Parameter last: the newest stream that was begun here.
    mutating func writeGoAway(last: UInt32, _ code: HTTP2Code, _ words: String = "") {
        writeFrame(.goAway, stream: 0, length: 8 + words.utf8.count)
        writeInteger(last)
        writeInteger(code.rawValue)
        writeString(words)
    }

    mutating func writeSettings(_ settings: [(name: UInt16, value: Int)]) {
        writeFrame(.settings, stream: 0, length: 6 * settings.count)
        for (name, value) in settings {
            writeInteger(name)
            writeInteger(UInt32(value))
        }
    }
}
