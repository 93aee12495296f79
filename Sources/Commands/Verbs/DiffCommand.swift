import API
import ArgumentParser
import Resource

struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Says how manifests, store and world differ; changes nothing.",
        discussion: """
            Looks at the world with the code that apply uses, and plans with the same planner, but has nothing to \
            change anything with. Without -f, compares what the store wants with the world.

            Each change is of a class: config (manifest against store), drift (store against world), both, or unknown \
            (the world could not be seen); and has an impact: none, reload, restart, reboot, replace or wipe. Values \
            of fields that hold secrets are not shown.

            FORMATS (-o)
              text      a block for each object: + created, ~ changed, - deleted,
                        ≠ drifted, * unmanaged, ? not observed
              json      one JSON object per line, version plasma.cloud/diff/v1;
                        types object, change, action, summary
              junit     a difference is a failure, what was not observed an error
              sarif     SARIF 2.1.0; points at the manifest's lines
              markdown  for a step summary or a comment; limited in size
              github    workflow annotations

            EXAMPLES
              plasma diff -f lab.yaml
              plasma diff                    has anything drifted?
              plasma diff node/node01 vm/node01
              plasma diff -f lab.yaml -o markdown >> "$GITHUB_STEP_SUMMARY"

            EXIT CODES
              0  no differences
              1  differences                            (2 with --detailed-exitcode)
              2  error: invalid, refused, not reached,  (1 with --detailed-exitcode)
                 or one of the objects that were named is not there, or none that was selected
              3  something could not be observed: it is not known whether it differs
            """)

    @OptionGroup var manifest: ManifestOptions
    @Argument(help: ArgumentHelp("Only these objects: KIND/NAME or KIND NAME.", valueName: "object")) var objects: [String] = []
    @OptionGroup var labels: SelectorOptions
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("text, json, junit, sarif, markdown or github.", valueName: "format"))
    var format = DiffFormat.text
    @Flag(help: "Count objects that the manifests no longer name as deleted, as apply --prune would.") var prune = false
    @Option(name: .customLong("field-manager"), help: ArgumentHelp("In whose name apply would run.", valueName: "name"))
    var fieldManager = "plasma"
    @Flag(name: .customLong("detailed-exitcode"), help: "Terraform's exit codes: 0 none, 1 error, 2 changes.")
    var detailedExitCode = false
    @Option(help: ArgumentHelp("How long to wait for the answer: 90s, 10m; 0 for ever.", valueName: "time")) var timeout = Timeout(.seconds(600))
    @OptionGroup var connection: ConnectionOptions

    mutating func validate() throws {
        if prune, manifest.filenames.isEmpty { throw ValidationError("--prune compares with manifests: give them with -f") }
    }

    func run() async throws {
        let files = manifest.filenames.isEmpty ? nil : try manifest.load()
        _ = try files?.sound(kinds)
        let named = objects.isEmpty ? [] : try Selection.parseNamed(objects, kinds: kinds)
        let selection = DiffSelection(
            references: named.map { Reference(kind: $0.kind.name, name: $0.name) }, selector: labels.selector?.description,
            prune: prune,
            fieldManager: fieldManager)
        let report = try await connection.withClient { client in
            let limit = timeout.duration ?? .seconds(365 * 86_400)
            guard let files else { return try await client.diff(nil, selection: selection, within: limit) }
            return files.shown(try await files.asking { try await client.diff($0, selection: selection, within: limit) })
        }
        // Whoever asks for what is not there must not be told that all is well.
        if let missing = report.missing { throw Failure(missing.map { "\($0) is not there" }.joined(separator: "\nplasma: ")) }
        if report.examined == 0, labels.selector != nil { throw Failure("no object has such labels: nothing was compared") }
        let outcome = DiffOutcome(
            report, format: format, isDetailed: detailedExitCode, isColored: connection.terminal.isColored,
            version: Plasma.version)
        // Nobody may take a page that is not whole for an answer: 1, or 2 with Terraform's codes, says that there are differences.
        Output.failureCode.store(detailedExitCode ? 1 : 2, ordering: .relaxed)
        Output.write(outcome.text)
        throw ExitCode(outcome.exitCode)
    }
}
