import Replica

/// Why a store could not be opened, or had to stop.
package enum ChainfireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The applied state is damaged.
    case corrupt(file: String, String)
    /// The log and the applied state do not belong together, or are of another version.
    case mismatch(String)
    /// The log said why; the text names its file and offset.
    case log(ReplicaError)
    case storage(String)
    /// The disk has no room for this file. What waits to be written stays in memory and in the log.
    case full(String)

    package var description: String {
        switch self {
        case .corrupt(let file, let why): "\(file) is damaged: \(why); restore a backup"
        case .mismatch(let why): why
        case .log(let error): error.description
        case .storage(let why): why
        case .full(let file): "no space left on the device for \(file); free some, and writes go on by themselves"
        }
    }
}
