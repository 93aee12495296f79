/// One file of a rendering.
package struct RenderedFile: Hashable, Sendable {
    /// Below the directory of the cluster: "node01/disko.nix".
    package var path: String
    package var contents: [UInt8]
    /// Its permissions: 0o644, or 0o600 for secrets.
    package var mode: Int

    package init(path: String, contents: [UInt8], mode: Int = 0o644) {
        self.path = path
        self.contents = contents
        self.mode = mode
    }

    init(_ path: String, _ text: String, mode: Int = 0o644) { self.init(path: path, contents: Array(text.utf8), mode: mode) }
}

/// What a node has to itself, or shares with the cluster alone.
package struct NodeSecrets: Hashable, Sendable {
    /// The authorities that are trusted, PEM.
    package var trust: String?
    /// The node's certificate with its chain, PEM.
    package var certificate: String?
    /// Its private key, PEM.
    package var key: String?
    /// The secret by which members join: the same on all nodes.
    package var joinToken: String?
    /// Lists of certificates that are trusted no more, PEM.
    package var revocationLists: String?

    /// Where they are on a node, below its root.
    package static let revocationListsPath = "etc/nixos/secrets/crl.pem"

    package init(trust: String?, certificate: String?, key: String?, joinToken: String?, revocationLists: String? = nil) {
        self.trust = trust
        self.certificate = certificate
        self.key = key
        self.joinToken = joinToken
        self.revocationLists = revocationLists
    }

    /// `node01/secrets/{ca.crt,crl.pem,join.token,node01.crt,node01.key}`, as far as given. Key and token are for root alone.
    package func files(of node: String) -> [RenderedFile] {
        func file(_ name: String, _ text: String?, mode: Int) -> RenderedFile? {
            text.map { RenderedFile("\(node)/secrets/\(name)", $0.hasSuffix("\n") ? $0 : $0 + "\n", mode: mode) }
        }
        return [
            file("ca.crt", trust, mode: 0o644), file("crl.pem", revocationLists, mode: 0o644), file("join.token", joinToken, mode: 0o600),
            file("\(node).crt", certificate, mode: 0o644), file("\(node).key", key, mode: 0o600),
        ].compactMap { $0 }
    }
}
