/// A number of bytes: "100GB" (decimal), "80Gi" or "80GiB" (binary), "512" (bytes).
package struct ByteCount: TextScalar, Comparable {
    package var bytes: UInt64

    package init(_ bytes: UInt64) { self.bytes = bytes }

    package static func kibibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 10) }
    package static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 20) }
    package static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 30) }
    package static func tebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 40) }

    package static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

    /// From the largest to the smallest of each family.
    private static let units: [(name: String, bytes: UInt64)] = [
        ("EiB", 1 << 60), ("EB", 1_000_000_000_000_000_000), ("PiB", 1 << 50), ("PB", 1_000_000_000_000_000),
        ("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000),
        ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1000),
    ]

    private static func bytes(inUnit unit: String) -> UInt64? {
        switch unit {
        case "", "B": 1
        case "KB": 1000
        default: units.first { $0.name == unit || ($0.name.hasSuffix("iB") && $0.name.dropLast() == unit) }?.bytes
        }
    }

    package init(scalar text: String) throws(ScalarProblem) {
        let number = text.prefix { ("0"..."9").contains($0) || $0 == "." || $0 == "-" || $0 == "+" || $0 == "_" || $0 == "," }
        let rest = text.dropFirst(number.count)
        let unit = String(rest.first == " " ? rest.dropFirst() : rest)
        guard let first = number.first else { throw ScalarProblem("is not a size; write one such as 512MiB or 100GB") }
        if first == "-" { throw ScalarProblem("is negative; a size is 0 or more") }
        guard let scale = ByteCount.bytes(inUnit: unit) else { throw ByteCount.unknown(unit, after: number) }
        if number.contains(".") { throw ByteCount.fraction(number, scale) }
        guard number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw ScalarProblem("is not a size; write digits and a unit, such as 100GB")
        }
        guard let count = UInt64(number), case let (bytes, overflow) = count.multipliedReportingOverflow(by: scale), !overflow else {
            throw ScalarProblem("is too large; sizes end at 16 EiB")
        }
        self.bytes = bytes
    }

    /// "100G" is decimal to Kubernetes and binary to QEMU and LVM, so it is asked back.
    private static func unknown(_ unit: String, after number: Substring) -> ScalarProblem {
        if unit.count == 1, let letter = unit.uppercased().first, "KMGTPE".contains(letter) {
            let decimal = letter == "K" ? "k" : String(letter)
            return ScalarProblem("is ambiguous; write \(number)\(decimal)B (decimal) or \(number)\(letter)iB (binary)")
        }
        let known = units.map(\.name)
        if let near = known.first(where: { $0.lowercased() == unit.lowercased() || $0.dropLast().lowercased() == unit.lowercased() }) {
            return ScalarProblem("has an unknown unit; write \(number)\(near)")
        }
        return ScalarProblem("has an unknown unit \(quoted(unit)); known are B, kB, MB, GB, TB, PB, EB, KiB, MiB, GiB, TiB, PiB, EiB")
    }

    private static func fraction(_ number: Substring, _ scale: UInt64) -> ScalarProblem {
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let whole: UInt64 = decimal(parts[0]), let tail: UInt64 = decimal(parts[1]), parts[1].count <= 6 else {
            return ScalarProblem("is not a size; write a whole number and a unit, such as 1536MiB")
        }
        let denominator = repeatElement(UInt64(10), count: parts[1].count).reduce(1, *)
        let high = whole.multipliedReportingOverflow(by: scale)
        let low = tail.multipliedReportingOverflow(by: scale)
        guard !high.overflow, !low.overflow, low.partialValue % denominator == 0 else {
            return ScalarProblem("has a fraction; write a whole number of a smaller unit")
        }
        let sum = high.partialValue.addingReportingOverflow(low.partialValue / denominator)
        guard !sum.overflow else { return ScalarProblem("is too large; sizes end at 16 EiB") }
        return ScalarProblem("has a fraction; write \(ByteCount(sum.partialValue).scalarText)")
    }

    /// The unit that gives the smallest whole number; binary wins a tie.
    private var best: (count: UInt64, unit: String)? {
        guard bytes > 0 else { return nil }
        return ByteCount.units.filter { bytes % $0.bytes == 0 }.map { (bytes / $0.bytes, $0.name) }.min { $0.0 < $1.0 }
    }

    package var scalarText: String { best.map { "\($0.count)\($0.unit)" } ?? String(bytes) }

    /// "100 GB", "512 MiB", "1500001 bytes"
    package var description: String { best.map { "\($0.count) \($0.unit)" } ?? (bytes == 1 ? "1 byte" : "\(bytes) bytes") }

    package static var schema: JSON {
        [
            "type": ["string", "integer"], "minimum": 0,
            "pattern": "^[0-9]+ ?(B|[kK]B|[MGTPE]B|[KMGTPE]iB?)?$",
        ]
    }
    package static var example: ByteCount { .gibibytes(1) }
}
