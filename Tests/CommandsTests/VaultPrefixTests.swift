import Foundation
import PKI
import Simulation
import Store
import Testing

@testable import Commands

struct VaultPrefixTests {
    @Test func `in a store that others use too, secrets stay below the prefix as records do`() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/plasma-vault.\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let shared = MemoryStore()
        try await shared.put(Key("/vault/sealed/a"), Array("somebody else's".utf8))
        let vault = Vault(store: PrefixStore(shared, prefix: Key("/ours")), sealingKeyFile: path + "/vault.key")
        #expect(try await vault.get("a") == nil)
        try await vault.put("a", [1, 2, 3])
        #expect(try await vault.get("a") == [1, 2, 3])
        #expect(try await vault.names(below: "") == ["a"])
        let keys = try await shared.range(RangeRequest(.all)).entries.map { String(decoding: $0.key.bytes, as: UTF8.self) }
        #expect(keys == ["/ours/vault/check", "/ours/vault/sealed/a", "/vault/sealed/a"])
    }
}
