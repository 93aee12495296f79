import Etcd
import Manifest

/// The members of a cluster with what each of them says of itself.
struct MemberTable {
    struct Row: Hashable, Sendable {
        var id: UInt64
        var name: String
        var isLearner: Bool
        var peerURLs: [String]
        var clientURLs: [String]
        /// nil: it did not answer.
        var status: MemberStatus?
        /// Why it did not.
        var trouble: String?
    }

    var rows: [Row]

    /// Asks one member for the list, and then each listed one at its own client URLs.
    static func ask(_ cluster: ClusterClient) async throws -> MemberTable {
        var request = Etcdserverpb_MemberListRequest()
        request.linearizable = false
        let listed = try await cluster.ask(Calls.members, request, repeats: true).members.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
        let rows = await withTaskGroup(of: (Int, Row).self) { group in
            for (index, member) in listed.enumerated() {
                group.addTask { (index, await row(of: member, cluster)) }
            }
            var rows: [(Int, Row)] = []
            for await row in group { rows.append(row) }
            return rows.sorted { $0.0 < $1.0 }.map(\.1)
        }
        return MemberTable(rows: rows)
    }

    private static func row(of member: Etcdserverpb_Member, _ cluster: ClusterClient) async -> Row {
        var row = Row(
            id: member.id, name: member.name, isLearner: member.isLearner, peerURLs: member.peerUrls, clientURLs: member.clientUrls)
        var own = cluster
        own.endpoints = member.clientUrls.compactMap { try? MemberURL(scalar: $0) }
        own.timeout = min(cluster.timeout ?? .seconds(3), .seconds(3))
        guard !own.endpoints.isEmpty else {
            row.trouble = "has not started yet"
            return row
        }
        do {
            let status = MemberStatus(try await own.ask(Calls.status, Etcdserverpb_StatusRequest(), repeats: true))
            // As where all of them tell clients of an address of the host's own.
            if status.id == member.id { row.status = status } else { row.trouble = "member \(hex(status.id)) answers at \(member.clientUrls.joined(separator: ","))" }
        } catch {
            row.trouble = "\(error)"
        }
        return row
    }

    /// A member by its name or its hexadecimal id.
    /// - Throws: `Failure` listing those that there are.
    func find(_ word: String) throws -> Row {
        // Who was announced and has not started yet has no name either.
        try MemberChange.checkName(word)
        let digits = word.hasPrefix("0x") ? String(word.dropFirst(2)) : word
        let named = rows.filter { $0.name == word }
        guard named.count <= 1 else {
            throw Failure("\(named.count) members are named \"\(word)\": give the ID, \(named.map { "\(hex($0.id)) (\($0.role))" }.joined(separator: " or "))")
        }
        if let row = named.first ?? rows.first(where: { $0.id == UInt64(digits, radix: 16) }) { return row }
        let hint = nearest(to: word, among: rows.map(\.name)).map { "; did you mean \"\($0)\"?" }
            ?? ": there are \(rows.map { "\($0.shownName) (\(hex($0.id)))" }.joined(separator: ", "))"
        throw Failure("\"\(word)\" is no member\(hint)")
    }

    var voters: Int { rows.count { !$0.isLearner } }
    var healthyVoters: Int { rows.count { !$0.isLearner && $0.status != nil } }

    /// "3 voters, 2 healthy, 2 needed"
    var arithmetic: String { "\(voters) \(voters == 1 ? "voter" : "voters"), \(healthyVoters) healthy, \(voters / 2 + 1) needed" }

    var text: String {
        var table = Table(header: ["ID", "NAME", "ROLE", "HEALTH", "PEER URLS", "CLIENT URLS", "TERM", "INDEX"])
        for row in rows {
            table.add([
                Table.Cell(hex(row.id)), Table.Cell(row.shownName), Table.Cell(row.role),
                row.status == nil ? Table.Cell(row.trouble == "has not started yet" ? "not started" : "no answer", .bad) : Table.Cell("healthy", .good),
                Table.Cell(row.peerURLs.joined(separator: ",")), Table.Cell(row.clientURLs.joined(separator: ",")),
                Table.Cell(row.status.map { String($0.term) } ?? "-"), Table.Cell(row.status.map { String($0.applied) } ?? "-"),
            ])
        }
        return table.take().joined(separator: "\n") + "\n\(arithmetic)\n"
    }

    var json: JSON {
        [
            "voters": .integer(Int64(voters)), "healthyVoters": .integer(Int64(healthyVoters)), "quorum": .integer(Int64(voters / 2 + 1)),
            "members": .array(rows.map(\.json)),
        ]
    }
}

extension MemberTable.Row {
    var shownName: String { name.isEmpty ? "-" : name }

    var role: String {
        if isLearner { return "learner" }
        return status?.leader == id ? "leader" : "voter"
    }

    fileprivate var json: JSON {
        var document: JSON = [
            "id": .string(hex(id)), "name": .string(name), "role": .string(role), "learner": .bool(isLearner),
            "peerURLs": .array(peerURLs.map { .string($0) }), "clientURLs": .array(clientURLs.map { .string($0) }),
            "healthy": .bool(status != nil),
        ]
        if let status { document["status"] = status.json }
        if let trouble { document["trouble"] = .string(trouble) }
        return document
    }
}

/// Ids as etcdctl prints them.
func hex(_ id: UInt64) -> String { String(id, radix: 16) }
