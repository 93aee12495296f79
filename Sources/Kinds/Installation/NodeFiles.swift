import Crypto
import Foundation
import NixOS
import PKI
import Reconcile
import Resource

import protocol Host.Processes

extension Installation {
    /// What the files of a node are made from; no secret is among it.
    package struct Needs: Hashable, Sendable {
        package var node: String
        /// The cluster whose members' token it shares: its own, by the name that had it when its members were given the token; nil: it
        /// belongs to none.
        package var cluster: String?
        /// Names the CertificateAuthority that its cluster trusts.
        package var authority: String?
        /// Names the Certificate it shows, when its cluster has a trust.
        package var certificate: String?
        package var configuration: RenderedFile?
        /// PEM; nil: it is given none.
        package var revocationLists: String?
        /// What stands against the configuration.
        package var problem: String?

        package init(node: String, cluster: String? = nil, certificate: String? = nil, configuration: RenderedFile? = nil, revocationLists: String? = nil, problem: String? = nil) {
            self.node = node
            self.cluster = cluster
            self.certificate = certificate
            self.configuration = configuration
            self.revocationLists = revocationLists
            self.problem = problem
        }
    }

    /// Under which the vault has what the members of a cluster share.
    static func tokenName(ofCluster name: String) -> String { "join-token/\(name)" }

    /// The name under which the members of a cluster were given their token. They go on with it when the cluster is given another
    /// name: one that was made for that would let nobody in.
    static func tokenCluster(of cluster: Resource<Cluster>, _ lookup: some RecordLookup) -> String {
        let given = cluster.spec.nodes.compactMap { lookup.glance(Installation.self, $0.scalarText)?.status?.detail.tokenCluster }
        if given.contains(cluster.name) { return cluster.name }
        return given.first { lookup.glance(Cluster.self, $0)?.metadata.isLeaving ?? true } ?? cluster.name
    }

    static func needs(of node: String, _ terms: Terms, _ lookup: some RecordLookup) -> Needs {
        var needs = Needs(node: node)
        guard let cluster = Rendering.cluster(of: node, lookup) else { return needs }
        needs.cluster = terms.tokenCluster ?? tokenCluster(of: cluster, lookup)
        needs.authority = cluster.spec.trust?.certificateAuthority.scalarText
        if needs.authority != nil { needs.certificate = Rendering.certificate(of: node, lookup)?.name }
        if terms.hasRevocationLists { needs.revocationLists = Rendering.revocationLists(of: cluster, lookup) }
        do throws(Rendering.Refusal) {
            let description = try Rendering.description(of: cluster, lookup: lookup, only: node, joinsThrough: terms.joinsThrough, hasRevocationLists: terms.hasRevocationLists)
            needs.configuration = ClusterRendering(description: description).clusterConfig(ofNode: node)
        } catch {
            needs.problem = "\(error)"
        }
        return needs
    }

    /// Gathers a node's own files from the vault: below `/etc/nixos/secrets/`, and its SSH host key.
    struct NodeFiles: Sendable {
        let vault: Vault
        let processes: any Processes

        enum Gathering: Sendable {
            case whole([RenderedFile])
            /// Something is missing; what is there.
            case partial([RenderedFile], lacks: String)

            var files: [RenderedFile] {
                switch self {
                case .whole(let files), .partial(let files, _): files
                }
            }
        }

        /// - Parameter makesMissing: host key and token, which plasma makes itself, are made now.
        func gather(_ needs: Needs, makesMissing: Bool) async throws -> Gathering {
            var secrets = NodeSecrets(trust: nil, certificate: nil, key: nil, joinToken: nil)
            var lacks: String?
            secrets.revocationLists = needs.revocationLists
            if let certificate = needs.certificate {
                if let identity = try await vault.identity(ofCertificate: certificate) {
                    (secrets.trust, secrets.certificate, secrets.key) = (identity.trustPEM, identity.certificatePEM, identity.keyPEM)
                } else {
                    lacks = "Certificate/\(certificate) was not issued yet"
                }
            } else if let authority = needs.authority {
                // Whoever lost its certificate shows the old one to its end, and goes on knowing the others.
                secrets.trust = try await vault.trust(ofAuthority: authority)
            }
            if let cluster = needs.cluster {
                let name = Installation.tokenName(ofCluster: cluster)
                secrets.joinToken = makesMissing
                    ? try await vault.token(name) : try await vault.get(name).map { String(decoding: $0, as: UTF8.self) }
            }
            var files = secrets.files(of: needs.node) + (needs.configuration.map { [$0] } ?? [])
            for index in files.indices {
                let name = files[index].path.split(separator: "/").last.map(String.init) ?? files[index].path
                files[index].path = "etc/nixos/secrets/\(name)"
            }
            if let key = try await hostKey(of: needs.node, makesMissing: makesMissing) {
                files.append(RenderedFile(path: "etc/ssh/ssh_host_ed25519_key", contents: key.privateKey, mode: 0o600))
                files.append(RenderedFile(path: "etc/ssh/ssh_host_ed25519_key.pub", contents: Array((key.publicKey + "\n").utf8), mode: 0o644))
            }
            files.sort { $0.path < $1.path }
            if let lacks { return .partial(files, lacks: lacks) }
            return .whole(files)
        }

        /// The one pair that the node has from its first boot to its last.
        func hostKey(of node: String, makesMissing: Bool = false) async throws -> SSHKeyPair? {
            let name = "ssh-host-key/\(node)"
            if let secret = try await vault.get(name), let open = try await vault.get(name + ".pub") {
                return SSHKeyPair(privateKey: secret, publicKey: String(decoding: open, as: UTF8.self))
            }
            guard makesMissing else { return nil }
            let pair = try await SSHKeyPair.make(comment: node, processes: processes)
            // The public half last: where it is, the private one is too.
            try await vault.put(name, pair.privateKey)
            try await vault.put(name + ".pub", Array(pair.publicKey.utf8))
            return pair
        }
    }
}

extension Installation.Sight.File {
    init(_ file: RenderedFile) {
        let digest = SHA256.hash(data: Data(file.contents)).map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }.joined()
        self.init(path: "/" + file.path, sha256: digest, mode: file.mode)
    }
}
