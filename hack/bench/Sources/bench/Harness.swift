import Foundation

/// Measurements of one thing, in the order taken.
struct Samples: Sendable {
    private(set) var values: [Double] = []

    mutating func add(_ value: Double) { values.append(value) }
    mutating func add(_ duration: Duration) { values.append(duration.milliseconds) }

    /// The value that a share of all does not exceed (nearest rank); `at(0.5)` is the median.
    func at(_ share: Double) -> Double {
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))]
    }

    var median: Double { at(0.5) }
}

/// One line of the table.
struct Row: Codable {
    var row: String
    var what: String
    var unit: String
    var runs: Int
    var min: Double
    var median: Double
    var p99: Double
    var max: Double
    /// What is aimed at, in words; nil where there is no aim.
    var aim: String?
    var isAimMet: Bool?
    var note: String?

    init(
        _ row: String, _ what: String, _ unit: String, _ samples: Samples, aim: String? = nil, isAimMet: Bool? = nil, note: String? = nil
    ) {
        self.row = row
        self.what = what
        self.unit = unit
        runs = samples.values.count
        min = samples.at(0)
        median = samples.median
        p99 = samples.at(0.99)
        max = samples.at(1)
        self.aim = aim
        self.isAimMet = isAimMet
        self.note = note
    }

    init(_ row: String, _ what: String, _ unit: String, _ value: Double, aim: String? = nil, isAimMet: Bool? = nil, note: String? = nil) {
        var samples = Samples()
        samples.add(value)
        self.init(row, what, unit, samples, aim: aim, isAimMet: isAimMet, note: note)
    }

    static let header = """
        | row | what | unit | runs | min | median | p99 | max | aim |
        |---|---|---|--:|--:|--:|--:|--:|---|
        """

    var markdown: String {
        let verdict = aim.map { aim in isAimMet.map { "\(aim): \($0 ? "met" : "MISSED")" } ?? aim } ?? ""
        let figures = [min, median, p99, max].map(Self.figure)
        let told = runs == 1 ? ["", figures[1], "", ""] : figures
        return "| \(row) | \(what)\(note.map { " (\($0))" } ?? "") | \(unit) | \(runs) | \(told.joined(separator: " | ")) | \(verdict) |"
    }

    /// Three significant digits, or all before the point.
    static func figure(_ value: Double) -> String {
        String(format: abs(value) >= 100 ? "%.0f" : abs(value) >= 10 ? "%.1f" : "%.2f", value)
    }
}

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
    var inSeconds: Double { self / .seconds(1) }
}

/// How long something took, in the time of the wall.
func timed<T>(_ body: () async throws -> T) async throws -> (T, Duration) {
    let start = ContinuousClock.now
    let value = try await body()
    return (value, ContinuousClock.now - start)
}

/// What a figure is worth nothing without.
struct Machine: Codable {
    var cpu: String
    var cores: Int
    var memoryMiB: Int
    var kernel: String
    var build: String
    /// The load of others when the bench began: the one-minute average.
    var load: String
    var directory: String

    init(directory: String) {
        func text(_ path: String) -> String { FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? "" }
        func field(_ name: String, _ path: String) -> String {
            text(path).split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "unknown"
        }
        cpu = field("model name", "/proc/cpuinfo")
        cores = ProcessInfo.processInfo.activeProcessorCount
        memoryMiB = Int(ProcessInfo.processInfo.physicalMemory >> 20)
        kernel = text("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
        load = String(text("/proc/loadavg").prefix { $0 != " " })
        #if DEBUG
        build = "debug: these figures mean nothing"
        #else
        build = "release"
        #endif
        self.directory = directory
    }

    var markdown: String {
        "\(cores) cores of \(cpu), \(memoryMiB) MiB, Linux \(kernel), \(build) build, load \(load) at the start, data in \(directory)"
    }
}
