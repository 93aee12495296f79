import Crypto
import Foundation
import NIOCore
import NIOPosix

// Many machines that boot from the network at once: DHCP as UEFI firmware, its boot loader by TFTP, DHCP again as iPXE, then
// script, kernel and RAM disk by HTTP, and the report of an installer. Entered by hack/bench/boot, which gives this
// namespace the addresses. Prints what it measured as JSON.

struct Options {
    var clients = 1000
    var server = "10.78.255.254"
    /// Bytes of the boot loader, the kernel and the RAM disk, and the latter two's SHA-256.
    var loader = 0, kernel = 0, initrd = 0
    var kernelDigest = "", initrdDigest = ""

    init(_ arguments: [String]) {
        func value(_ name: String) -> String? { arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil } }
        clients = value("--clients").flatMap { Int($0) } ?? clients
        server = value("--server") ?? server
        loader = value("--loader").flatMap { Int($0) } ?? 0
        kernel = value("--kernel").flatMap { Int($0) } ?? 0
        initrd = value("--initrd").flatMap { Int($0) } ?? 0
        kernelDigest = value("--kernel-digest") ?? ""
        initrdDigest = value("--initrd-digest") ?? ""
    }
}

let options = Options(CommandLine.arguments)
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
// A machine that waits for its lease does not wait for what others fetch.
let exchange = try await LeaseExchange(MultiThreadedEventLoopGroup(numberOfThreads: 1))
let started = ContinuousClock.now
var results: [BootResult] = []
await withTaskGroup(of: BootResult.self) { tasks in
    for number in 0..<options.clients {
        tasks.addTask { await BootClient(number: number, options, exchange, group).boot() }
    }
    for await result in tasks { results.append(result) }
}
let took = (ContinuousClock.now - started) / .seconds(1)

func spread(_ values: [Double]) -> [String: Double] {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return [:] }
    func at(_ share: Double) -> Double { sorted[min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))] }
    return ["min": at(0), "median": at(0.5), "p99": at(0.99), "max": at(1)]
}

struct Report: Codable {
    var seconds: Double
    var booted: Int
    /// Requests that were sent again because nothing came, and connections or transfers that failed.
    var repeated: Int
    var repeatedBySteps: [String: Int]
    var failed: Int
    var failures: [String]
    /// Milliseconds by step.
    var steps: [String: [String: Double]]
}

var steps: [String: [String: Double]] = [:]
for step in BootResult.steps { steps[step] = spread(results.compactMap { $0.milliseconds[step] }) }
let repeated = results.reduce(into: [:]) { $0.merge($1.repeated, uniquingKeysWith: +) }
let report = Report(
    seconds: took, booted: results.count { $0.failure == nil }, repeated: repeated.values.reduce(0, +), repeatedBySteps: repeated.filter { $0.value > 0 }, failed: results.count { $0.failure != nil },
    failures: Array(Set(results.compactMap(\.failure))).sorted().prefix(8).map { $0 }, steps: steps)
let encoder = JSONEncoder()
encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
print(String(decoding: try encoder.encode(report), as: UTF8.self))
exit(0)
