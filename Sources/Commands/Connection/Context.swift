import Foundation
import Manifest

/// A server that has a name: `$XDG_CONFIG_HOME/plasma/contexts/NAME.yaml`.
///
///     server: https://lab.example:6443
///     caFile: lab-ca.pem          # relative to this file
///     tokenFile: lab.token
package struct Context: Hashable, Sendable {
    package var server: String
    /// Absolute paths.
    package var caFile: String?
    package var tokenFile: String?

    /// Where the context of a name is kept.
    /// - Throws: `Failure` when the name could lead elsewhere, or there is no home.
    static func path(of name: String, environment: [String: String]) throws -> String {
        guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else {
            throw Failure(
                "--context \"\(name)\" is not a name: it stands for a file contexts/NAME.yaml, so no slash and no dot in front")
        }
        return try directory(environment: environment) + "/\(name).yaml"
    }

    static func directory(environment: [String: String]) throws -> String {
        if let config = environment["XDG_CONFIG_HOME"], config.hasPrefix("/") { return config + "/plasma/contexts" }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            throw Failure("no place for contexts: neither XDG_CONFIG_HOME nor HOME says where it is")
        }
        return home + "/.config/plasma/contexts"
    }

    /// - Throws: `InvalidManifest` with everything that is wrong with the file.
    init(reading bytes: [UInt8], file: String) throws {
        let (documents, problems) = YAML.read(bytes, file: file)
        guard problems.isEmpty else { throw InvalidManifest(problems: problems) }
        guard let document = documents.first, documents.count == 1 else {
            throw Failure("\(file): a context is one YAML document: server: https://host:port")
        }
        var fields = Fields(reading: document, file: file, object: "", path: "")
        server = fields.required("server", String.self, "unix:///path or https://host:port")
        let directory = (file as NSString).deletingLastPathComponent
        func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : directory + "/" + path }
        caFile = fields.optional("caFile", String.self, "PEM file of the CA that the server's certificate is checked against")
            .map(absolute)
        tokenFile = fields.optional("tokenFile", String.self, "File that holds the bearer token").map(absolute)
        fields.finish()
        guard fields.problems.isEmpty else { throw InvalidManifest(problems: fields.problems) }
    }

    static func load(_ name: String, environment: [String: String]) throws -> Context {
        let path = try path(of: name, environment: environment)
        guard let data = FileManager.default.contents(atPath: path) else {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: (path as NSString).deletingLastPathComponent)) ?? []
            let known = names.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
            let hint =
                nearest(to: name, among: known).map { "; did you mean \"\($0)\"?" }
                ?? (known.isEmpty ? "" : "; there are: \(known.joined(separator: ", "))")
            throw Failure("--context \(name): there is no file \(path)\(hint)")
        }
        return try Context(reading: Array(data), file: path)
    }
}
