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
        let repair = "; put the right file back, or remove ca.crt and ca.key to make a new authority that clients must be given anew"
        switch (try read(authorityCertificate), try read(authorityKey)) {
        case (nil, nil): return nil
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

    func write(_ authority: Authority, _ identity: ServerIdentity) throws(PKIError) {
        try write(authority.key.pemRepresentation, to: authorityKey)
        try write(identity.authority, to: authorityCertificate)
        try write(identity.key, to: serverKey)
        try write(identity.certificate, to: serverCertificate)
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

    /// Whole or not at all, and never readable by others.
    private func write(_ text: String, to path: String) throws(PKIError) {
        let temporary = path + ".new"
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
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure(path) }
    }

    private func failure(_ path: String) -> PKIError { .file(path, "cannot be written: \(String(cString: strerror(errno)))") }
}
