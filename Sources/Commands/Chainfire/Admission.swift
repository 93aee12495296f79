import Bytes
import Chainfire
import Crypto
import Foundation
import GRPC
import Host
import Logging
import Manifest

/// How a member comes by its place in a cluster: it has one already, begins with others, or asks to join.
struct Admission {
    var configuration: MemberConfiguration
    var logger: Logger
    var manager = ServiceManager()

    /// The answer to a join is kept here until the state itself knows, so that a restart does not join twice.
    private var ticketFile: String { configuration.directory + "/join.json" }
    /// What a member that begins alone makes its cluster of, until the state knows: one that was killed in the middle of its first start
    /// begins again.
    private var tokenFile: String { configuration.directory + "/alone.token" }

    func membership() async throws -> ClusterMembership {
        let isKnown = try Chainfire.identity(directory: configuration.directory, disk: SystemDisk()) != nil
        switch configuration.beginning {
        case .alone: return try beginsAlone(isKnown, FoundingMember(name: configuration.name, peerURLs: configuration.advertisePeer))
        // Nobody else is to find the same id: and who lost its disk must not be the old one again, beside those that joined it.
        case .bootstrap(let founders) where founders.count == 1 && founders[0].name == configuration.name:
            return try beginsAlone(isKnown, FoundingMember(name: founders[0].name, peerURLs: [founders[0].peerURL]))
        case .bootstrap(let founders):
            // Given at each start: one that was killed in the middle of its first begins again.
            return .bootstrap(
                name: configuration.name, members: founders.map { FoundingMember(name: $0.name, peerURLs: [$0.peerURL]) },
                token: configuration.joinToken.map(Self.stretched) ?? "chainfire")
        case .join(let url, let others):
            if let data = FileManager.default.contents(atPath: ticketFile) {
                return .joined(try Self.ticket(try JSON(parsing: Array(data)), from: ticketFile))
            }
            return isKnown ? .existing : .joined(try await join(url, others))
        }
    }

    private func beginsAlone(_ isKnown: Bool, _ founder: FoundingMember) throws -> ClusterMembership {
        let kept = FileManager.default.contents(atPath: tokenFile).map { String(decoding: $0, as: UTF8.self) }
        if isKnown && kept == nil { return .existing }
        // A random token: a random cluster.
        let token = kept ?? UUID().uuidString
        if kept == nil {
            do throws(DiskError) { try keep(Array(token.utf8), in: tokenFile) } catch { throw Failure("\(tokenFile) cannot be written: \(error)") }
        }
        return .bootstrap(name: founder.name, members: [founder], token: token)
    }

    /// The cluster's id is made of this and told to everybody: the token must not be found by trying. What a person may have
    /// thought up takes long to try; 256 bits of chance, as plasma makes them, are not found at all, and cost nothing here.
    static func stretched(_ token: String) -> String {
        if token.utf8.count == 64, token.allSatisfy(\.isHexDigit) { return token }
        var digest = SHA256.hash(data: Data(("plasma chainfire " + token).utf8))
        for _ in 0..<100_000 { digest = SHA256.hash(data: Data(digest)) }
        return Hex.encode(digest)
    }

    /// The state knows who begins the cluster: who loses it from now on does not begin it again.
    func settle() {
        guard FileManager.default.fileExists(atPath: tokenFile) else { return }
        let disk = SystemDisk()
        do throws(DiskError) {
            try disk.remove(tokenFile)
            try disk.syncDirectory(configuration.directory)
        } catch {
            logger.warning("\(tokenFile) cannot be removed", metadata: ["why": "\(error)"])
        }
    }

    /// Whole or not at all, also when the power fails.
    private func keep(_ content: [UInt8], in path: String) throws(DiskError) {
        let disk = SystemDisk()
        let draft = path + ".new"
        let file = try disk.open(draft, .create)
        try file.truncate(to: 0)
        try file.write(content, at: 0)
        try file.sync()
        try disk.rename(draft, to: path)
        try disk.syncDirectory(configuration.directory)
    }

    /// Asks until it is let in: the cluster may start later than this member. A refusal is final.
    /// - Parameter others: are asked in turn where it does not answer; what they refuse, it may grant.
    private func join(_ url: MemberURL, _ others: [MemberURL]) async throws -> JoinTicket {
        let body: JSON = [
            "name": .string(configuration.name), "peer_urls": .array(configuration.advertisePeer.map { .string($0) }),
            "client_urls": .array(configuration.advertiseClient.map { .string($0) }), "token": .string(configuration.joinToken ?? ""),
        ]
        let doors = ([url] + others).map { $0.text(isSecure: configuration.clientTLS != nil) }
        let time = SystemTime()
        var last: [String: String] = [:]
        // It runs as it should, and may wait for long: first boot tells how it fares.
        manager.tell(.ready, .status("asks \(doors[0]) to let it join"))
        for attempt in 0... {
            let address = doors[attempt % doors.count]
            do throws(GRPCStatus) {
                let answer = try await HTTPCall.send(
                    .POST, url: address + "/admin/cluster/join", body: body.encoded(), headers: [("content-type", "application/json")],
                    tls: address.hasPrefix("https") ? tls : nil, timeout: .seconds(10))
                let document = (try? JSON(parsing: answer.body)) ?? [:]
                switch answer.status {
                case 200..<300:
                    let ticket = try Result { try Self.ticket(document, from: address) }.mapError { GRPCStatus(.dataLoss, "\($0)") }.get()
                    do throws(DiskError) { try keep(document.encoded(), in: ticketFile) } catch {
                        throw GRPCStatus(.dataLoss, "\(ticketFile) cannot be written: \(error)")
                    }
                    logger.notice("joined", metadata: ["through": "\(address)", "member": "\(hex(ticket.memberID))", "cluster": "\(hex(ticket.clusterID))"])
                    return ticket
                // Another change of the members comes first; but what is there already stays there.
                case 412 where document["error"]?.string?.contains("already exists") != true:
                    throw GRPCStatus(.unavailable, document["error"]?.string ?? "status \(answer.status)")
                case 503, 504, 429: throw GRPCStatus(.unavailable, document["error"]?.string ?? "status \(answer.status)")
                default: throw GRPCStatus(.failedPrecondition, document["error"]?.string ?? "status \(answer.status)")
                }
            } catch {
                guard address != doors[0] || error.code == .unavailable || error.code == .deadlineExceeded else {
                    throw Failure("\(address) does not let this member join: \(error.message)")
                }
                if error.message != last[address] { logger.warning("waiting to join", metadata: ["through": "\(address)", "why": "\(error.message)"]) }
                last[address] = error.message
            }
            try await time.sleep(for: .seconds(1))
        }
        preconditionFailure("it asks for ever")
    }

    /// The client port's files serve to call another member's client port too.
    private var tls: ClientTLS {
        let own = configuration.clientTLS
        var tls = ClientTLS(ca: own?.ca ?? configuration.peerTLS?.ca, certificate: own?.certificate, key: own?.key)
        // The token is for nobody whose certificate was revoked.
        tls.crl = own?.crl ?? configuration.peerTLS?.crl
        return tls
    }

    static func ticket(_ document: JSON, from place: String) throws -> JoinTicket {
        func id(_ json: JSON?) throws -> UInt64 {
            guard let id = json?.string.flatMap({ UInt64($0, radix: 16) }), id > 0 else { throw Failure("\(place) holds no ticket of a cluster") }
            return id
        }
        func texts(_ json: JSON?) -> [String] { json?.array?.compactMap(\.string) ?? [] }
        return JoinTicket(
            clusterID: try id(document["cluster_id"]), memberID: try id(document["member_id"]),
            members: try (document["members"]?.array ?? []).map { member in
                MemberRecord(
                    id: try id(member["id"]), name: member["name"]?.string ?? "", peerURLs: texts(member["peer_urls"]),
                    clientURLs: texts(member["client_urls"]), isLearner: member["is_learner"]?.bool ?? false,
                    // A leader of an earlier version does not say.
                    incarnation: try member["incarnation"].map { try id($0) } ?? 0)
            })
    }
}
