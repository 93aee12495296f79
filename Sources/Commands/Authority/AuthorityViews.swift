import API
import ArgumentParser
import Foundation

struct ListAuthorities: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists authorities: who signs them, how long they last, how many certificates hang on them.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient { client in
            let kind = try Selection.kind("CertificateAuthority", kinds: kinds)
            let authorities = try await client.list(kind).0.map { try AuthorityRecord(kind, $0) }
            let leaf = try Selection.kind("Certificate", kinds: kinds)
            var counts: [String: Int] = [:]
            for object in try await client.list(leaf).0 {
                if let authority = try AuthorityRecord(leaf, object).text("status.authority") { counts[authority, default: 0] += 1 }
            }
            if authorities.isEmpty { return Output.write("there is no certificate authority\n") }
            var table = Table(header: ["NAME", "COMMONNAME", "ISSUER", "NOTAFTER", "RENEWAL", "PHASE", "CERTIFICATES", "REVOKED"])
            for authority in authorities {
                table.add([
                    .init(authority.name), .init(authority.text("spec.commonName") ?? ""), .init(authority.text("spec.issuerRef.name") ?? "itself"),
                    .init(authority.text("status.notAfter") ?? "-"), .init(authority.text("status.renewalTime") ?? "-"),
                    .init(authority.text("status.rollover") ?? authority.text("status.phase") ?? "-"), .init("\(counts[authority.name] ?? 0)"),
                    .init("\(authority.texts("status.revoked").count)"),
                ])
            }
            Output.write(table.take().map { $0 + "\n" }.joined())
        }
    }
}

struct ShowAuthority: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows what an authority is: numbers, times, roots, what is revoked.")

    @Argument(help: ArgumentHelp("Name of the CertificateAuthority.", valueName: "name")) var name: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient { client in
            Output.write(Self.text(try await AuthorityRecord.fetch(name, client)))
        }
    }

    static func text(_ authority: AuthorityRecord) -> String {
        var lines: [(String, String)] = [("Name", authority.name)]
        for (title, path) in [
            ("Common name", "spec.commonName"), ("Issuer", "spec.issuerRef.name"), ("Serial", "status.serial"), ("Fingerprint", "status.fingerprint"),
            ("Not before", "status.notBefore"), ("Not after", "status.notAfter"), ("Renewal", "status.renewalTime"), ("Rollover", "status.rollover"),
            ("Awaits", "status.awaits"), ("List until", "status.crlNextUpdate"),
        ] {
            if let text = authority.text(path) { lines.append((title, text)) }
        }
        for root in authority.trust { lines.append(("Root", root.fingerprint)) }
        for serial in authority.texts("status.revoked") { lines.append(("Revoked", serial)) }
        return lines.map { ($0.0 + ":").padding(toLength: 14, withPad: " ", startingAt: 0) + $0.1 + "\n" }.joined()
    }
}

struct ExportAuthority: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Prints what is public: the roots that an authority's certificates are checked against, or certificates. PEM.",
        discussion: """
            Of an authority the roots are printed; during a change of authorities these are two. With --certificate it is the \
            authority's own certificate, which is the same for a root. Of certificate/NAME the certificate is printed, and the \
            intermediates between it and its root. Keys are not exported.

            EXAMPLES
              plasma ca export plasma-ca > ca.crt
              plasma ca export certificate/node01 | openssl x509 -noout -text
              curl --cacert <(plasma ca export plasma-ca) https://192.168.100.11:2379/health
            """)

    @Argument(help: ArgumentHelp("Name of the CertificateAuthority, or certificate/NAME.", valueName: "name")) var name: String
    @Flag(help: "The authority's own certificate instead.") var certificate = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isLeaf = try name.contains("/") && Selection.reference(name, kinds: kinds).kind.name == "Certificate"
        try await connection.withClient { client in
            let record = try await AuthorityRecord.fetch(name, client, kind: isLeaf ? "Certificate" : "CertificateAuthority")
            let own = try record.issued("status.certificate")
            Output.write(certificate || isLeaf ? own : record.trust.map(\.pem).joined())
        }
    }
}

struct RevocationListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crl",
        abstract: "Prints an authority's certificate revocation list, PEM.",
        discussion: """
            It is signed anew long before it ends. During a change of authorities there are two, one signed by each.

            EXAMPLES
              plasma ca crl plasma-ca | openssl crl -noout -text
            """)

    @Argument(help: ArgumentHelp("Name of the CertificateAuthority.", valueName: "name")) var name: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient { client in
            Output.write(try await AuthorityRecord.fetch(name, client).issued("status.crl"))
        }
    }
}
