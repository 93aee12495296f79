import NIOCore

/// What the client's frames mean (RFC 9113 §5, §6).
extension ServerConnection {
    func take(_ frame: FrameReader.Frame) throws(HTTP2Fault) {
        switch frame {
        case .data(let id, let piece, let bytes, let isLast): try takeData(id, piece, bytes, isLast: isLast)
        case .headers(let id, let block, let isLast): try takeHeaders(id, block, isLast: isLast)
        case .reset(let id):
            try checkBegun(id)
            try flood.noteReset(now: .now())
            if let stream = streams.removeValue(forKey: id) { abandon(stream) }
            closeWhenDone()
        case .settings(let content): try takeSettings(content)
        case .ping(let number):
            try flood.notePing(now: .now())
            outgoing.write { buffer in
                buffer.writeFrame(.ping, .acknowledge, stream: 0, length: 8)
                buffer.writeInteger(number)
            }
        case .goAway:
            isLeaving = true
            closeWhenDone()
        case .windowUpdate(let id, let more): try takeWindow(id, more)
        case .nothing: try flood.noteControl(now: .now())
        }
    }

    /// Streams are begun by the client, with odd numbers that rise (§5.1.1).
    private func checkBegun(_ id: UInt32) throws(HTTP2Fault) {
        guard id <= newest, !id.isMultiple(of: 2) else { throw HTTP2Fault(.protocolError, "a frame of stream \(id), which was not begun") }
    }

    /// The client is told that the stream is no more.
    private func reset(_ id: UInt32, _ code: HTTP2Code) throws(HTTP2Fault) {
        try flood.noteStreamFault(now: .now())
        if let stream = streams.removeValue(forKey: id) { abandon(stream) }
        cutShort += 1
        outgoing.write { $0.writeReset(stream: id, code) }
    }

    /// More at once than there may be. Who has not read how many that is begins some more.
    private func refuse(_ id: UInt32) throws(HTTP2Fault) {
        try flood.noteReset(now: .now())
        cutShort += 1
        outgoing.write { $0.writeReset(stream: id, .refusedStream) }
    }

    // MARK: data

    private func takeData(_ id: UInt32, _ piece: ByteBuffer, _ bytes: Int, isLast: Bool) throws(HTTP2Fault) {
        try checkBegun(id)
        guard window.take(bytes) else { throw HTTP2Fault(.flowControlError, "more data than the connection's window") }
        // All that came has used it, what is dropped as well: a client whose calls are refused, or given up, while it still sends must not
        // use it up for good.
        if let more = window.credit() { outgoing.write { $0.writeWindowUpdate(stream: 0, more) } }
        guard let place = streams.index(forKey: id), !streams.values[place].isEnded else {
            if isLast, let place = streams.index(forKey: id) { streams.values[place].isClientDone = true }
            return try ignore(bytes)
        }
        guard !streams.values[place].isClientDone else { return try reset(id, .streamClosed) }
        guard streams.values[place].window.take(bytes) else { throw HTTP2Fault(.flowControlError, "more data than the stream's window") }
        guard streams.values[place].announces(piece.readableBytes, isLast: isLast) else { return try reset(id, .protocolError) }
        if piece.readableBytes == 0 && !isLast { try flood.noteControl(now: .now()) }
        receive(place, piece, isLast: isLast)
        guard !isLast, let place = streams.index(forKey: id), let more = streams.values[place].window.credit() else { return }
        outgoing.write { $0.writeWindowUpdate(stream: id, more) }
    }

    /// Data of a call that has ended; unless the client sends on and on.
    private func ignore(_ bytes: Int) throws(HTTP2Fault) {
        ignoredBytes += bytes
        guard ignoredBytes <= (cutShort + 1) * limits.streamWindowBytes else {
            throw HTTP2Fault(.enhanceYourCalm, "data of calls that have ended long ago")
        }
        if bytes == 0 { try flood.noteControl(now: .now()) }
    }

    // MARK: headers

    private func takeHeaders(_ id: UInt32, _ block: ByteBuffer, isLast: Bool) throws(HTTP2Fault) {
        // Whatever becomes of it: the tables of both sides are to stay the same.
        let block = try requests.read(block)
        if id <= newest { return try takeTrailers(id, block, isLast: isLast) }
        guard !id.isMultiple(of: 2) else { throw HTTP2Fault(.protocolError, "stream \(id) is not the client's to begin") }
        newest = id
        guard !isStopping else {
            // It was told that this one is not served.
            if !isLast { cutShort += 1 }
            return
        }
        served = id
        guard streams.count < limits.streamsMax else { return try refuse(id) }
        guard case .request(let head) = block, !isLast || head.contentLength ?? 0 == 0 else { return try reset(id, .protocolError) }
        begin(id, head, isLast: isLast)
    }

    /// All they can say is that the client is done.
    private func takeTrailers(_ id: UInt32, _ block: HeaderBlock, isLast: Bool) throws(HTTP2Fault) {
        try checkBegun(id)
        guard let place = streams.index(forKey: id) else { return try flood.noteStreamFault(now: .now()) }
        guard !streams.values[place].isClientDone else { return try reset(id, .streamClosed) }
        guard isLast, case .trailers = block, streams.values[place].announces(0, isLast: true) else { return try reset(id, .protocolError) }
        if streams.values[place].isEnded { streams.values[place].isClientDone = true } else { receive(place, ByteBuffer(), isLast: true) }
    }

    // MARK: settings and windows

    private func takeSettings(_ content: ByteBuffer) throws(HTTP2Fault) {
        try flood.noteControl(now: .now())
        var content = content
        var window: Int?
        while let (name, value) = content.readMultipleIntegers(as: (UInt16, UInt32).self) {
            switch name {
            case SettingName.headerTableSize: outgoing.limitTable(Int(value))
            case SettingName.enablePush:
                guard value <= 1 else { throw HTTP2Fault(.protocolError, "ENABLE_PUSH is 0 or 1, not \(value)") }
            case SettingName.initialWindowSize:
                guard value <= HTTP2.windowMax else { throw HTTP2Fault(.flowControlError, "INITIAL_WINDOW_SIZE is 2^31 - 1 at most") }
                window = Int(value)
            case SettingName.maxFrameSize:
                guard (16_384...16_777_215).contains(value) else { throw HTTP2Fault(.protocolError, "MAX_FRAME_SIZE is from 2^14 to 2^24 - 1") }
            default: break
            }
        }
        if let window, window != streamWindow { try setStreamWindow(window) }
        outgoing.write { $0.writeFrame(.settings, .acknowledge, stream: 0, length: 0) }
    }

    /// It holds for the streams there are as well (§6.9.2).
    private func setStreamWindow(_ bytes: Int) throws(HTTP2Fault) {
        // It costs as much as there are streams.
        try flood.noteControl(times: 1 + streams.count / 64, now: .now())
        let more = bytes - streamWindow
        streamWindow = bytes
        for id in streams.keys.sorted() {
            guard let place = streams.index(forKey: id) else { continue }
            streams.values[place].queue.window += more
            guard streams.values[place].queue.window <= HTTP2.windowMax else { throw HTTP2Fault(.flowControlError, "a window beyond 2^31 - 1") }
            settle(place)
        }
    }

    private func takeWindow(_ id: UInt32, _ more: Int) throws(HTTP2Fault) {
        guard id != 0 else {
            guard more > 0 else { throw HTTP2Fault(.protocolError, "a window update of nothing") }
            outgoing.window += more
            guard outgoing.window <= HTTP2.windowMax else { throw HTTP2Fault(.flowControlError, "a window beyond 2^31 - 1") }
            return
        }
        try checkBegun(id)
        // Of one that has ended it comes often.
        guard let place = streams.index(forKey: id) else { return }
        guard more > 0 else { return try reset(id, .protocolError) }
        streams.values[place].queue.window += more
        guard streams.values[place].queue.window <= HTTP2.windowMax else { return try reset(id, .flowControlError) }
        settle(place)
    }
}
