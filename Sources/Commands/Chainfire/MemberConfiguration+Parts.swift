import Foundation
import Manifest

extension MemberConfiguration {
    /// A list of "NAME=URL", or of mappings as PlasmaCloud's cluster-config.json has them.
    static func readFounders(_ fields: inout Fields, root: Value, isSecure: Bool) -> [PeerText] {
        let help = "All members that begin the cluster: \"NAME=URL\" each, or {name, url}; PlasmaCloud's {id, addr} too."
        guard case .sequence(let items)? = root["initial_peers"]?.shape, case .mapping? = items.first?.shape else {
            let peers: [PeerText] = fields.scalars("initial_peers", 0...9, help)
            return peers.map { PeerText(name: $0.name, url: MemberURL(host: $0.url.host, port: $0.url.port, isSecure: $0.url.isSecure ?? isSecure)) }
        }
        return fields.list("initial_peers", 0...9, help) { item -> PeerText? in
            let id: String? = item.optional("id", "The same as name.")
            let name: String? = item.optional("name", "The member's name.")
            let address: MemberURL? = item.optional("addr", "The same as url.")
            let raft: MemberURL? = item.optional("raft_addr", "The same as url.")
            let url: MemberURL? = item.optional("url", "Where the others find it.")
            guard let name = name ?? id else {
                item.note("has no name")
                return nil
            }
            guard let url = url ?? raft ?? address else {
                item.note("has no url")
                return nil
            }
            return PeerText(name: name, url: MemberURL(host: url.host, port: url.port, isSecure: url.isSecure ?? isSecure))
        }.compactMap { $0 }
    }

    /// The token itself is never part of what is printed.
    static func readToken(_ fields: inout Fields, _ absolute: (String) -> String) -> String? {
        let text = fields.optional("join_token", SecretText.self, "The secret by which members join: the same on all. At least 16 characters.")
        let file: String? = fields.optional("join_token_file", "A file that holds it.")
        if text != nil, file != nil { fields.note("cannot stand beside join_token; give one", at: "join_token_file") }
        guard text != nil || file != nil else { return nil }
        var token = text?.scalarText ?? ""
        if let file {
            guard let data = FileManager.default.contents(atPath: absolute(file)) else {
                fields.note("\(absolute(file)) cannot be read", at: "join_token_file")
                return "?"
            }
            token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        if token.utf8.count < 16 {
            fields.note("is shorter than 16 characters; make one with: openssl rand -hex 32", at: file == nil ? "join_token" : "join_token_file")
        }
        return token
    }

    static func readTLS(_ fields: inout Fields, _ absolute: (String) -> String) -> (client: TLS?, peer: TLS?) {
        let both = fields.optionalObject("tls", "Certificates: PEM files, read anew when they change.") { tls in
            let client = tls.optionalObject("client", "The port of the clients; without it, plain text.") { part -> TLS? in
                let files = certificate(&part, absolute)
                let authentication: ClientAuthentication = part.choice(
                    "client_auth", default: files?.ca == nil ? ClientAuthentication.none : .required,
                    "Whether clients show a certificate of ca: none, optional, required. Default: required where there is a ca.")
                if authentication != .none, files != nil, files?.ca == nil {
                    part.note("is \(authentication.rawValue), but there is no ca to check the certificates against", at: "client_auth")
                }
                guard var files else { return nil }
                files.clientAuthentication = authentication
                return files
            }
            let peer = tls.optionalObject("peer", "The port of the members, always with certificates on both sides.") { part -> TLS? in
                let names: [String] = part.scalars(
                    "allowed_names", 0...64,
                    "Common or alternative names, one of which a member's certificate bears: where other certificates for servers are of the same ca. Default: any that is good for the member's address.")
                guard var files = certificate(&part, absolute) else { return nil }
                files.allowedNames = names
                if files.ca == nil { part.note("is required: members are known by their certificates", at: "ca") }
                files.clientAuthentication = .required
                return files
            }
            return (client: client ?? nil, peer: peer ?? nil)
        }
        return both ?? (nil, nil)
    }

    private static func certificate(_ part: inout Fields, _ absolute: (String) -> String) -> TLS? {
        let certificate: String? = part.optional("cert", "The certificate, with its chain.")
        let key: String? = part.optional("key", "Its private key.")
        let ca: String? = part.optional("ca", "The authorities whose certificates are trusted.")
        let crl: String? = part.optional("crl", "Their revocation lists: whoever shows a certificate that is on one is refused.")
        for (name, path) in [("cert", certificate), ("key", key), ("ca", ca), ("crl", crl)] {
            guard let path else { continue }
            if !FileManager.default.isReadableFile(atPath: absolute(path)) { part.note("\(absolute(path)) cannot be read", at: name) }
        }
        if crl != nil, ca == nil { part.note("is there, but no ca whose certificates it could name", at: "crl") }
        guard let certificate, let key else {
            part.note("needs both cert and key")
            return nil
        }
        return TLS(certificate: absolute(certificate), key: absolute(key), ca: ca.map(absolute), crl: crl.map(absolute), clientAuthentication: .none)
    }

    struct Ports {
        var client: MemberURL
        var peer: MemberURL
        var metrics: MemberURL?
        var advertiseClient: [String]
        var advertisePeer: [String]
    }

    static func readPorts(_ fields: inout Fields, own: MemberURL?, client: TLS?, peer: TLS?, root: Value) -> Ports {
        func listener(_ name: String, _ port: Int, _ tls: TLS?, isOpen: Bool = false, _ fields: inout Fields, _ help: String) -> MemberURL {
            let fallback = MemberURL(host: tls == nil && !isOpen ? "127.0.0.1" : "0.0.0.0", port: port, isSecure: tls != nil)
            guard let url: MemberURL = fields.optional(name, help) else { return fallback }
            if let isSecure = url.isSecure, isSecure != (tls != nil) {
                fields.note("\(url) \(isSecure ? "is https, but tls has no certificate for it" : "is http, but tls has a certificate for it; write https")", at: name)
            }
            return url
        }
        let listenClient = listener("listen_client", 2379, client, &fields, "Where etcd clients are served. Default: 0.0.0.0:2379, without TLS 127.0.0.1:2379.")
        let listenPeer = listener("listen_peer", own?.port ?? 2380, peer, isOpen: own.map { !$0.isLoopback } ?? false, &fields, "Where other members are served. Default: 0.0.0.0 and the port of this member's entry in initial_peers.")
        let metrics: MemberURL? = fields.optional("listen_metrics", "Where /metrics and /health are served as plain HTTP too, such as 0.0.0.0:2381. Default: nowhere.")
        if metrics?.isSecure == true { fields.note("is https; metrics are plain HTTP here, and over TLS at listen_client", at: "listen_metrics") }

        let givenPeers = urls("advertise_peer", root, &fields, "Where the others find this member. Default: its entry in initial_peers, or listen_peer.")
        var advertisedPeers = givenPeers.map { $0.text(isSecure: peer != nil) }
        if advertisedPeers.isEmpty {
            if let url = own ?? (listenPeer.isWildcard ? nil : listenPeer) {
                advertisedPeers = [url.text(isSecure: peer != nil)]
            } else {
                fields.note("is required, as \(listenPeer) is no address by which the others could call", at: "advertise_peer")
            }
        }
        var advertisedClients = urls("advertise_client", root, &fields, "Where clients are told to find it. Default: listen_client, or this member's host of initial_peers or advertise_peer.").map { $0.text(isSecure: client != nil) }
        if advertisedClients.isEmpty {
            let host = listenClient.isWildcard ? own?.host ?? givenPeers.first?.host ?? (listenPeer.isWildcard ? "127.0.0.1" : listenPeer.host) : listenClient.host
            advertisedClients = [MemberURL(host: host, port: listenClient.port, isSecure: client != nil).scalarText]
        }
        return Ports(client: listenClient, peer: listenPeer, metrics: metrics, advertiseClient: advertisedClients, advertisePeer: advertisedPeers)
    }

    /// One URL, or a list.
    private static func urls(_ name: String, _ root: Value, _ fields: inout Fields, _ help: String) -> [MemberURL] {
        if case .scalar? = root[name]?.shape { return fields.optional(name, MemberURL.self, help).map { [$0] } ?? [] }
        return fields.scalars(name, 0...8, help)
    }
}

/// A text that no message may repeat: whatever it is taken for, digits alone too, it is what was written.
private struct SecretText: TextScalar {
    let scalarText: String

    init(scalar text: String) { scalarText = text }

    static var schema: JSON { ["type": "string"] }
    static var example: SecretText { SecretText(scalar: "0123456789abcdef") }
}
