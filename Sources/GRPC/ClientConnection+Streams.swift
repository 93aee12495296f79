import NIOCore
import NIOHPACK
import NIOHTTP2

extension ClientConnection {
    func receive(_ id: HTTP2StreamID, _ headers: HPACKHeaders, isLast: Bool) {
        guard isLast else {
            if let refusal = Self.refusal(headers) { fail(id, refusal, isLast: false) }
            return
        }
        guard let stream = streams.removeValue(forKey: id) else { return }
        deadlines.remove(id)
        let status = Self.status(headers)
        guard case .unary(let answer) = stream.call.sink else { return stream.call.end(status) }
        switch (status.code, stream.answer) {
        case (.ok, let message?): answer(.success(message))
        case (.ok, nil): answer(.failure(GRPCStatus(.internalError, "the server ended the call without a message")))
        default: answer(.failure(status))
        }
    }

    func receive(_ id: HTTP2StreamID, _ buffer: ByteBuffer, padding: Int, isLast: Bool) {
        guard let found = streams.index(forKey: id) else { return }
        var credit = buffer.readableBytes + padding
        if buffer.readableBytes > 0 { streams.values[found].reader.append(buffer) }
        do throws(GRPCStatus) {
            // Whoever is handed a message may end the call, and others.
            while let place = streams.index(forKey: id), let message = try streams.values[place].reader.next(bytesMax: options.receiveBytesMax) {
                switch streams.values[place].call.sink {
                case .unary: streams.values[place].answer = message
                case .stream(let hand, _):
                    credit -= message.readableBytes
                    hand(message)
                }
            }
        } catch {
            return fail(id, error, isLast: isLast)
        }
        if let place = streams.index(forKey: id) { streams.values[place].reader.settle() }
        if !isLast { give(id, credit) }
    }

    /// Lets the server send so many bytes more, as soon as it is worth a frame.
    func give(_ id: HTTP2StreamID, _ bytes: Int) {
        guard let place = streams.index(forKey: id) else { return }
        streams.values[place].credit += bytes
        let credit = streams.values[place].credit
        guard credit >= options.streamWindowBytes / 2 else { return }
        streams.values[place].credit = 0
        write(id, .windowUpdate(windowSizeIncrement: credit))
    }

    private func fail(_ id: HTTP2StreamID, _ status: GRPCStatus, isLast: Bool) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        if isLast { deadlines.remove(id) } else { drop(id) }
        stream.call.end(status)
    }

    func wake(at deadline: NIODeadline) {
        context?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.deadlinePassed() }
    }

    private func deadlinePassed() {
        let (passed, next) = deadlines.expire(now: .now())
        for id in passed { fail(id, GRPCStatus(.deadlineExceeded, "the deadline passed before an answer came"), isLast: false) }
        context?.flush()
        if let next { wake(at: next) }
    }

    /// An answer that is no gRPC at all, from a proxy perhaps.
    private static func refusal(_ headers: HPACKHeaders) -> GRPCStatus? {
        guard let status = headers.first(name: ":status"), status != "200" else { return nil }
        let code: GRPCStatus.Code = switch status {
        case "401": .unauthenticated
        case "403": .permissionDenied
        case "404": .unimplemented
        case "429", "502", "503", "504": .unavailable
        default: .unknown
        }
        return GRPCStatus(code, "the server answered with HTTP status \(status)")
    }

    private static func status(_ headers: HPACKHeaders) -> GRPCStatus {
        if let refusal = refusal(headers) { return refusal }
        guard let number = headers.first(name: "grpc-status").flatMap({ Int($0) }) else {
            return GRPCStatus(.unknown, "the server ended the call without a status")
        }
        let message = headers.first(name: "grpc-message").map { PercentText.decode($0) } ?? ""
        return GRPCStatus(GRPCStatus.Code(rawValue: number) ?? .unknown, message)
    }
}
