import Foundation
import Manifest
import Resource

@testable import Commands

/// Kinds made for tests: their specs are any data, so that formatters are tested apart from what kinds mean.
protocol ToyKind: Kind where Spec == JSON, Status == ToyStatus {}

extension ToyKind {
    static var plural: String { name.lowercased() + "s" }
    static var summary: String { "A toy." }
    static func readSpec(_ fields: inout Fields) -> JSON { .object([:]) }
}

struct ToyStatus: Codable, Hashable, Sendable {
    var address: String?
    var console: String?
    var starts: Int?
}

enum Node: ToyKind {
    static let name = "Node"
    static let shortNames = ["no"]
    static let columns = [
        Column("ROLE", "spec.role"), Column("ADDRESS", "status.address"), Column("TAGS", "spec.tags", wide: true),
    ]
}
enum Disk: ToyKind { static let name = "Disk" }
enum Cluster: ToyKind { static let name = "Cluster" }
enum Network: ToyKind { static let name = "Network"; static let shortNames = ["net"] }
enum VirtualMachine: ToyKind { static let name = "VirtualMachine"; static let shortNames = ["vm"] }
enum Certificate: ToyKind { static let name = "Certificate"; static let shortNames = ["cert"] }

let toys = KindTable([
    AnyKind(Cluster.self), AnyKind(Network.self), AnyKind(Node.self), AnyKind(VirtualMachine.self), AnyKind(Disk.self),
    AnyKind(Certificate.self),
])
let toysReconciled: Set<String> = ["Cluster", "Network", "Node", "VirtualMachine", "Disk"]

/// 2026-01-02T03:04:05Z
let sceneNow = Date(timeIntervalSince1970: 1_767_323_045)

/// Objects written as YAML, with shorthands beside the usual members:
/// `state: ready | waiting on Kind/name: why | failing 3: why | stalled: why | <phase>`, `age: seconds`,
/// `since: seconds`, `observed: generation`, `next: seconds`.
enum Scene {
    static func objects(_ yaml: String) throws -> [any AnyResource] {
        try documents(yaml).map { try object($0) }
    }

    static func documents(_ yaml: String) throws -> [JSON] {
        let (documents, problems) = YAML.read(Array(yaml.utf8), file: "scene")
        guard problems.isEmpty else { throw CaseProblem(problems.map(\.description).joined(separator: "\n")) }
        return documents.map(\.json).filter { $0 != .null }
    }

    static func object(_ document: JSON) throws -> any AnyResource {
        guard let kind = document["kind"]?.string.flatMap({ toys[$0] }) else { throw CaseProblem("no kind: \(document.text)") }
        var document = document
        document["apiVersion"] = .string(plasmaAPIVersion)
        if document["spec"] == nil { document["spec"] = .object([:]) }
        let birth = sceneNow.addingTimeInterval(-Double(document["age"]?.integer ?? 300))
        document["metadata"]?["creationTimestamp"] = .string(timestamp(birth))
        if let state = document["state"]?.string { document["status"] = try status(state, document) }
        for shorthand in ["state", "age", "since", "observed", "next"] { document[shorthand] = nil }
        return try kind.decode(document.encoded(), 7)
    }

    private static func status(_ state: String, _ document: JSON) throws -> JSON {
        let generation = document["observed"]?.integer ?? document.at("metadata.generation")?.integer ?? 1
        let since = sceneNow.addingTimeInterval(-Double(document["since"]?.integer ?? 60))
        let condition = condition(state)
        var status = document["status"] ?? .object([:])
        status["observedGeneration"] = .integer(generation)
        let records = condition.records(generation: generation, now: since, previous: [])
        status["conditions"] = try JSON(parsing: try Wire.encode(records))
        status["phase"] = .string(condition.reason)
        if case .failing(_, let attempt) = condition { status["attempt"] = .integer(Int64(attempt)) }
        if let next = document["next"]?.integer {
            status["nextAttempt"] = .string(timestamp(sceneNow.addingTimeInterval(Double(next))))
        }
        return status
    }

    static func condition(_ state: String) -> Condition {
        let parts = state.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        let why = parts.count > 1 ? parts[1] : ""
        let words = parts[0].split(separator: " ").map(String.init)
        switch words[0] {
        case "ready": return .ready
        case "stalled": return .stalled(why)
        case "failing": return .failing(why, attempt: words.count > 1 ? Int(words[1]) ?? 1 : 1)
        case "waiting" where words.count == 3:
            let reference = words[2].split(separator: "/").map(String.init)
            return .waiting(on: Reference(kind: reference[0], name: reference[1]), why)
        default: return .converging(state)
        }
    }

    static func world(_ objects: [any AnyResource]) -> [Reference: any AnyResource] {
        Dictionary(uniqueKeysWithValues: objects.map { ($0.reference, $0) })
    }

    /// The first line of a case, and the rest.
    static func split(_ input: String) -> (command: [String], rest: String) {
        let lines = input.components(separatedBy: "\n")
        return (lines[0].split(separator: " ").map(String.init), lines.dropFirst().joined(separator: "\n"))
    }
}

/// Foundation has one too.
typealias Progress = Commands.Progress
