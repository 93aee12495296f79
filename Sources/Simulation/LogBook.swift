import Logging
import Synchronization

/// Keeps what was logged: "notice: message [key: value]", with nothing after the message where nothing was said with it.
package final class LogBook: Sendable {
    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let said = event.metadata.map { " \($0)" } ?? ""
            book.lines.withLock { $0.append("\(event.level): \(event.message)\(said)") }
        }
    }

    private let lines = Mutex<[String]>([])

    package init() {}

    package var logger: Logger { Logger(label: "book") { _ in Handler(book: self) } }

    package func lines(with text: String) -> [String] { lines.withLock { $0.filter { $0.contains(text) } } }
    package var all: [String] { lines.withLock { $0 } }
}
