import Manifest

extension Fields {
    /// A time that may not be shorter than `least`.
    mutating func time(_ name: String, default fallback: TimeSpan, atLeast least: TimeSpan, _ help: String) -> TimeSpan {
        checked(name, { $0.value(name, default: fallback, help) }) {
            $0 < least ? "\"\($0.scalarText)\" is shorter than \(least.scalarText), the least there is" : nil
        }
    }

    /// Text that is not empty where it is given.
    mutating func text(_ name: String, default fallback: String, _ help: String) -> String {
        checked(name, { $0.value(name, default: fallback, help) }) { $0.isEmpty ? "is empty; leave it out for \"\(fallback)\"" : nil }
    }
}
