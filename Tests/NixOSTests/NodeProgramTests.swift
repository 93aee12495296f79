import Foundation
import Testing

@testable import NixOS

/// Programs of this machine, and files that only look like one.
@Suite struct NodeProgramTests {
    /// A program of two segments: all of it, and its dynamic section.
    private func program(_ names: [String], damage: (inout [UInt8]) -> Void = { _ in }) -> Data {
        func bytes(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        func header(_ type: Int, _ offset: Int, _ address: Int, _ size: Int) -> [UInt8] {
            bytes(type, 4) + bytes(4, 4) + [offset, address, address, size, size, 8].flatMap { bytes($0, 8) }
        }
        var strings: [UInt8] = [0]
        var dynamic: [UInt8] = []
        for name in names {
            dynamic += bytes(1, 8) + bytes(strings.count, 8)
            strings += Array(name.utf8) + [0]
        }
        let dynamicAt = 64 + 2 * 56, stringsAt = dynamicAt + dynamic.count + 32
        dynamic += bytes(5, 8) + bytes(0x40_0000 + stringsAt, 8) + bytes(0, 16)
        let total = stringsAt + strings.count
        var file: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0] + bytes(0, 8) + bytes(3, 2) + bytes(62, 2) + bytes(1, 4)
        file += bytes(0, 8) + bytes(64, 8) + bytes(0, 8) + bytes(0, 4) + bytes(64, 2) + bytes(56, 2) + bytes(2, 2) + bytes(0, 6)
        file += header(1, 0, 0x40_0000, total) + header(2, dynamicAt, 0x40_0000 + dynamicAt, dynamic.count) + dynamic + strings
        damage(&file)
        return Data(file)
    }

    @Test func `libraries are those of the dynamic section, in its order`() {
        #expect(NodeProgram.libraries(neededBy: program(["libc.so.6", "libswiftCore.so"])) == ["libc.so.6", "libswiftCore.so"])
        #expect(NodeProgram.libraries(neededBy: program([])) == [])
        #expect(NodeProgram.libraries(neededBy: Data("#!/bin/sh\n".utf8)) == nil)
        #expect(NodeProgram.libraries(neededBy: Data()) == nil)
    }

    @Test func `a damaged file is none, and harms nobody`() {
        let whole = program(["libc.so.6", "libswiftCore.so"])
        for count in 0..<whole.count { _ = NodeProgram.libraries(neededBy: whole.prefix(count)) }
        var dice = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let damaged = program(["libc.so.6", "libswiftCore.so"]) { file in
                for _ in 0..<4 { file[Int.random(in: 6..<file.count, using: &dice)] = .random(in: 0 ... .max, using: &dice) }
            }
            _ = NodeProgram.libraries(neededBy: damaged)
        }
    }

    @Test func `this test's own program is linked with Swift, and a shell is not`() throws {
        // Whoever builds tests with a static Swift has nothing to see here.
        let own = try #require(NodeProgram.problem(ofFile: "/proc/self/exe"))
        #expect(own.contains("libswift") && own.contains("hack/release"), "\(own)")
        #expect(NodeProgram.problem(ofFile: "/bin/sh") == nil)
        #expect(NodeProgram.problem(ofFile: "/etc/passwd") == "is no 64-bit program for Linux (ELF)")
        #expect(NodeProgram.problem(ofFile: "/no/such") == "cannot be read")
    }
}
