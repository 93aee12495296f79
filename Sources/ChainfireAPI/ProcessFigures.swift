import Foundation
import Glibc

/// What Prometheus' own libraries tell of a process (Prometheus documentation, "Writing client libraries", process metrics), and `etcdctl
/// check datascale` asks for.
struct ProcessFigures {
    /// nil: the system does not tell.
    var residentBytes: Int?
    var cpuSeconds: Double

    static var now: ProcessFigures {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        // The second number of proc(5)'s statm: resident pages.
        let pages = FileManager.default.contents(atPath: "/proc/self/statm").flatMap {
            Int(String(decoding: $0, as: UTF8.self).split(separator: " ").dropFirst().first ?? "")
        }
        return ProcessFigures(residentBytes: pages.map { $0 * sysconf(Int32(_SC_PAGESIZE)) }, cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }
}
