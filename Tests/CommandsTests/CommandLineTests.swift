import API
import ArgumentParser
import Foundation
import Manifest
import Resource
import Testing

@testable import Commands

struct CommandLineTests {
    private func parse<C: ParsableCommand>(_: C.Type, _ line: String) throws -> C {
        let words = line.split(separator: " ").map(String.init)
        let command = try Plasma.parseAsRoot(try Invocation(words, verbs: verbs).arguments)
        return try #require(command as? C)
    }

    private let verbs = Plasma.configuration.subcommands.map { $0._commandName }

    @Test func `apply takes the flags of the conventions`() throws {
        let apply = try parse(
            ApplyCommand.self,
            "--server unix:///s apply -f a.yaml --filename b --wait --timeout 15m --dry-run=server --prune --field-manager ci --force-conflicts --no-color"
        )
        #expect(apply.manifest.filenames == ["a.yaml", "b"])
        #expect(apply.wait && apply.prune && apply.forceConflicts && apply.connection.noColor)
        #expect(apply.timeout.duration == .seconds(900))
        #expect(apply.dryRun == .server)
        #expect(apply.fieldManager == "ci")
        #expect(apply.connection.server == "unix:///s")
        #expect(throws: (any Error).self) { try parse(ApplyCommand.self, "apply") }
        #expect(throws: (any Error).self) { try parse(ApplyCommand.self, "apply -f a --timeout soon") }
    }

    @Test func `get, wait and delete take the flags of the conventions`() throws {
        let get = try parse(GetCommand.self, "get nodes a -o jsonpath={.metadata.name} -l app=web -w --no-headers --sort-by age")
        #expect(get.objects == ["nodes", "a"])
        #expect(get.output.format == .jsonPath(try JSONPath("{.metadata.name}")))
        #expect(get.labels.selector?.matches(["app": "web"]) == true)
        #expect(get.watch && get.noHeaders && get.sortBy == .age)
        let wait = try parse(WaitCommand.self, "wait node/a --for=condition=Stalled --timeout 0")
        #expect(wait.goal == .condition(type: "Stalled", status: "True"))
        #expect(wait.timeout.duration == nil)
        #expect(try parse(WaitCommand.self, "wait node/a").timeout.duration == .seconds(30))
        #expect(try parse(DeleteCommand.self, "delete vm/a --wait=false").wait == false)
        #expect(try parse(DeleteCommand.self, "delete vm/a --wait=true").wait)
        #expect(try parse(DeleteCommand.self, "delete vm/a").wait)
        #expect(throws: (any Error).self) { try parse(DeleteCommand.self, "delete") }
        #expect(throws: (any Error).self) { try parse(DeleteCommand.self, "delete vm/a -f x") }
        let logs = try parse(LogsCommand.self, "logs node01 -f --tail 5")
        #expect(logs.follow && logs.tail == 5)
        let diff = try parse(DiffCommand.self, "diff -f a -o sarif --detailed-exitcode")
        #expect(diff.format == .sarif && diff.detailedExitCode)
    }

    @Test func `what a script left empty selects nothing`() async throws {
        for arguments in [["nodes", "-l", ""], ["node", ""], ["node/a", ""]] {
            let command = try DeleteCommand.parse(arguments + ["--server", "unix:///nowhere.sock"])
            let failure = await #expect(throws: Failure.self) { try await command.run() }
            #expect(failure?.description.contains("empty") == true, "\(failure?.description ?? "")")
        }
    }

    @Test func `nothing is chosen among what manifests declare`() async throws {
        for arguments in [["-l", "tier=scratch"], ["-l", ""], ["--all"]] {
            let command = try DeleteCommand.parse(["-f", "/nowhere.yaml", "--server", "unix:///nowhere.sock"] + arguments)
            let failure = await #expect(throws: Failure.self) { try await command.run() }
            #expect(failure?.description.contains("-f excludes -l and --all") == true, "\(failure?.description ?? "")")
        }
    }

    @Test func `a member that has no name yet is not found by an empty one`() throws {
        let row = MemberTable.Row(id: 0xab, name: "", isLearner: true, peerURLs: ["https://a:2380"], clientURLs: [])
        let table = MemberTable(rows: [row])
        let failure = #expect(throws: Failure.self) { try table.find("") }
        #expect(failure?.description.contains("variable") == true)
        #expect(try table.find("ab") == row)
    }

    @Test func `problems with a value are told in our words`() {
        let wrong: [(String, String)] = [
            ("get nodes -o xml", "is not an output format"), ("get nodes -o jsonpath={.a[?(@.b)]}", "filters"),
            ("get nodes -l a=(", "is not a requirement"),
            ("wait node/a --for=ready", "is not condition=TYPE"), ("diff -o yaml", "markdown"),
        ]
        for (line, text) in wrong {
            do {
                _ = try parse(GetCommand.self, line)
                Issue.record("\(line) was taken")
            } catch {
                #expect(Plasma.fullMessage(for: error).contains(text), "\(line): \(Plasma.fullMessage(for: error))")
            }
        }
    }

    @Test func `options may stand before the verb, and a wrong verb has a suggestion`() throws {
        #expect(
            try Invocation(["--context", "lab", "--no-color", "get", "nodes"], verbs: verbs).arguments == [
                "get", "nodes", "--context", "lab", "--no-color",
            ])
        #expect(
            try Invocation(["--server=unix:///x", "get", "nodes", "--", "-x"], verbs: verbs).arguments == [
                "get", "nodes", "--server=unix:///x", "--", "-x",
            ])
        #expect(try Invocation(["--no-color", "explain", "node"], verbs: verbs).arguments == ["explain", "node"])
        #expect(try Invocation(["--help"], verbs: verbs).arguments == ["--help"])
        #expect(try Invocation([], verbs: verbs).arguments == [])
        #expect(
            try Invocation(["delete", "a", "--wait=false", "--all=true", "--watch=false"], verbs: verbs).arguments == [
                "delete", "a", "--no-wait", "--all",
            ])
        #expect(try Invocation(["apply", "--dry-run=server"], verbs: verbs).arguments == ["apply", "--dry-run=server"])
        #expect(throws: Failure("\"aply\" is not a verb of plasma; did you mean \"apply\"?")) {
            try Invocation(["aply"], verbs: verbs)
        }
        #expect(throws: Failure.self) { try Invocation(["sing"], verbs: verbs) }
    }

    @Test func `every verb has a page with a summary, examples or formats, and exit codes`() throws {
        for verb in Plasma.configuration.subcommands {
            let help = Plasma.helpMessage(for: verb, columns: 100)
            #expect(!verb.configuration.abstract.isEmpty, "\(verb)")
            #expect(help.contains("EXIT CODES"), "\(verb)")
            if verb != VersionCommand.self { #expect(help.contains("EXAMPLES"), "\(verb)") }
        }
        #expect(Plasma.helpMessage(columns: 100).contains("PLASMA_SERVER"))
    }

    @Test func `there is a completion script for each shell`() {
        for shell in [CompletionShell.bash, .zsh, .fish] {
            let script = Plasma.completionScript(for: shell)
            #expect(script.contains("apply"))
            #expect(script.contains("field-manager"))
        }
    }

    @Test func `errors are told with what to do, and diff has its own code`() {
        let gone = Complaint.text(ClientError.unreachable(.unix("/run/p.sock"), "nobody listens at /run/p.sock"))
        #expect(gone == "plasma: nobody listens at /run/p.sock\nAnother server is named with --server, --context or --data-dir.")
        let problem = Problem(
            file: "a.yaml", mark: Mark(line: 3, column: 9), object: "Node/n", path: "spec.cpus",
            message: "\"99\" is not from 1 to 64")
        #expect(
            Complaint.text(ClientError.invalid([problem, problem])) == "\(problem)\n\(problem)\nplasma: 2 problems in 1 file")
        #expect(Complaint.text(ValidationError("x")) == nil)
        #expect(Complaint.exitCode(verb: "diff", arguments: ["diff"]) == 2)
        #expect(Complaint.exitCode(verb: "diff", arguments: ["diff", "--detailed-exitcode"]) == 1)
        #expect(Complaint.exitCode(verb: "apply", arguments: ["apply"]) == 1)
        #expect(Complaint.exitCode(verb: nil, arguments: []) == 1)
    }

    @Test func `colour needs a terminal, and none is shown where it is not wanted`() {
        func isColored(_ noColor: Bool, _ isTerminal: Bool, _ environment: [String: String]) -> Bool {
            Terminal(noColor: noColor, isTerminal: isTerminal, environment: environment).isColored
        }
        #expect(isColored(false, true, [:]))
        #expect(isColored(false, true, ["NO_COLOR": ""]))
        #expect(!isColored(true, true, [:]))
        #expect(!isColored(false, false, [:]))
        #expect(!isColored(false, true, ["NO_COLOR": "1"]))
        #expect(!isColored(false, true, ["TERM": "dumb"]))
    }

    @Test func `a console is left at Ctrl-], and what was typed before it still goes out`() throws {
        #expect(ConsoleSession.split([0x61, 0x1D, 0x62]).send == [0x61])
        #expect(ConsoleSession.split([0x61, 0x1D]).isLeaving)
        #expect(!ConsoleSession.split([0x03, 0x61]).isLeaving)
        let running = try Scene.object([
            "kind": "VirtualMachine", "metadata": ["name": "web"], "state": "ready", "status": ["console": "/d/console.sock"],
        ])
        #expect(try ConsoleCommand.socket(of: running, server: "unix:///s") == "/d/console.sock")
        #expect(throws: Failure.self) { try ConsoleCommand.socket(of: running, server: "https://far:1") }
        let stopped = try Scene.object(["kind": "VirtualMachine", "metadata": ["name": "web"], "state": "starting"])
        let failure = #expect(throws: Failure.self) { try ConsoleCommand.socket(of: stopped, server: "unix:///s") }
        #expect(
            failure?.description
                == "VirtualMachine/web has no console now: it is Starting; see plasma describe virtualmachine/web")
    }

    @Test func `annotations are set and removed as kubectl does it`() throws {
        let changes = try AnnotateCommand.read(["a.b/c=d=e", "empty=", "gone-"])
        #expect(changes["a.b/c"] == .some("d=e"))
        #expect(changes["empty"] == .some(""))
        #expect(changes["gone"] == .some(nil))
        #expect(throws: Failure.self) { try AnnotateCommand.read(["neither"]) }
    }

    @Test func `validate tells every problem, in text and in json`() throws {
        func problem(_ file: String, _ line: Int, _ message: String) -> Problem {
            Problem(file: file, mark: Mark(line: line, column: 1), object: "Node/n", path: "spec", message: message)
        }
        let validation = Validation(
            files: 2, objects: 3,
            problems: [
                problem("a.yaml", 2, "z"), problem("a.yaml", 9, "y"), problem("b.yaml", 1, "x"),
            ])
        #expect(
            validation.text
                == "a.yaml:2:1: Node/n spec: z\na.yaml:9:1: Node/n spec: y\nb.yaml:1:1: Node/n spec: x\n3 problems in 2 files\n")
        let json = try JSON(parsing: Array(validation.json.utf8))
        #expect(json["valid"] == false)
        #expect(json.at("problems[1].line") == 9)
        #expect(Validation(files: 1, objects: 1, problems: []).text == "valid: 1 object in 1 file\n")
    }

    @Test func `what was applied is told, and only what is reconciled is waited for`() {
        let result = ApplyResult(
            objects: [
                .init(Reference(kind: "Node", name: "a"), .created, uid: "", generation: 1),
                .init(Reference(kind: "Certificate", name: "c"), .unchanged, uid: "", generation: 1),
                .init(Reference(kind: "Disk", name: "d"), .pruned, uid: "", generation: 1),
            ], dryRun: false)
        #expect(ApplyText.render(result) == "node/a created\ncertificate/c unchanged\ndisk/d pruned\n")
        let goals = ApplyText.goals(result, reconciled: toysReconciled)
        #expect(goals.map(\.reference.description) == ["Node/a", "Disk/d"])
        #expect(goals.map(\.goal) == [.ready, .absent])
        #expect(
            ApplyText.render(ApplyResult(objects: result.objects, dryRun: true)).hasPrefix("node/a created (server dry run)\n"))
    }
}
