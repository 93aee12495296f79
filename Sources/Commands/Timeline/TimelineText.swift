import Foundation
import Manifest
import Resource

/// How `plasma timeline` prints what it found.
struct TimelineText {
    /// A cluster, and when it was first Ready since its nodes were installed.
    struct Formed: Hashable, Sendable {
        var cluster: String
        var ready: Moment
    }

    var runs: [RunTimeline]
    var formed: [Formed] = []

    /// One line for each stretch that any of the nodes has, in the order in which they come; seconds to a hundredth.
    func table(isColored: Bool) -> [String] {
        var table = Table(header: ["SECONDS", "WHOSE"] + runs.map(\.node))
        for (name, owner) in rows {
            let cells = runs.map { run in run.stretches.first { $0.name == name }.map { Self.text($0.seconds) } ?? "-" }
            table.add([Table.Cell(name), Table.Cell(owner.rawValue, owner == .ours ? .bold : .plain)] + cells.map { Table.Cell($0) })
        }
        for owner in [RunTimeline.Owner.ours, .guest] {
            table.add([Table.Cell("in all"), Table.Cell(owner.rawValue, owner == .ours ? .bold : .plain)] + runs.map { Table.Cell(Self.text($0.seconds(owner))) })
        }
        table.add([Table.Cell("in all"), ""] + runs.map { Table.Cell(Self.text($0.seconds) + ($0.isComplete ? "" : " so far")) })
        var lines = table.take(isColored: isColored)
        for cluster in formed {
            guard let began else { continue }
            lines.append("Cluster/\(cluster.cluster) was Ready \(Int(cluster.ready.seconds(since: began))) s after the manifest was taken.")
        }
        return lines
    }

    var json: JSON {
        .object([
            "kind": .string("Timeline"),
            "nodes": .array(runs.map { run in
                .object([
                    "node": .string(run.node), "began": run.began.map { .string($0.description) } ?? .null, "ended": run.ended.map { .string($0.description) } ?? .null,
                    "isComplete": .bool(run.isComplete), "seconds": .number(rounded(run.seconds)), "oursSeconds": .number(rounded(run.seconds(.ours))),
                    "guestSeconds": .number(rounded(run.seconds(.guest))),
                    "stretches": .array(run.stretches.map { stretch in
                        .object(["name": .string(stretch.name), "whose": .string(stretch.owner.rawValue), "seconds": .number(rounded(stretch.seconds))])
                    }),
                ])
            }),
            "clusters": .array(formed.map { .object(["cluster": .string($0.cluster), "ready": .string($0.ready.description)]) }),
        ])
    }

    private var began: Moment? { runs.compactMap(\.began).min() }

    /// Merged so that each node's order is kept.
    private var rows: [(name: String, owner: RunTimeline.Owner)] {
        var rows: [(name: String, owner: RunTimeline.Owner)] = []
        for run in runs {
            var place = 0
            for stretch in run.stretches {
                if let index = rows.firstIndex(where: { $0.name == stretch.name }) {
                    place = index + 1
                } else {
                    rows.insert((stretch.name, stretch.owner), at: place)
                    place += 1
                }
            }
        }
        return rows
    }

    private func rounded(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }
    private static func text(_ seconds: Double) -> String { String(format: "%.2f", seconds) }
}
