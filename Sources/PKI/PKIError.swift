package enum PKIError: Error, Hashable, Sendable, CustomStringConvertible {
    case file(String, String)
    case badName(String)
    case crypto(String)
    /// A sealed value that does not open: it was changed, or stands under another name than it was sealed for.
    case damaged(String)
    /// The sealing key is not there, although something was sealed with it.
    case keyMissing(file: String)
    /// The sealing key is another one than that which sealed what is kept.
    case keyWrong(file: String)
    /// Somebody else wrote first; what was asked may be asked again.
    case changed(String)
    /// What was asked needs something that is not there.
    case missing(String)
    /// What was asked may not be.
    case refused(String)
    case store(String)

    package var description: String {
        switch self {
        case .file(let path, let why): "\(path): \(why)"
        case .badName(let name): "\"\(name)\" is neither a DNS name nor an IP address; a certificate cannot carry it"
        case .crypto(let why): "cannot make the certificate: \(why)"
        case .damaged(let name): "the sealed value \(name) does not open: it was changed, or is not what was sealed under this name"
        case .keyMissing(let file):
            "\(file): the sealing key is missing, but the store holds values that were sealed with it; restore it from your backup"
        case .keyWrong(let file):
            "\(file): this is not the sealing key that sealed what the store holds; restore the right one from your backup"
        case .changed(let what): "\(what) was changed by somebody else just now"
        case .missing(let what): "\(what) is not there"
        case .refused(let why): why
        case .store(let why): why
        }
    }
}
