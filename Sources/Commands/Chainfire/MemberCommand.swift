import ArgumentParser
import Etcd
import Manifest

struct MemberCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "member",
        abstract: "Lists, adds, removes, replaces and promotes members, and hands leadership over.",
        discussion: """
            Members are named by NAME or by their hexadecimal ID. A change that would put the majority at risk is refused, \
            with the arithmetic. A new member enters as a learner, catches up, and becomes a voter by itself.

            EXAMPLES
              plasma chainfire member list
              plasma chainfire member add node04 --peer-urls https://10.0.0.4:2380
              plasma chainfire member replace node03 node04 --peer-urls https://10.0.0.4:2380
              plasma chainfire member transfer node02

            EXIT CODES
              0  done    1  refused, or not known: the message says which
            """,
        subcommands: [
            ListMembers.self, AddMember.self, RemoveMember.self, ReplaceMember.self, PromoteMember.self, UpdateMember.self,
            TransferLeadership.self,
        ])
}

struct ListMembers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the members: who leads, who learns, who answers.",
        discussion: "EXIT CODES\n  0  listed    1  nobody could be reached")
    @OptionGroup var endpoints: EndpointOptions
    @OptionGroup var output: PlainOutputOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let members = try await MemberTable.ask(try endpoints.client())
        output.write(members.json) { members.text }
    }
}

struct AddMember: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Announces a new member, which is then started with `bootstrap: false`.",
        discussion: "EXIT CODES\n  0  announced    1  refused, or not known: the message says which")
    @Argument(help: "Its name.") var name: String
    @Option(name: .customLong("peer-urls"), help: ArgumentHelp("Where the others will find it, with commas between.", valueName: "urls"))
    var peerURLs: String
    @Flag(help: "It stays a learner, which does not vote, until it is promoted.") var learner = false
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        try MemberChange.checkName(name)
        let cluster = try endpoints.client()
        if let row = try await MemberTable.ask(cluster).rows.first(where: { $0.name == name }) {
            throw Failure("there is a member \"\(name)\" already (\(hex(row.id)), a \(row.role)); to put a new one in its place: plasma chainfire member replace \(name) NAME")
        }
        var body: JSON = ["name": .string(name), "peer_urls": try MemberChange.urls(peerURLs)]
        if learner {
            body["learner"] = true
            body["promotes"] = false
        }
        let ticket = try await AdminClient(cluster: cluster).send("POST", "/admin/cluster/members", body)
        Output.write("member \(ticket["member_id"]?.string ?? "?") (\(name)) added as a learner\n" + MemberChange.start(name, cluster.endpoints))
    }
}

struct RemoveMember: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Removes a member for ever; its directory can be thrown away.",
        discussion: "EXIT CODES\n  0  removed    1  refused, or not known: the message says which")
    @Argument(help: "Name or ID.") var member: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let cluster = try endpoints.client()
        let row = try await MemberTable.ask(cluster).find(member)
        _ = try await AdminClient(cluster: cluster).send("DELETE", "/admin/cluster/members/\(hex(row.id))")
        Output.write("member \(hex(row.id)) (\(row.shownName)) removed\n")
    }
}

struct ReplaceMember: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Puts a new member in an old one's place.",
        discussion: """
            The old one may be dead: then this is the way back to full strength. The new one is a learner at first; start \
            it with `bootstrap: false`. When it has caught up, one joint change gives it the old one's vote and lets that \
            one go: at no moment is there a voter less. Until then `member remove` of the new one takes it back.

            EXIT CODES
              0  announced    1  refused, or not known: the message says which
            """)
    @Argument(help: "Name or ID of the old one.") var old: String
    @Argument(help: "Name of the new one.") var new: String
    @Option(name: .customLong("peer-urls"), help: ArgumentHelp("Where the others will find the new one, with commas between.", valueName: "urls"))
    var peerURLs: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        try MemberChange.checkName(new)
        let cluster = try endpoints.client()
        let row = try await MemberTable.ask(cluster).find(old)
        let ticket = try await AdminClient(cluster: cluster).send(
            "POST", "/admin/cluster/replace",
            ["id": .string(hex(row.id)), "name": .string(new), "peer_urls": try MemberChange.urls(peerURLs)])
        Output.write(
            "member \(ticket["member_id"]?.string ?? "?") (\(new)) added as a learner; it takes the place of \(hex(row.id)) (\(row.shownName)) when it has caught up\n"
                + MemberChange.start(new, cluster.endpoints))
    }
}

struct PromoteMember: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Makes a learner a voter.", discussion: "EXIT CODES\n  0  promoted    1  refused, or not known: the message says which")
    @Argument(help: "Name or ID.") var member: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let cluster = try endpoints.client()
        let row = try await MemberTable.ask(cluster).find(member)
        _ = try await AdminClient(cluster: cluster).send("POST", "/admin/cluster/members/\(hex(row.id))/promote", [:])
        Output.write("member \(hex(row.id)) (\(row.shownName)) is a voter\n")
    }
}

struct UpdateMember: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Changes the peer URLs of a member.", discussion: "EXIT CODES\n  0  changed    1  refused, or not known: the message says which")
    @Argument(help: "Name or ID.") var member: String
    @Option(name: .customLong("peer-urls"), help: ArgumentHelp("With commas between.", valueName: "urls")) var peerURLs: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let cluster = try endpoints.client()
        let row = try await MemberTable.ask(cluster).find(member)
        var request = Etcdserverpb_MemberUpdateRequest()
        request.id = row.id
        request.peerUrls = try MemberChange.urls(peerURLs).array?.compactMap(\.string) ?? []
        _ = try await cluster.ask(Calls.update, request)
        Output.write("member \(hex(row.id)) (\(row.shownName)) is found at \(peerURLs)\n")
    }
}

struct TransferLeadership: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer", abstract: "Hands leadership over to a voter.", discussion: "EXIT CODES\n  0  it leads    1  refused, or not known: the message says which")
    @Argument(help: "Name or ID of who shall lead.") var member: String
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let cluster = try endpoints.client()
        let row = try await MemberTable.ask(cluster).find(member)
        _ = try await AdminClient(cluster: cluster).send("POST", "/admin/cluster/transfer", ["id": .string(hex(row.id))])
        Output.write("member \(hex(row.id)) (\(row.shownName)) leads\n")
    }
}

/// What the verbs that change members share.
enum MemberChange {
    /// - Throws: `Failure` for a name that is empty.
    static func checkName(_ name: String) throws {
        if name.isEmpty { throw Failure("the name of a member is empty; is a variable of yours unset?") }
    }

    static func urls(_ text: String) throws -> JSON {
        .array(
            try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
                do throws(ScalarProblem) {
                    let url = try MemberURL(scalar: String(word))
                    guard url.isSecure != nil else { throw ScalarProblem("has no scheme; write https://\(word)") }
                    return .string(url.text(isSecure: true))
                } catch {
                    throw Failure("--peer-urls: \"\(word)\" \(error.rest)")
                }
            })
    }

    /// What is to be done next.
    static func start(_ name: String, _ endpoints: [MemberURL]) -> String {
        """
        start it with the token that the members have:
          name: \(name)
          bootstrap: false
          leader_url: \(endpoints.first?.scalarText ?? "https://HOST:2379")
          join_token_file: …

        """
    }
}
