import Foundation

@testable import Replica

/// Certificates in a directory of their own, made by the program `openssl`.
final class Certificates {
    struct Failure: Error { var text: String }

    let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "/certificates-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { directory + "/" + name }

    /// `name.pem` and `name.key`.
    func makeCA(_ name: String) throws {
        try openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=\(name) -keyout \(name).key -out \(name).pem")
    }

    /// `name.pem` and `name.key`.
    /// - Parameter names: as in `DNS:localhost,IP:127.0.0.1`.
    func make(_ name: String, by ca: String, names: String = "IP:127.0.0.1", days: Int = 2, usage: String = "serverAuth,clientAuth") throws -> TLSFiles {
        try openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /O=Lab/CN=\(name) -keyout \(name).key -out \(name).csr")
        let extensions = "subjectAltName=\(names)\nextendedKeyUsage=\(usage)\n"
        try extensions.write(toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
        try openssl(
            "x509 -req -in \(name).csr -CA \(ca).pem -CAkey \(ca).key -CAcreateserial -days \(days) -extfile \(name).ext -out \(name).pem")
        return TLSFiles(certificate: path("\(name).pem"), key: path("\(name).key"), ca: path("\(ca).pem"))
    }

    /// `crl.pem`, a list of the authority's that names these.
    func revoke(_ names: [String], by ca: String) throws {
        let lines = try names.map { name in
            try openssl("x509 -in \(name).pem -noout -serial -out \(name).serial")
            let serial = try text("\(name).serial").trimmingCharacters(in: .whitespacesAndNewlines).dropFirst("serial=".count)
            return "R\t401231235959Z\t260101000000Z\t\(serial)\tunknown\t/CN=\(name)\n"
        }
        try write(lines.joined(), to: "index.txt")
        try write("[ca]\ndefault_ca=lists\n[lists]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=3\n", to: "lists.cnf")
        try openssl("ca -gencrl -config lists.cnf -keyfile \(ca).key -cert \(ca).pem -out crl.new")
        guard rename(path("crl.new"), path("crl.pem")) == 0 else { throw Failure(text: "rename") }
    }

    /// Copies over a file, as an installer does: a new file is put in place of the old.
    func replace(_ name: String, with other: String) throws {
        try FileManager.default.copyItem(atPath: path(other), toPath: path(name + ".new"))
        guard rename(path(name + ".new"), path(name)) == 0 else { throw Failure(text: "rename") }
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    private func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        let output = Pipe()
        process.standardError = output
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(text: String(decoding: said, as: UTF8.self)) }
    }
}
