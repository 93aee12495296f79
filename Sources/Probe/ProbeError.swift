/// Why a probe could not be made, as opposed to one that failed.
package enum ProbeError: Error, Hashable, CustomStringConvertible {
    case system(String)

    package var description: String {
        switch self {
        case .system(let why): why
        }
    }
}
