import Foundation
import Testing

@testable import NixOS

@Test func `the program carries nix as it stands in the source`() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "nix")
    let modules = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "modules").path()).filter { $0.hasSuffix(".nix") }
    let paths = (modules.map { "modules/" + $0 } + ["installer.nix", "package.nix"]).sorted()
    #expect(ModuleFiles.all.map(\.path) == paths, "run hack/nix-modules")
    for file in ModuleFiles.all {
        let text = try String(contentsOf: root.appending(path: file.path), encoding: .utf8)
        #expect(file.text == text, "nix/\(file.path) differs: run hack/nix-modules")
    }
}
