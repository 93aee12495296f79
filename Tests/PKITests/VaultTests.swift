import Foundation
import Simulation
import Store
import Testing

@testable import PKI

struct VaultTests {
    @Test func `what is sealed is found again, under its name only, and nowhere readable`() async throws {
        try await inDirectory { path in
            let store = MemoryStore()
            let vault = Vault(store: store, sealingKeyFile: path + "/vault.key")
            #expect(try await vault.get("a") == nil)
            #expect(!FileManager.default.fileExists(atPath: path + "/vault.key"), "looking makes nothing")
            try await vault.put("a", Array("a secret".utf8))
            try await vault.put("b/c", [])
            #expect(try await vault.get("a") == Array("a secret".utf8))
            #expect(try await vault.get("b/c") == [])
            #expect(try await vault.names(below: "b/") == ["b/c"])
            let entries = try await store.range(RangeRequest(.all)).entries
            #expect(entries.allSatisfy { String(decoding: $0.key.bytes, as: UTF8.self).hasPrefix("/vault/") })
            #expect(!entries.contains { String(decoding: $0.value, as: UTF8.self).contains("secret") })
            let moved = try #require(entries.first { $0.key == Key("/vault/sealed/a") })
            try await store.put(Key("/vault/sealed/d"), moved.value)
            await #expect(throws: PKIError.damaged("d")) { try await vault.get("d") }
            let again = Vault(store: store, sealingKeyFile: path + "/vault.key")
            #expect(try await again.get("a") == Array("a secret".utf8))
            try await again.delete("a")
            #expect(try await vault.get("a") == nil)
        }
    }

    @Test func `the sealing key is its owner's alone`() async throws {
        try await inDirectory { path in
            let file = path + "/vault.key"
            let vault = Vault(store: MemoryStore(), sealingKeyFile: file)
            try await vault.put("a", [1])
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["vault.key"])
            for wide in [0o640, 0o604, 0o666] {
                try FileManager.default.setAttributes([.posixPermissions: wide], ofItemAtPath: file)
                let why = "the sealing key can be read by others (mode 0\(String(wide, radix: 8))); make it private: chmod 600 \(file)"
                await #expect(throws: PKIError.file(file, why)) { try await Vault(store: MemoryStore(), sealingKeyFile: file).put("a", [1]) }
            }
        }
    }

    @Test(arguments: ["lost", "another", "nonsense"]) func `a sealing key that is gone or wrong is said by name, and never made anew`(_ what: String) async throws {
        try await inDirectory { path in
            let file = path + "/vault.key"
            let store = MemoryStore()
            try await Vault(store: store, sealingKeyFile: file).put("a", [1])
            let before = try await store.range(RangeRequest(.all)).entries
            try FileManager.default.removeItem(atPath: file)
            var expected = PKIError.keyMissing(file: file)
            if what == "another" {
                try await Vault(store: MemoryStore(), sealingKeyFile: file).put("a", [1])
                expected = .keyWrong(file: file)
            }
            if what == "nonsense" {
                _ = FileManager.default.createFile(atPath: file, contents: Data("00".utf8), attributes: [.posixPermissions: 0o600])
                expected = .file(file, "does not hold a sealing key (64 hexadecimal digits); restore it from your backup")
            }
            for withCheck in [true, false] {
                if !withCheck { _ = try await store.commit(Transaction(then: [.delete(Key("/vault/check"))])) }
                let vault = Vault(store: store, sealingKeyFile: file)
                // Nor does a name that was never sealed look as if nothing were wrong.
                await #expect(throws: expected) { try await vault.get("b") }
                await #expect(throws: expected) { try await vault.put("b", [2]) }
                await #expect(throws: expected) { try await vault.token("t") }
            }
            #expect(FileManager.default.fileExists(atPath: file) == (what != "lost"))
            #expect(try await store.range(RangeRequest(.all)).entries == before.filter { $0.key != Key("/vault/check") })
            #expect("\(expected)".contains(file) && "\(expected)".contains("backup"))
        }
    }

    @Test func `many that begin at once share one key and one token`() async throws {
        try await inDirectory { path in
            let store = MemoryStore()
            let tokens = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<16 { group.addTask { try await Vault(store: store, sealingKeyFile: path + "/vault.key").token("join") } }
                var tokens: Set<String> = []
                for try await token in group { tokens.insert(token) }
                return tokens
            }
            #expect(tokens.count == 1 && tokens.first?.count == 64)
        }
    }
}

/// Runs with a directory of its own, which is gone afterwards.
func inDirectory<T>(_ body: (String) async throws -> T) async throws -> T {
    var template = Array((FileManager.default.temporaryDirectory.path + "/plasma-pki.XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}
