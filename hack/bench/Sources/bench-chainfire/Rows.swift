import Foundation

/// One measured thing of both products: figures of every round, and their medians' ratio.
struct Row: Codable {
    var row: String
    var nodes: Int
    var unit: String
    /// Whether more is better: then the ratio is Chainfire's over etcd's, else the other way round. Above 1, Chainfire wins.
    var isMoreBetter: Bool
    var etcd: [Double] = []
    var chainfire: [Double] = []
    var aim: Double?

    init(_ row: String, nodes: Int, _ unit: String, isMoreBetter: Bool, aim: Double? = nil) {
        self.row = row
        self.nodes = nodes
        self.unit = unit
        self.isMoreBetter = isMoreBetter
        self.aim = aim
    }

    mutating func add(_ product: Product, _ value: Double) {
        switch product {
        case .etcd: etcd.append(value)
        case .chainfire: chainfire.append(value)
        }
    }

    var ratio: Double {
        let (theirs, ours) = (median(etcd), median(chainfire))
        guard theirs > 0, ours > 0 else { return .nan }
        return isMoreBetter ? ours / theirs : theirs / ours
    }

    static let header = """
        | row | nodes | unit | etcd | Chainfire | ratio | aim |
        |---|--:|---|--:|--:|--:|---|
        """

    var markdown: String {
        let verdict = aim.map { "\(figure($0)): \(ratio >= $0 ? "met" : "MISSED")" } ?? ""
        return "| \(row) | \(nodes) | \(unit) | \(told(etcd)) | \(told(chainfire)) | \(figure(ratio)) | \(verdict) |"
    }

    /// The median, and behind it least and most where there are several.
    private func told(_ values: [Double]) -> String {
        guard let least = values.min(), let most = values.max() else { return "none" }
        return values.count == 1 ? figure(least) : "\(figure(median(values))) (\(figure(least))–\(figure(most)))"
    }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return sorted.count % 2 == 1 ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

/// Three significant digits, or all before the point.
func figure(_ value: Double) -> String {
    String(format: abs(value) >= 100 ? "%.0f" : abs(value) >= 10 ? "%.1f" : "%.2f", value)
}

/// To a person who waits.
func say(_ text: String) { FileHandle.standardError.write(Data("bench chainfire: \(text)\n".utf8)) }
