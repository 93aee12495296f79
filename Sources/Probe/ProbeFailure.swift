import Causes
import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// Why a look at something failed: a category for programs, a text for people.
package struct ProbeFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failures of one kind have in common; two texts of one category tell the same story.
    package enum Category: String, Hashable, Sendable, CaseIterable {
        /// The host answers, nothing listens.
        case refused
        /// No way leads there, or its name is unknown.
        case unreachable
        case timeout
        /// The connection ended in the middle.
        case closed
        /// The certificate is expired, of another authority, for another name, or one is missing.
        case certificate
        /// It answers, and says that it is not well.
        case status
        /// It answers something else than the protocol.
        case protocolError
        /// A command ended with another code than 0.
        case exit
        /// The probe cannot be made: bad certificates of our own, no way to run commands.
        case impossible
    }

    package var category: Category
    package var text: String

    package init(_ category: Category, _ text: String) {
        self.category = category
        self.text = text
    }

    package var description: String { text }
}

extension ProbeFailure {
    static func timeout(_ limit: Duration) -> ProbeFailure { ProbeFailure(.timeout, "timeout after \(limit.inWords)") }

    /// What NIO and the system say, in a person's words.
    init(_ error: any Error, within limit: Duration) {
        switch error {
        case let failure as ProbeFailure: self = failure
        case ChannelError.connectTimeout: self = .timeout(limit)
        case let error as NIOConnectionError:
            if let inner = error.connectionErrors.first?.error {
                self = ProbeFailure(inner, within: limit)
            } else {
                self = ProbeFailure(.unreachable, "the name \(error.host) is not known")
            }
        case let error as IOError:
            switch error.errnoCode {
            case ECONNREFUSED: self = ProbeFailure(.refused, "connection refused")
            case EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, ENETDOWN, EHOSTDOWN: self = ProbeFailure(.unreachable, "no route to host")
            case ETIMEDOUT: self = .timeout(limit)
            case ECONNRESET, EPIPE: self = ProbeFailure(.closed, "connection reset")
            default: self = ProbeFailure(.unreachable, String(cString: strerror(error.errnoCode)))
            }
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            self = ProbeFailure(.certificate, "TLS: \(explain(error).prefix(160))")
        default: self = ProbeFailure(.protocolError, "\(error)")
        }
    }
}

extension Duration {
    /// "2 s", "500 ms".
    var inWords: String {
        let (seconds, attoseconds) = components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }

    var timeAmount: TimeAmount { .nanoseconds(components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000) }
}
