import NIOCore

extension PeerHub {
    /// The other side said who it is.
    func introduced(_ connection: PeerConnection, _ greeting: Greeting) {
        guard let identity, let ears else { return connection.close(quietly: true) }
        if let refusal = objection(to: greeting, from: connection, identity) {
            return refuse(connection, greeting.hello.from, refusal)
        }
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (number, loop) = (connection.number, loop)
        admissions.async {
            let refusal = ears.admit(greeting.hello)
            loop.execute { bound.value.decided(number, greeting, refusal) }
        }
    }

    /// The other side will not have us.
    func refused(_ connection: PeerConnection, _ refusal: PeerRefusal) {
        tally.noteRefused()
        // It may end this member: only the word of one that we dialled, or let in, and whose certificate is good.
        if let ears, connection.dialer != nil || connection.stage == .welcomed, objection(toCertificateOf: connection, connection.peer) == nil {
            admissions.async { ears.refused(refusal) }
        }
        guard connection.dialer == nil, connection.peer != 0 else { return }
        tell(who(connection.peer), "\(who(connection.peer)) at \(connection.remote): \(connection.reason ?? "")")
    }

    private func decided(_ number: UInt64, _ greeting: Greeting, _ refusal: PeerRefusal?) {
        guard let connection = connection(number) else { return }
        if let refusal { return refuse(connection, greeting.hello.from, refusal) }
        connection.admit(greeting)
    }

    private func refuse(_ connection: PeerConnection, _ peer: UInt64, _ refusal: PeerRefusal) {
        tally.noteRefused()
        if connection.dialer == nil {
            tell(who(peer), "\(who(peer)), which dialled from \(connection.remote), is refused: \(refusal)")
        }
        connection.refuse(refusal)
    }

    private func objection(to greeting: Greeting, from connection: PeerConnection, _ identity: PeerIdentity) -> PeerRefusal? {
        let hello = greeting.hello
        if greeting.version != Greeting.version {
            return .version(theirs: greeting.version, ours: Greeting.version)
        }
        if hello.cluster != identity.cluster, hello.cluster != 0, identity.cluster != 0 {
            return .cluster(theirs: hello.cluster, ours: identity.cluster)
        }
        if let dialer = connection.dialer, hello.from != dialer.peer {
            return .wrongMember(wanted: dialer.peer, here: hello.from)
        }
        if hello.to != identity.member {
            return .wrongMember(wanted: hello.to, here: identity.member)
        }
        if hello.from == identity.member || hello.from == 0 {
            return .other("two processes run as \(who(identity.member)); stop one of them")
        }
        return objection(toCertificateOf: connection, hello.from)
    }

    /// Its chain was verified with the handshake, and of a side that we dialled, its host as well.
    private func objection(toCertificateOf connection: PeerConnection, _ peer: UInt64) -> PeerRefusal? {
        guard options.tls != nil else { return nil }
        guard let certificate = connection.certificate else { return .certificate("\(who(peer)) shows no certificate") }
        if isRevoked(certificate) { return .certificate("the certificate of \(who(peer)) was revoked") }
        // Members are servers to each other. Clients' certificates are often of the same authority.
        if certificate.fields?.isForServers == false { return .certificate("the certificate of \(who(peer)) is one for clients: a member's is for servers as well") }
        let names = options.allowedNames
        if !names.isEmpty {
            guard !certificate.isNamed(in: names) else { return nil }
            let list = names.joined(separator: ", ")
            return .certificate("the certificate of \(who(peer)) bears none of the names allowed for peers: \(list)")
        }
        let hosts = links[peer]?.addresses.map(\.host) ?? []
        guard connection.dialer == nil, !hosts.isEmpty, !hosts.contains(where: certificate.isValid(for:)) else { return nil }
        let list = hosts.joined(separator: ", ")
        return .certificate(
            "the certificate of \(who(peer)) is not valid for its peer address \(list); add that to its alternative names")
    }
}
