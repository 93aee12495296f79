import NIOCore
import NIOHTTP2

extension ServerConnection {
    /// Bytes of one stream.
    func receive(_ id: HTTP2StreamID, _ buffer: ByteBuffer, padding: Int, isLast: Bool) {
        guard let place = streams.index(forKey: id) else { return }
        if isLast { streams.values[place].isClientDone = true }
        let call = streams.values[place].call
        if call.isClosed { return }
        do throws(GRPCStatus) {
            switch streams.values[place].route {
            case .unary(let body):
                if let request = try take(place, buffer, isLast: isLast) {
                    noteUnderWay(id)
                    body(request, call)
                }
            case .stream(let handler):
                let before = streams.values[place].pendingBytes
                defer { incompleteBytes += streams.values[place].pendingBytes - before }
                if buffer.readableBytes > 0 { streams.values[place].reader.append(buffer) }
                // A handler may end the call, but the table changes only when the outbox is drained.
                while let message = try streams.values[place].reader.next(bytesMax: limits.receiveBytesMax) {
                    handler.receive(message)
                }
                if isLast { handler.halfClose() }
            }
            if incompleteBytes > limits.incompleteBytesMax {
                throw GRPCStatus(.resourceExhausted, "grpc: too many messages of this connection are incomplete")
            }
            if meters.incomplete.isOver, streams.values[place].pendingBytes > 0 {
                meters.overloaded.increment()
                throw GRPCStatus(.resourceExhausted, "grpc: too many messages are incomplete")
            }
        } catch {
            call.finish(error)
            return
        }
        guard !isLast else { return }
        streams.values[place].taken += buffer.readableBytes + padding
        if streams.values[place].taken >= limits.streamWindowBytes / 2 {
            let taken = streams.values[place].taken
            streams.values[place].taken = 0
            write(id, .windowUpdate(windowSizeIncrement: taken))
        }
    }

    /// A unary call's message, once it is whole and the client done.
    private func take(
        _ place: Dictionary<HTTP2StreamID, Stream>.Index, _ buffer: ByteBuffer, isLast: Bool
    ) throws(GRPCStatus) -> ByteBuffer? {
        let before = streams.values[place].pendingBytes
        // However this ends.
        defer { incompleteBytes += streams.values[place].pendingBytes - before }
        if buffer.readableBytes > 0 { streams.values[place].reader.append(buffer) }
        let message = try streams.values[place].reader.next(bytesMax: limits.receiveBytesMax)
        if message != nil && streams.values[place].request != nil {
            throw GRPCStatus(.internalError, "grpc: a unary call has one message, not more")
        }
        let request = message ?? streams.values[place].request
        guard isLast else {
            streams.values[place].request = request
            return nil
        }
        guard let request, streams.values[place].reader.isEmpty else {
            throw GRPCStatus(.internalError, "grpc: the client ended the call before its message was whole")
        }
        streams.values[place].request = nil
        return request
    }

    // MARK: deadlines

    func wake(at deadline: NIODeadline) {
        context?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.deadlinePassed() }
    }

    private func deadlinePassed() {
        let (passed, next) = deadlines.expire(now: .now())
        for id in passed {
            guard let place = streams.index(forKey: id) else { continue }
            let stream = streams.values[place]
            stream.call.finish(GRPCStatus(.deadlineExceeded, "context deadline exceeded"))
            if case .stream(let handler) = stream.route { handler.cancel() }
        }
        if let next { wake(at: next) }
    }

    // MARK: stopping

    /// No new calls; unary ones may end, streaming ones are ended.
    func stop() {
        guard !isStopping, let context else { return }
        isStopping = true
        write(.rootStream, .goAway(lastStreamID: newest, errorCode: .noError, opaqueData: nil))
        for (_, stream) in streams.sorted(by: { $0.key < $1.key }) {
            guard case .stream(let handler) = stream.route else { continue }
            stream.call.finish(limits.stopping)
            handler.cancel()
        }
        context.flush()
        closeWhenStopped()
    }

    /// Closes when nothing is left to be said: answers may still wait for the client's window.
    func closeWhenStopped() {
        guard isStopping, streams.isEmpty, endsUnderWay == 0, let context, let outbox, outbox.waitingBytes <= 0 else { return }
        context.close(promise: nil)
    }
}
