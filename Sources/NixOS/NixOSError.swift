/// What could not be done with a NixOS system or its description.
package enum NixOSError: Error, Hashable, CustomStringConvertible {
    case system(String)

    package var description: String {
        switch self {
        case .system(let why): why
        }
    }
}
