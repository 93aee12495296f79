import NIOCore

extension ServerConnection {
    func begin(_ id: UInt32, _ head: RequestHead, isLast: Bool) {
        guard head.isPost && head.isGRPC else {
            outgoing.writePlain(id, status: head.isTooLong ? "431" : head.isPost ? "415" : "405")
            if !isLast {
                cutShort += 1
                outgoing.write { $0.writeReset(stream: id, .noError) }
            }
            return
        }
        guard let outbox else { return }
        meters.calls.increment()
        head.served?.meters.noteBegun()
        let call = ServerCall(head, peer: peer, stream: id, outbox: outbox)
        var stream = Stream(
            call: call, route: .nowhere, begun: .now(), isClientDone: isLast, announced: head.contentLength, window: ReceiveWindow(bytes: limits.streamWindowBytes),
            queue: SendQueue(window: streamWindow))
        if let refusal = refusal(of: head) {
            streams[id] = stream
            return call.finish(refusal)
        }
        if let timeout = head.timeout {
            let now = NIODeadline.now()
            if let timer = deadlines.add(id, now + TimeAmount(timeout), now: now) { wake(at: timer) }
        }
        switch head.served?.route {
        case .unary(let body): stream.route = .unary(body)
        case .stream(let make): stream.route = .stream(make(call))
        case nil: break
        }
        streams[id] = stream
        if isLast, let place = streams.index(forKey: id) { receive(place, ByteBuffer(), isLast: true) }
    }

    /// Why a call is not even begun; nil: it is.
    private func refusal(of head: RequestHead) -> GRPCStatus? {
        if let encoding = head.encoding, encoding != "identity" {
            return GRPCStatus(.unimplemented, "grpc: Decompressor is not installed for grpc-encoding \(String(encoding.prefix(200)).debugDescription)")
        }
        if head.isTooLong { return GRPCStatus(.resourceExhausted, "grpc: more headers than \(RequestHeaders.listBytesMax) bytes") }
        if head.served == nil { return requests.unknown(head.path) }
        if let text = head.badTimeout { return GRPCStatus(.internalError, "malformed grpc-timeout: \(String(text.prefix(20)).debugDescription)") }
        // Who takes what is sent is served whatever others leave lying.
        guard meters.unsent.isOver, let outbox, outbox.waitingBytes > PortLoad.largeBytes else { return nil }
        meters.overloaded.increment()
        return limits.overloaded
    }

    /// Bytes of one stream's messages.
    func receive(_ place: Dictionary<UInt32, Stream>.Index, _ buffer: ByteBuffer, isLast: Bool) {
        if isLast { streams.values[place].isClientDone = true }
        let call = streams.values[place].call
        if call.isClosed { return }
        do throws(GRPCStatus) {
            switch streams.values[place].route {
            case .unary(let body):
                if let request = try take(place, buffer, isLast: isLast) {
                    noteUnderWay(place)
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
                streams.values[place].reader.settle()
                if isLast { handler.halfClose() }
            case .nowhere: break
            }
            // What is whole is in its handler's hands, whatever others lack.
            if incompleteBytes > limits.incompleteBytesMax, streams.values[place].pendingBytes > 0 {
                throw GRPCStatus(.resourceExhausted, "grpc: too many messages of this connection are incomplete")
            }
            if meters.incomplete.isOver, streams.values[place].pendingBytes > 0 {
                meters.overloaded.increment()
                throw GRPCStatus(.resourceExhausted, "grpc: too many messages are incomplete")
            }
        } catch {
            // Its handler has not ended it, and is to know.
            call.abort(error)
        }
    }

    /// A unary call's message, once it is whole and the client done.
    private func take(
        _ place: Dictionary<UInt32, Stream>.Index, _ buffer: ByteBuffer, isLast: Bool
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
            // Kept for who knows how long: without what was read with it.
            if let message { streams.values[place].request = ByteBuffer(bytes: message.readableBytesView) }
            streams.values[place].reader.settle()
            return nil
        }
        guard let request, streams.values[place].reader.isEmpty else {
            throw GRPCStatus(.internalError, "grpc: the client ended the call before its message was whole")
        }
        streams.values[place].request = nil
        return request
    }

    // MARK: deadlines

    private func wake(at deadline: NIODeadline) {
        context?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.deadlinePassed() }
    }

    private func deadlinePassed() {
        let (passed, next) = deadlines.expire(now: .now())
        for id in passed {
            guard let stream = streams[id], !stream.isEnded else { continue }
            stream.call.finish(GRPCStatus(.deadlineExceeded, "context deadline exceeded"))
            if case .stream(let handler) = stream.route { handler.cancel() }
        }
        if let next { wake(at: next) }
    }
}
