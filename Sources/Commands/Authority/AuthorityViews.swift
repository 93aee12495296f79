import API
import ArgumentParser
import Foundation

struct ListAuthorities: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists authorities: who signs them, how long they last, how many certificates hang on them.",
        discussion: "EXIT CODES\n  0  listed    1  the server was not reached, or refused")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: PlainOutputOptions

    func run() async throws {
        try await connection.withClient { client in
            let authorities = try await AuthorityTable.ask(client)
            output.write(authorities.json) { authorities.text }
        }
    }
}

struct ShowAuthority: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows what an authority is: numbers, times, roots, what is revoked.",
        discussion: "EXIT CODES\n  0  shown    1  it is not there, or the server was not reached")

    @Argument(help: ArgumentHelp("Name of the CertificateAuthority.", valueName: "name")) var name: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: PlainOutputOptions

    func run() async throws {
        try await connection.withClient { client in
            let authority = try await AuthorityRecord.fetch(name, client)
            output.write(authority.document) { authority.description }
        }
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
