import ArgumentParser
import Resource

/// How `plasma diff` speaks.
enum DiffFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
    case text, json, junit, sarif, markdown, github
}

/// What `plasma diff` says and how it exits, both drawn from one report.
struct DiffOutcome: Hashable, Sendable {
    var text: String
    var exitCode: Int32

    /// - Parameter isDetailed: Terraform's codes (0 none, 2 changes) in place of kubectl's (0, 1). An
    ///   object that could not be observed is 3 in both: it must never be taken for an answer.
    init(_ unsorted: DiffReport, format: DiffFormat, isDetailed: Bool, isColored: Bool, version: String) {
        let report = sorted(unsorted)
        exitCode = report.exitCode == 1 && isDetailed ? 2 : report.exitCode
        text =
            switch format {
            case .text: DiffText.render(report, isColored: isColored)
            case .json: DiffJSON.render(report, exitCode: exitCode)
            case .junit: DiffJUnit.render(report)
            case .sarif: DiffSARIF.render(report, version: version)
            case .markdown: DiffMarkdown.render(report)
            case .github: DiffGitHub.render(report)
            }
    }
}
