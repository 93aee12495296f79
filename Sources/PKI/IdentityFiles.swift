import Crypto
import Foundation
import X509

/// The files of an identity in their directory.
struct IdentityFiles {
    var directory: String

    private var authorityCertificate: String { directory + "/ca.crt" }
    private var authorityKey: String { directory + "/ca.key" }
    private var serverCertificate: String { directory + "/server.crt" }
    private var serverKey: String { directory + "/server.key" }

    func makeDirectory() throws(PKIError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .file(directory, "cannot be made: \(error.localizedDescription)")
        }
    }

    /// nil when none was made yet, or its time is over.
    /// - Throws: when there is one that cannot be read: it is never replaced unasked, since clients trust it.
    func authority(_ now: Date) throws(PKIError) -> Authority? {
        try finishAuthority()
        let repair = "; put the right file back, or remove ca.crt and ca.key to make a new authority that clients must be given anew"
        switch (try read(authorityCertificate), try read(authorityKey)) {
        case (nil, nil): return nil
        // Of a first start that was cut short by an earlier version: nobody has seen its certificate.
        case (nil, _?) where try read(serverCertificate) == nil: return nil
        case (nil, _?): throw .file(authorityCertificate, "is missing beside ca.key" + repair)
        case (_?, nil): throw .file(authorityKey, "is missing beside ca.crt" + repair)
        case (let certificateText?, let keyText?):
            guard let certificate = try? Certificate(pemEncoded: certificateText) else {
                throw .file(authorityCertificate, "is not a certificate in PEM" + repair)
            }
            guard let key = try? P256.Signing.PrivateKey(pemRepresentation: keyText) else {
                throw .file(authorityKey, "is not a P-256 key in PEM" + repair)
            }
            guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
                throw .file(authorityKey, "is not the key of ca.crt" + repair)
            }
            return certificate.notValidAfter > now ? Authority(certificate: certificate, key: key) : nil
        }
    }

    /// What is kept, if it still serves: signed by this authority, for these names, with a third of its life left.
    func identity(of authority: Authority, names: [String], _ now: Date) throws(PKIError) -> ServerIdentity? {
        guard let certificateText = try read(serverCertificate), let keyText = try read(serverKey),
            let authorityText = try read(authorityCertificate), let certificate = try? Certificate(pemEncoded: certificateText),
            let key = try? P256.Signing.PrivateKey(pemRepresentation: keyText),
            certificate.publicKey == Certificate.PublicKey(key.publicKey),
            authority.certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
        else { return nil }
        var wanted: Set<GeneralName> = []
        for name in names { wanted.insert(try generalName(name)) }
        guard let carried = try? certificate.extensions.subjectAlternativeNames, Set(carried) == wanted else { return nil }
        let life = certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore)
        guard certificate.notValidBefore <= now, certificate.notValidAfter.timeIntervalSince(now) > life / 3 else { return nil }
        return ServerIdentity(authority: authorityText, certificate: certificateText, key: keyText)
    }

    /// Both files lie beside those before until both are whole, and the key takes its place last: whoever is stopped in between has a key
    /// that waits, and `finishAuthority` goes on.
    func write(_ authority: Authority) throws(PKIError) {
        let certificate: String
        do { certificate = try authority.certificate.serializeAsPEM().pemString } catch { throw .crypto("\(error)") }
        try lay(authority.key.pemRepresentation, beside: authorityKey)
        try lay(certificate, beside: authorityCertificate)
        try putInPlace(authorityCertificate)
        try putInPlace(authorityKey)
    }

    /// One without the other is made anew.
    func write(_ identity: ServerIdentity) throws(PKIError) {
        for (text, path) in [(identity.key, serverKey), (identity.certificate, serverCertificate)] {
            try lay(text, beside: path)
            try putInPlace(path)
        }
    }

    private func finishAuthority() throws(PKIError) {
        guard let certificate = try read(authorityCertificate).flatMap({ try? Certificate(pemEncoded: $0) }),
            let key = try read(authorityKey + Self.new).flatMap({ try? P256.Signing.PrivateKey(pemRepresentation: $0) }),
            certificate.publicKey == Certificate.PublicKey(key.publicKey)
        else { return }
        try putInPlace(authorityKey)
    }

    /// nil when the file does not exist.
    private func read(_ path: String) throws(PKIError) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .file(path, "cannot be read: \(error.localizedDescription)")
        }
    }

    private static let new = ".new"

    /// Whole, on the disk, and never readable by others.
    private func lay(_ text: String, beside path: String) throws(PKIError) {
        let temporary = path + Self.new
        unlink(temporary)
        let descriptor = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var rest = Array(text.hasSuffix("\n") ? text.utf8 : (text + "\n").utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { throw failure(path) }
            rest = rest.dropFirst(written)
        }
        guard fsync(descriptor) == 0 else { throw failure(path) }
        try syncDirectory(path)
    }

    /// Replaces what was there, for good.
    private func putInPlace(_ path: String) throws(PKIError) {
        guard rename(path + Self.new, path) == 0 else { throw failure(path) }
        try syncDirectory(path)
    }

    private func syncDirectory(_ path: String) throws(PKIError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }

    private func failure(_ path: String) -> PKIError { .file(path, "cannot be written: \(String(cString: strerror(errno)))") }
}
