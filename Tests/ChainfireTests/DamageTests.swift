import Foundation
import Store
import Testing
@testable import Chainfire

@Suite(.timeLimit(.minutes(2))) struct DamageTests {
    private static let marker = [UInt8]("a value to be found again".utf8)

    /// Writes ten values; tells where the log keeps the one that was written as `number`.
    private func write(_ directory: String, find number: Int) async throws -> (file: String, offset: Int) {
        try await withChainfire(in: directory) { store in
            for number in 0..<10 { try await store.put(Key("k\(number)"), Self.marker + [UInt8(number)]) }
        }
        let needle = Data(Self.marker + [UInt8(number)])
        for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/log").sorted() {
            let file = directory + "/log/" + name
            if let range = try Data(contentsOf: URL(filePath: file)).range(of: needle) { return (file, range.lowerBound) }
        }
        throw CocoaError(.fileNoSuchFile)
    }

    private func change(_ file: String, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(filePath: file))
        body(&data)
        try data.write(to: URL(filePath: file))
    }

    @Test func `a flipped bit in the log is refused with file and offset`() async throws {
        let directory = try TemporaryDirectory()
        let place = try await write(directory.path, find: 4)
        try change(place.file) { $0[place.offset + 3] ^= 4 }
        let text = try refusal(directory.path)
        #expect(text.contains(place.file), "\(text)")
        let offset = text.split(separator: " ").compactMap { Int($0.filter(\.isNumber)) }
            .first { abs($0 - place.offset) < 100 }
        #expect(offset != nil, "\(text): no offset near \(place.offset)")
    }

    @Test func `a torn tail is cut when nothing was applied of it`() async throws {
        let directory = try TemporaryDirectory()
        let place = try await write(directory.path, find: 9)
        try change(place.file) { $0.replaceSubrange((place.offset + 5)..., with: Data(count: $0.count - place.offset - 5)) }
        try FileManager.default.removeItem(atPath: directory.path + "/state.db")
        try await withChainfire(in: directory.path) { store in
            try await #expect(store.range(RangeRequest(.all)).entries.map(\.key) == (0..<9).map { Key("k\($0)") })
            try await #expect(store.put("k9", []) == 11)
        }
    }

    @Test func `a log that ends before what was applied is refused with both numbers`() async throws {
        let directory = try TemporaryDirectory()
        let place = try await write(directory.path, find: 9)
        let applied = try Storage.look(directory.path + "/state.db").mark.appliedIndex
        try change(place.file) { $0.replaceSubrange((place.offset + 5)..., with: Data(count: $0.count - place.offset - 5)) }
        let text = try refusal(directory.path)
        #expect(text.contains("\(applied)") && text.contains(directory.path), "\(text)")
    }

    @Test func `a log that is lost is refused`() async throws {
        let directory = try TemporaryDirectory()
        _ = try await write(directory.path, find: 0)
        try FileManager.default.removeItem(atPath: directory.path + "/log")
        let text = try refusal(directory.path)
        #expect(text.contains("state.db") && text.contains("do not belong together"), "\(text)")
    }

    @Test func `a flipped bit in a row of the state is refused with file and row`() async throws {
        let directory = try TemporaryDirectory()
        _ = try await write(directory.path, find: 0)
        let file = directory.path + "/state.db"
        try change(file) { data in
            if let range = data.range(of: Data(Self.marker + [7])) { data[range.lowerBound + 3] ^= 4 }
        }
        let text = try refusal(directory.path)
        #expect(text.contains(file) && text.contains("row \(ChangeID(9, 0).number)") && text.contains("revision 9"), "\(text)")
    }

    @Test func `a state that is no database is refused by name`() async throws {
        let directory = try TemporaryDirectory()
        _ = try await write(directory.path, find: 0)
        try change(directory.path + "/state.db") { $0.replaceSubrange(0..<16, with: Data("garbage, garbage".utf8)) }
        let text = try refusal(directory.path)
        #expect(text.contains(directory.path + "/state.db"), "\(text)")
    }

    private func refusal(_ directory: String) throws -> String {
        do {
            _ = try open(directory)
        } catch {
            return "\(error)"
        }
        Issue.record("it was opened")
        return ""
    }
}
