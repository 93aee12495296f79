import ArgumentParser
import Manifest

/// The options of `plasma chainfire serve` that stand for keys of its file, and go before them.
struct MemberFlags: ParsableArguments {
    @Option(help: ArgumentHelp("This member's name. Key: name.", valueName: "name"))
    var name: String?
    @Option(
        name: .customLong("data-dir"), help: ArgumentHelp("Where its state is kept. Key: data_dir.", valueName: "directory"),
        completion: .directory)
    var dataDirectory: String?
    @Option(name: .customLong("listen-client"), help: ArgumentHelp("Where etcd clients are served. Key: listen_client.", valueName: "host:port"))
    var listenClient: String?
    @Option(name: .customLong("listen-peer"), help: ArgumentHelp("Where other members are served. Key: listen_peer.", valueName: "host:port"))
    var listenPeer: String?
    @Option(name: .customLong("listen-metrics"), help: ArgumentHelp("Where /metrics and /health are plain HTTP. Key: listen_metrics.", valueName: "host:port"))
    var listenMetrics: String?
    @Option(name: .customLong("cert-file"), help: ArgumentHelp("Key: tls.client.cert.", valueName: "file"), completion: .file())
    var certificate: String?
    @Option(name: .customLong("key-file"), help: ArgumentHelp("Key: tls.client.key.", valueName: "file"), completion: .file())
    var key: String?
    @Option(name: .customLong("ca-file"), help: ArgumentHelp("Key: tls.client.ca; clients are then asked for a certificate.", valueName: "file"), completion: .file())
    var ca: String?
    @Option(name: .customLong("crl-file"), help: ArgumentHelp("Key: tls.client.crl.", valueName: "file"), completion: .file())
    var crl: String?
    @Option(name: .customLong("peer-cert-file"), help: ArgumentHelp("Key: tls.peer.cert.", valueName: "file"), completion: .file())
    var peerCertificate: String?
    @Option(name: .customLong("peer-key-file"), help: ArgumentHelp("Key: tls.peer.key.", valueName: "file"), completion: .file())
    var peerKey: String?
    @Option(name: .customLong("peer-ca-file"), help: ArgumentHelp("Key: tls.peer.ca.", valueName: "file"), completion: .file())
    var peerCA: String?
    @Option(name: .customLong("peer-crl-file"), help: ArgumentHelp("Key: tls.peer.crl.", valueName: "file"), completion: .file())
    var peerCRL: String?
    @Option(name: .customLong("join-token-file"), help: ArgumentHelp("Key: join_token_file.", valueName: "file"), completion: .file())
    var joinTokenFile: String?

    /// Paths on a command line start at the working directory; those in a file at the file's.
    func absolute(_ directory: String) -> MemberFlags {
        var flags = self
        let paths = [
            \MemberFlags.dataDirectory, \.certificate, \.key, \.ca, \.crl, \.peerCertificate, \.peerKey, \.peerCA, \.peerCRL, \.joinTokenFile,
        ]
        for path in paths {
            if let written = flags[keyPath: path], !written.hasPrefix("/") { flags[keyPath: path] = directory + "/" + written }
        }
        return flags
    }

    /// The flags as the mapping that the file would have been, so that one reader judges both.
    var members: [Value.Member] {
        func scalar(_ key: String, _ text: String?) -> Value.Member? {
            text.map { Value.Member(key: key, keyMark: .first, value: Value(mark: .first, shape: .scalar(text: $0, plain: false, tag: nil))) }
        }
        func mapping(_ key: String, _ members: [Value.Member?]) -> Value.Member? {
            let given = members.compactMap { $0 }
            return given.isEmpty ? nil : Value.Member(key: key, keyMark: .first, value: Value(mark: .first, shape: .mapping(given)))
        }
        return [
            scalar("name", name), scalar("data_dir", dataDirectory), scalar("listen_client", listenClient),
            scalar("listen_peer", listenPeer), scalar("listen_metrics", listenMetrics), scalar("join_token_file", joinTokenFile),
            mapping("tls", [
                mapping("client", [scalar("cert", certificate), scalar("key", key), scalar("ca", ca), scalar("crl", crl)]),
                mapping("peer", [scalar("cert", peerCertificate), scalar("key", peerKey), scalar("ca", peerCA), scalar("crl", peerCRL)]),
            ]),
        ].compactMap { $0 }
    }
}

extension Mark {
    static let first = Mark(line: 1, column: 1)
}

extension Value {
    /// None of what is no mapping.
    var members: [Member] {
        if case .mapping(let members) = shape { members } else { [] }
    }

    func without(_ keys: [String]) -> Value {
        guard case .mapping(let members) = shape else { return self }
        return Value(mark: mark, shape: .mapping(members.filter { !keys.contains($0.key) }))
    }

    /// This mapping with the members of another in the place of its own, mapping by mapping.
    func overlaid(with others: [Member]) -> Value {
        guard case .mapping(var members) = shape else { return isNull ? Value(mark: mark, shape: .mapping(others)) : self }
        for other in others {
            guard let index = members.firstIndex(where: { $0.key == other.key }) else {
                members.append(other)
                continue
            }
            if case .mapping(let inner) = other.value.shape {
                members[index].value = members[index].value.overlaid(with: inner)
            } else {
                members[index] = other
            }
        }
        return Value(mark: mark, shape: .mapping(members))
    }
}
