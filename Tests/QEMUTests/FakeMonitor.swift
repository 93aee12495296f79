import NIOCore
import NIOPosix

@testable import QEMU

/// Says what QEMU's monitor would say: a greeting, and an answer to each of the questions that a look asks.
final class FakeMonitor: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let uuid: String
    private let refused: String?
    private let onEnd: @Sendable () -> Void
    private var text = ""

    private init(uuid: String, refusing refused: String?, onEnd: @escaping @Sendable () -> Void) {
        self.uuid = uuid
        self.refused = refused
        self.onEnd = onEnd
    }

    /// - Parameters:
    ///   - refused: a command that it refuses.
    ///   - onEnd: called when a client's connection has ended.
    static func listen(
        _ path: String, uuid: String, refusing refused: String? = nil, onEnd: @escaping @Sendable () -> Void = {}
    ) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FakeMonitor(uuid: uuid, refusing: refused, onEnd: onEnd))
                }
            }
            .bind(unixDomainSocketPath: path).get()
    }

    func channelActive(context: ChannelHandlerContext) {
        say(#"{"QMP": {"version": {"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": ""}, "capabilities": []}}"#, context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: Self.unwrapInboundIn(data))
        while let end = text.firstIndex(where: \.isNewline) {
            answer(String(text[..<end]), context)
            text.removeSubrange(...end)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        onEnd()
        context.fireChannelInactive()
    }

    private func answer(_ question: String, _ context: ChannelHandlerContext) {
        guard let id = question.firstMatch(of: /"id":\s*("[^"]*"|\d+)/)?.1 else { return }
        if let refused, question.contains(refused) {
            return say(#"{"error": {"class": "GenericError", "desc": "not today"}, "id": \#(id)}"#, context)
        }
        let answer =
            question.contains("query-uuid") ? #"{"UUID": "\#(uuid)"}"#
            : question.contains("query-status") ? #"{"running": true, "status": "running"}"# : "{}"
        say(#"{"return": \#(answer), "id": \#(id)}"#, context)
    }

    private func say(_ line: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(context.channel.allocator.buffer(string: line + "\r\n")), promise: nil)
    }
}
