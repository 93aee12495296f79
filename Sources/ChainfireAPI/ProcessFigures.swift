import Foundation
import Glibc

/// What Prometheus' own libraries tell of a process (Prometheus documentation, "Writing client libraries", process metrics), and `etcdctl
/// check datascale` asks for.
struct ProcessFigures {
    /// nil, here and below: the system does not tell.
    var residentBytes: Int?
    var virtualBytes: Int?
    var openFiles: Int?
    var openFilesMax: UInt64
    /// Seconds since 1970.
    var startTime: Double?
    var cpuSeconds: Double

    static var now: ProcessFigures {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        // proc(5): all pages, and the resident ones.
        let bytes = words(of: "/proc/self/statm").map { (Int($0) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return ProcessFigures(
            residentBytes: bytes.count > 1 ? bytes[1] : nil, virtualBytes: bytes.first,
            openFiles: (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count, openFilesMax: UInt64(limit.rlim_cur),
            startTime: startTime, cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    /// The start in ticks since the machine's, which is the 22nd field of `stat`, and the machine's as `btime` has it (proc(5)).
    private static let startTime: Double? = {
        let text = FileManager.default.contents(atPath: "/proc/self/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
        // The name of the program, in parentheses, may hold anything.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        let machine = words(of: "/proc/stat")
        guard fields.count > 19, let ticks = Double(fields[19]), let place = machine.firstIndex(of: "btime"), place + 1 < machine.count,
            let boot = Double(machine[place + 1])
        else { return nil }
        return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }()

    private static func words(of path: String) -> [Substring] {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self).split { $0 == " " || $0 == "\n" } } ?? []
    }
}
