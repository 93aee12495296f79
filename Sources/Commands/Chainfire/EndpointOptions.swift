import ArgumentParser
import Foundation
import GRPC
import Manifest

/// The options that say which cluster a verb of `plasma chainfire` speaks with.
struct EndpointOptions: ParsableArguments {
    static let variable = "PLASMA_CHAINFIRE_ENDPOINTS"

    @Option(help: ArgumentHelp(
        "Client URLs of members, with commas between: https://10.0.0.1:2379,https://10.0.0.2:2379. Default: $PLASMA_CHAINFIRE_ENDPOINTS, or http://127.0.0.1:2379.",
        valueName: "urls"))
    var endpoints: String?

    @Option(
        name: .customLong("ca-file"), help: ArgumentHelp("PEM file of the authority of the members' certificates.", valueName: "file"),
        completion: .file())
    var caFile: String?

    @Option(
        name: .customLong("cert-file"), help: ArgumentHelp("PEM file of the certificate to show.", valueName: "file"), completion: .file())
    var certificateFile: String?

    @Option(name: .customLong("key-file"), help: ArgumentHelp("PEM file of its private key.", valueName: "file"), completion: .file())
    var keyFile: String?

    @Option(help: ArgumentHelp("How long an answer may take: 5s, 1m; 0 for ever.", valueName: "time"))
    var timeout = Timeout(.seconds(10))

    mutating func validate() throws {
        if (certificateFile == nil) != (keyFile == nil) { throw ValidationError("--cert-file and --key-file go together: give both") }
    }

    func client(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> ClusterClient {
        let urls = try Self.urls(endpoints, environment: environment)
        for file in [caFile, certificateFile, keyFile].compactMap({ $0 }) where !FileManager.default.isReadableFile(atPath: file) {
            throw Failure("\(file) cannot be read: is it there, and yours to read?")
        }
        let tls = urls.contains { $0.isSecure ?? false } ? ClientTLS(ca: caFile, certificate: certificateFile, key: keyFile) : nil
        if tls == nil, caFile != nil || certificateFile != nil {
            throw Failure("certificates were given, but \(urls.map(\.description).joined(separator: ",")) is not https")
        }
        return ClusterClient(endpoints: urls, tls: tls, timeout: timeout.duration)
    }

    /// - Throws: `Failure` naming the URL that is none.
    static func urls(_ option: String?, environment: [String: String]) throws -> [MemberURL] {
        let isVariable = option == nil && !(environment[variable] ?? "").isEmpty
        let text = option ?? (isVariable ? environment[variable] ?? "" : "http://127.0.0.1:2379")
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
            let word = word.trimmingCharacters(in: .whitespaces)
            do throws(ScalarProblem) {
                let url = try MemberURL(scalar: word)
                // As etcdctl takes it: without a scheme it is plain text.
                return MemberURL(host: url.host, port: url.port, isSecure: url.isSecure ?? false)
            } catch {
                throw Failure("\(isVariable ? "$\(variable)" : "--endpoints"): \"\(word)\" \(error.rest)")
            }
        }
    }
}
