import Foundation

/// The program that a node's package is made of (`nix/package.nix`): it must run where Swift is not installed.
package enum NodeProgram {
    package static let buildCommand = "hack/release"

    /// Why the file cannot serve, in words that go on from its name; nil: it can.
    package static func problem(ofFile path: String) -> String? {
        guard let file = try? Data(contentsOf: URL(filePath: path), options: .alwaysMapped) else { return "cannot be read" }
        guard let needed = libraries(neededBy: file) else { return "is no 64-bit program for Linux (ELF)" }
        // Swift's own, and those that its Foundation and its concurrency bring.
        let missing = needed.filter { name in
            ["libswift", "libFoundation", "lib_Foundation", "libdispatch", "libBlocksRuntime"].contains { name.hasPrefix($0) }
        }
        guard let first = missing.first else { return nil }
        let others = missing.count == 1 ? "" : " and \(missing.count - 1) more libraries of Swift"
        return "is linked with \(first)\(others), which nodes do not have; build it with `\(buildCommand)`"
    }

    /// Names of the shared libraries that a program asks for, in its order (System V gABI, "Dynamic Section": DT_NEEDED).
    /// - Returns: nil for what is no little-endian ELF file of 64 bits, or is damaged.
    static func libraries(neededBy file: Data) -> [String]? {
        let image = ELFImage(file)
        guard file.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]), let table = image.number(32, 8), let size = image.number(54, 2),
            let count = image.number(56, 2), size >= 56
        else { return nil }
        var loads: [(offset: Int, address: Int, bytes: Int)] = []
        var dynamic: (offset: Int, bytes: Int)?
        for index in 0..<count {
            let at = table + index * size
            guard let type = image.number(at, 4), let offset = image.number(at + 8, 8), let address = image.number(at + 16, 8),
                let bytes = image.number(at + 32, 8)
            else { return nil }
            if type == 1 { loads.append((offset, address, bytes)) }
            if type == 2 { dynamic = (offset, bytes) }
        }
        // One that is linked with everything asks for nothing.
        guard let dynamic else { return [] }
        var names: [Int] = []
        var strings: Int?
        for at in stride(from: dynamic.offset, to: dynamic.offset &+ dynamic.bytes, by: 16) {
            guard let tag = image.number(at, 8), let value = image.number(at + 8, 8) else { return nil }
            if tag == 0 { break }
            if tag == 1 { names.append(value) }
            if tag == 5 { strings = value }
        }
        guard !names.isEmpty else { return [] }
        guard let strings, let load = loads.first(where: { $0.address <= strings && strings - $0.address < $0.bytes }) else { return nil }
        let start = strings - load.address + load.offset
        return names.compactMap { image.text(start &+ $0) }
    }
}

/// Numbers and texts at places that the file itself names, and may name wrongly.
private struct ELFImage {
    private let file: Data

    init(_ file: Data) { self.file = file }

    /// nil beyond the end, and for what no file can have.
    func number(_ offset: Int, _ bytes: Int) -> Int? {
        guard offset >= 0, offset <= file.count - bytes else { return nil }
        var value: UInt64 = 0
        for index in (0..<bytes).reversed() { value = value << 8 | UInt64(file[file.startIndex + offset + index]) }
        return value < 1 << 48 ? Int(value) : nil
    }

    func text(_ offset: Int) -> String? {
        guard offset >= 0, offset < file.count else { return nil }
        let rest = file[(file.startIndex + offset)...].prefix(256)
        return String(decoding: rest.prefix { $0 != 0 }, as: UTF8.self)
    }
}
