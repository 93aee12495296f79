import Foundation

/// Other people's tools, which must agree with us.
enum Tools {
    static func has(_ name: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
        }
    }

    static let openssl = has("openssl")
    static let certutil = has("certutil")

    @discardableResult
    static func run(_ arguments: [String], input: String = "") throws -> (code: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        let (output, source) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = output
        process.standardInput = source
        try process.run()
        try source.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try source.fileHandleForWriting.close()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

/// A root, an authority below it and a certificate below that, in files of a directory.
struct Laid {
    var directory: String
    var identity: String { directory + "/leaf.crt" }
    var key: String { directory + "/leaf.key" }
    var chain: String { directory + "/chain.crt" }
    var trust: String { directory + "/ca.crt" }

    func write(_ text: String, _ name: String) throws { try text.write(toFile: directory + "/" + name, atomically: true, encoding: .utf8) }
}
