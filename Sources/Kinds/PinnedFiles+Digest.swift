import Manifest
import NetBoot
import Resource

/// Why a file cannot be used, for a person.
struct Unfit: Error {
    var why: String
}

extension PinnedFiles {
    /// The digest that a file must have: as the manifest says, or a file in sha256sum's format.
    /// - Parameters:
    ///   - place: its path or URL.
    ///   - field: where the manifest names it.
    func digest(of place: String, _ digest: Digest?, _ digestFile: FilePathText?, _ field: String) async -> Result<String, Unfit> {
        if let digest { return .success(digest.hexadecimal) }
        guard let file = digestFile?.path else { return .failure(Unfit(why: "\(field) has no digest")) }
        guard let text = await text(of: file, bytesMax: ChecksumFile.bytesMax) else { return .failure(Unfit(why: "\(field).digestFile: \(file) cannot be read")) }
        guard let found = ChecksumFile.digest(of: place, in: text) else { return .failure(Unfit(why: "\(field).digestFile: \(file) has no SHA-256 of \(place)")) }
        return .success(found)
    }

    /// Why a file is not what it should be; nil: it is.
    /// - Parameter consequence: what does not happen while it is not: "nothing is offered".
    func objection(to file: PinnedFile, _ field: String, bytesMax: Int = bytesMax, else consequence: String) async -> String? {
        switch await examine(file, bytesMax: bytesMax) {
        case .sound: nil
        case .unreadable(let why): "\(field): \(why)"
        case .differs(let actual):
            "\(field): \(file.path) has the digest sha256:\(actual), and sha256:\(file.digest) is expected; \(consequence) until they agree"
        }
    }

    // In a manifest.

    static let digestHelp = "SHA-256 of the file: sha256:…"
    static let digestFileHelp = "Path of a file on the host in sha256sum's format that has the digest; instead of digest."

    static func noteDigests(_ digest: Digest?, _ digestFile: FilePathText?, _ fields: inout Fields) {
        guard (digest == nil) == (digestFile == nil), !fields.isDrawing, fields.problems.isEmpty else { return }
        fields.note("needs exactly one of digest, digestFile")
    }
}
