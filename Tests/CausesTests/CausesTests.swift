import NIOCore
import NIOPosix
import Testing

@testable import Causes

@Suite struct CausesTests {
    @Test func `a refused connection, a silent host and a foreign certificate are told in words, without addresses in memory`() async {
        @Sendable func failure(_ host: String, _ port: Int) async -> String {
            do {
                let channel: any Channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: host, port: port).get()
                try await channel.close()
                return "connected"
            } catch {
                return explain(error)
            }
        }
        #expect(await failure("127.0.0.1", 1) == "connection refused")
        #expect(explain(ChannelError.connectTimeout(.seconds(1))) == "no answer")
        struct Dump: Error, CustomStringConvertible { var description: String }
        #expect(explain(Dump(description: "handshakeFailed([Error: 1 error:1:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at x.cc:320])"))
            == "its certificate has expired or does not lead to our CA")
        #expect(explain(Dump(description: "something new")) == "something new")
    }
}
