import API
import Foundation
import Host
import Logging
import PKI
import ServiceLifecycle

/// Keeps what HTTPS shows valid while the server runs: once a day it is looked at, and made anew in time.
struct HTTPSKeeper: ServiceLifecycle.Service {
    let certificate: HTTPSCertificate
    private let folder: String
    private let names: [String]
    private let first: ServerIdentity
    private let time: any Time
    private let logger: Logger

    /// - Parameters:
    ///   - folder: where the identity is kept.
    ///   - names: that clients use.
    init(folder: String, names: [String], time: any Time, logger: Logger) throws {
        first = try ServerIdentity.load(in: folder, names: names, now: time.date())
        certificate = try HTTPSCertificate(chain: first.chain, key: first.key)
        (self.folder, self.names, self.time, self.logger) = (folder, names, time, logger)
    }

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                var shown = first
                while true {
                    try await time.sleep(for: .seconds(86_400))
                    look(&shown)
                }
            }
        } catch is CancellationError {}
    }

    private func look(_ shown: inout ServerIdentity) {
        do {
            let identity = try ServerIdentity.load(in: folder, names: names, now: time.date())
            if identity == shown { return }
            try certificate.replace(chain: identity.chain, key: identity.key)
            logger.notice("the certificate of https was renewed", metadata: ["certificate": "\(folder)/server.crt"])
            if identity.authority != shown.authority {
                logger.warning("clients of https must be given the new authority; the one before has ended", metadata: ["ca": "\(folder)/ca.crt"])
            }
            shown = identity
        } catch {
            logger.error("the certificate of https could not be looked at, the one before is still shown", metadata: ["error": "\(error)"])
        }
    }
}

extension ServerIdentity {
    fileprivate var chain: String { certificate + authority }
}
