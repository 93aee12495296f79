import API
import ArgumentParser
import Foundation

import struct PKI.SerialNumber

struct AuthorityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "Looks after the certificate authorities of clusters.",
        discussion: """
            Authorities and certificates are objects (CertificateAuthority, Certificate); these verbs show what they are made \
            of, and ask for what a manifest does not say. Private keys are sealed in the server's store and are shown nowhere: \
            what is exported here is public.

            EXAMPLES
              plasma ca list
              plasma ca export plasma-ca > ca.crt
              plasma ca renew certificate/node01
              plasma ca revoke certificate/node01
              plasma ca crl plasma-ca | openssl crl -noout -text

            EXIT CODES
              0  done    1  not done: the message says what and why
            """,
        subcommands: [
            ListAuthorities.self, ShowAuthority.self, ExportAuthority.self, RevocationListCommand.self, RevokeCommand.self, RenewCommand.self,
        ])
}

struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Puts certificates on the revocation list, for good.",
        discussion: """
            certificate/NAME revokes the one that is in use: a new one with a new key takes its place at once. A serial number, \
            as openssl or plasma writes it, revokes any other, as one that was renewed; --authority names who signed it.

            The nodes are given the list, and Chainfire refuses who shows a certificate that is on it. Only the certificate \
            itself is looked for, not the authorities between it and the root.

            EXAMPLES
              plasma ca revoke certificate/node01
              plasma ca revoke 4f:0b:9a:… --authority plasma-ca

            EXIT CODES
              0  asked for    1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("certificate/NAME, or a serial number.", valueName: "certificate")) var certificates: [String]
    @Option(help: ArgumentHelp("Who signed what is named by its serial number.", valueName: "name")) var authority: String?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.withClient { client in
            for word in certificates {
                let (name, serial) = try await serial(word, client)
                guard try await AuthorityRecord.revoke(serial, of: name, client) else {
                    Output.write("\(serial) of \(name) is revoked already\n")
                    continue
                }
                Output.write("\(serial) of \(name) is being revoked\n")
                let known = try await client.list(kinds["certificate"]!, selector: nil).items + client.list(kinds["certificateauthority"]!, selector: nil).items
                if try !known.contains(where: { try $0.json()["status"]?["serial"]?.string == serial }) {
                    Output.complain("note: no certificate that plasma has now bears this number; it is revoked all the same")
                }
            }
        }
    }

    private func serial(_ word: String, _ client: Client) async throws -> (authority: String, serial: String) {
        guard word.contains("/") else {
            guard let serial = SerialNumber.normal(word) else { throw Failure("\"\(word)\" is neither certificate/NAME nor a serial number in hexadecimal") }
            guard let authority else { throw Failure("--authority says who signed \(word)") }
            return (authority, serial)
        }
        let record = try await AuthorityRecord.fetch(word, client, kind: "Certificate")
        guard let serial = record.text("status.serial"), let authority = record.text("status.authority") else {
            throw Failure("\(word) was not issued yet: there is nothing to revoke")
        }
        if let named = self.authority, named != authority { throw Failure("\(word) was signed by \(authority), not by \(named): nothing was revoked") }
        return (authority, serial)
    }
}

struct RenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Asks for a new certificate before its time.",
        discussion: """
            A certificate is issued anew at once. An authority changes to a new one in phases: first the old and the new one are \
            trusted, then everything is issued anew, then the old one is trusted no more; plasma get ca -o wide shows how far it \
            is. No connection is refused meanwhile.

            EXAMPLES
              plasma ca renew certificate/node01
              plasma ca renew ca/plasma-ca

            EXIT CODES
              0  asked for    1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("certificate/NAME or certificateauthority/NAME.", valueName: "object")) var objects: [String]
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let named = try Selection.parseNamed(objects, kinds: kinds)
        if let other = named.first(where: { !["Certificate", "CertificateAuthority"].contains($0.kind.name) }) {
            throw Failure("a \(other.kind.name) is not renewed: name a certificate or a certificateauthority")
        }
        let now = Date().formatted(.iso8601.time(includingFractionalSeconds: true))
        try await connection.withClient { client in
            for (kind, name) in named {
                let object = try await client.patchAnnotations(kind, name, [AuthorityRecord.renew: now])
                Output.write("\(slug(object.reference)) is being renewed\n")
            }
        }
    }
}
