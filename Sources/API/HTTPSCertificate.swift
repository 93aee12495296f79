import NIOSSL
import Synchronization

/// What HTTPS shows. It can be replaced while the server runs: connections that come after are shown the new one.
package final class HTTPSCertificate: Sendable {
    private struct Pair {
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKeySource
    }

    private let shown: Mutex<Pair>

    /// - Parameters:
    ///   - chain: PEM; the server's certificate first.
    ///   - key: PEM.
    /// - Throws: `ServerError.badCertificate`.
    package init(chain: String, key: String) throws(ServerError) { shown = Mutex(try Self.read(chain, key)) }

    /// - Throws: `ServerError.badCertificate`; then what was shown is shown still.
    package func replace(chain: String, key: String) throws(ServerError) {
        let new = try Self.read(chain, key)
        shown.withLock { $0 = new }
    }

    /// Asks at every connection for what is shown then.
    var configuration: TLSConfiguration {
        var tls = Self.configuration(shown.withLock { $0 })
        tls.sslContextCallback = { [self] _, promise in
            let pair = shown.withLock { $0 }
            var override = NIOSSLContextConfigurationOverride()
            (override.certificateChain, override.privateKey) = (pair.chain, pair.key)
            promise.succeed(override)
        }
        return tls
    }

    private static func configuration(_ pair: Pair) -> TLSConfiguration {
        var tls = TLSConfiguration.makeServerConfiguration(certificateChain: pair.chain, privateKey: pair.key)
        tls.minimumTLSVersion = .tlsv12
        return tls
    }

    private static func read(_ chain: String, _ key: String) throws(ServerError) -> Pair {
        do {
            let pair = Pair(
                chain: try NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
                key: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem)))
            // Whether the two go together.
            _ = try NIOSSLContext(configuration: configuration(pair))
            return pair
        } catch {
            throw .badCertificate("\(error)")
        }
    }
}
