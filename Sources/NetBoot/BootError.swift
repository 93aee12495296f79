/// What the boot servers could not do.
package enum BootError: Error, Hashable, CustomStringConvertible {
    case system(String)

    package var description: String {
        switch self {
        case .system(let why): why
        }
    }
}
