/// The known word a person most likely meant: at most 2 edits away (a swap of neighbours is one) and at
/// most a third of the word, case aside. nil when none is near; the first of equals wins.
package func nearest(to word: String, among known: [String]) -> String? {
    let letters = Array(word.lowercased().unicodeScalars)
    guard letters.count <= 64 else { return nil }
    let distanceMax = min(2, letters.count / 3)
    var best: (word: String, distance: Int)?
    for candidate in known where candidate != word {
        let other = Array(candidate.lowercased().unicodeScalars)
        guard abs(other.count - letters.count) <= distanceMax else { continue }
        let distance = edits(letters, other)
        if distance <= distanceMax, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.word
}

/// Damerau-Levenshtein distance (optimal string alignment).
private func edits(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
            row.append(cost)
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}

/// What was written, in quotes, on one line and not longer than a person wants to read.
func quoted(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(80) {
        if scalar.properties.generalCategory == .control {
            shown += scalar == "\n" ? "\\n" : scalar == "\t" ? "\\t" : "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return "\"\(shown)\(text.unicodeScalars.count > 80 ? "…" : "")\""
}

/// `"a", "b", "c"`
func listed(_ words: [String]) -> String { words.map { "\"\($0)\"" }.joined(separator: ", ") }
