import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// What went wrong on a connection, in words that stay the same as long as the cause does, so that a log can tell
/// whether it is news.
/// - Parameter host: that was dialled.
package func explain(_ error: any Error, host: String? = nil) -> String {
    switch error {
    case let error as IOError:
        return String(cString: strerror(error.errnoCode)).lowercased()
    case let error as NIOConnectionError:
        if let first = error.connectionErrors.first { return explain(first.error, host: host) }
        return "the host name cannot be resolved"
    case ChannelError.connectTimeout:
        return "no answer"
    case NIOSSLError.uncleanShutdown:
        return "connection closed"
    case let error as NIOSSLExtraError where error == .failedToValidateHostname:
        return "its certificate is not valid for \(host ?? "its address"); add that to its alternative names"
    default:
        return explainTLS("\(error)")
    }
}

/// BoringSSL has a name for each cause, but NIOSSL only hands on its text.
private func explainTLS(_ text: String) -> String {
    let causes = [
        ("CERTIFICATE_VERIFY_FAILED", "its certificate has expired or does not lead to our CA"),
        ("ALERT_UNKNOWN_CA", "it does not accept our certificate: ours does not lead to its CA"),
        ("ALERT_CERTIFICATE_EXPIRED", "it does not accept our certificate: it has expired"),
        ("ALERT_CERTIFICATE_REQUIRED", "it wants a certificate of ours"),
        ("ALERT_BAD_CERTIFICATE", "it does not accept our certificate"),
        ("ALERT_UNSUPPORTED_CERTIFICATE", "it does not accept our certificate: its extended key usage does not allow a client"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it shows no certificate"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
        ("HTTP_REQUEST", "it does not speak TLS"),
        ("EOF during handshake", "it closed the connection during the TLS handshake: perhaps it does not speak TLS, or wants a certificate of ours"),
    ]
    return causes.first { text.contains($0.0) }?.1 ?? text
}
