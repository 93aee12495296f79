import Logging
import Metrics

import class API.Exposition

/// What a long-running process says of itself.
enum Telemetry {
    /// Logs go to standard error; metrics into what is returned, for `/metrics`. Called once in a process.
    static func begin(_ logLevel: String?, defaultLevel: Logger.Level) throws -> Exposition {
        var level = defaultLevel
        if let logLevel {
            guard let given = Logger.Level(rawValue: logLevel) else {
                throw Failure("--log-level \"\(logLevel)\" is not one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            level = given
        }
        LoggingSystem.bootstrap { [level] label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let exposition = Exposition()
        MetricHelp.tell(exposition)
        MetricsSystem.bootstrap(exposition)
        return exposition
    }
}
