import ArgumentParser
import Foundation
import Kinds
import NixOS
import Resource

/// The options of `plasma render -o DIRECTORY`, and its work.
struct RenderOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Write certificates, keys and the join token, too.") var secrets = true
    @Option(
        help: ArgumentHelp("Where the authority is kept that issues the certificates. Default: .authority in the directory.", valueName: "directory"),
        completion: .directory)
    var authority: String?
    @Flag(help: "Overwrite files that plasma did not write, or that were changed since.") var force = false
    @Option(
        name: .customLong("ssh-key"),
        help: ArgumentHelp(
            "A public key that may log in as root: a file, or the key itself. May be repeated. Default: that of this machine's plasma server.",
            valueName: "key"))
    var sshKeys: [String] = []
    @Option(
        help: ArgumentHelp("The program for the nodes' package; copied to nix/bin/plasma.", valueName: "file"), completion: .file())
    var binary: String?
    @Option(help: ArgumentHelp("The flake of nixpkgs.", valueName: "URL")) var nixpkgs = ClusterDescription.Inputs.usual.nixpkgs
    @Option(help: ArgumentHelp("The flake of disko.", valueName: "URL")) var disko = ClusterDescription.Inputs.usual.disko

    func write(_ drafts: [Draft], to directory: String) throws {
        let root = directory.hasPrefix("/") ? directory : FileManager.default.currentDirectoryPath + "/" + directory
        let lookup = DraftLookup(drafts)
        let clusters = lookup.list(Cluster.self)
        let strays = Kinds.Rendering.strays(lookup)
        guard strays.isEmpty else { throw Failure(strays.map(\.description).joined(separator: "\n")) }
        guard !clusters.isEmpty else { throw Failure("there is no Cluster in these manifests, and only clusters are written to a directory") }
        let keys = try authorizedKeys()
        var renderings: [(cluster: Resource<Cluster>, description: ClusterDescription)] = []
        for cluster in clusters {
            var description: ClusterDescription
            do { description = try Kinds.Rendering.description(of: cluster, lookup: lookup) } catch { throw Failure(error.description) }
            description.authorizedKeys = keys.keys
            description.inputs = ClusterDescription.Inputs(nixpkgs: nixpkgs, disko: disko)
            renderings.append((cluster, description))
        }
        let programs = try binary.map { [try program($0)] } ?? []
        var directories = renderings.map { cluster, description in
            let place = clusters.count == 1 ? root : root + "/" + cluster.name
            return (output: RenderedDirectory(path: (place as NSString).standardizingPath), files: ClusterRendering(description: description).files() + programs)
        }
        // Before anything is made, of any cluster: what may not be written is told first.
        for (output, files) in directories { try output.check(files, force: force) }
        if secrets {
            for (index, (cluster, description)) in renderings.enumerated() {
                let output = directories[index].output
                let kept = LocalAuthority(directory: authority.map(absolute) ?? output.path + "/.authority", now: Date())
                directories[index].files += try kept.secrets(of: cluster, description, lookup)
            }
            for (output, files) in directories { try output.check(files, force: force) }
        }
        for (rendering, (output, files)) in zip(renderings, directories) {
            let summary = try output.write(files, force: force)
            Output.write("\(rendering.cluster.reference) → \(output.path): \(summary)\n")
        }
        for note in keys.notes { Output.complain("note: " + note) }
        if secrets {
            Output.complain("note: the secrets in it are for the nodes alone; use the directory as a git repository, whose .gitignore leaves them out")
        }
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path }

    private func program(_ path: String) throws -> RenderedFile {
        if let problem = NodeProgram.problem(ofFile: path) { throw Failure("--binary \(path): \(problem)") }
        guard let bytes = FileManager.default.contents(atPath: path) else { throw Failure("--binary \(path): cannot be read") }
        return RenderedFile(path: "nix/bin/plasma", contents: Array(bytes), mode: 0o755)
    }

    private func authorizedKeys() throws -> (keys: [String], notes: [String]) {
        if sshKeys.isEmpty {
            if let directory = try? DataDirectory.current(option: nil), let text = try? String(contentsOfFile: directory.path + "/ssh/id_ed25519.pub", encoding: .utf8) {
                return (keys(in: text), [])
            }
            return ([], ["no SSH key may log in on the nodes: give --ssh-key FILE, such as ~/.ssh/id_ed25519.pub"])
        }
        var found: [String] = []
        for given in sshKeys {
            if RenderOptions.isKey(given) {
                found.append(given.trimmingCharacters(in: .whitespacesAndNewlines))
                continue
            }
            guard let text = try? String(contentsOfFile: given, encoding: .utf8) else { throw Failure("--ssh-key \(given): is no public key, and no such file can be read") }
            let here = keys(in: text)
            if here.isEmpty { throw Failure("--ssh-key \(given): holds no public key, such as \"ssh-ed25519 AAAA…\"") }
            found += here
        }
        return (found, [])
    }

    private func keys(in text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter(RenderOptions.isKey)
    }

    /// As authorized_keys has it, without options (sshd(8)).
    static func isKey(_ line: String) -> Bool {
        let words = line.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count >= 2, !line.contains(where: \.isNewline) else { return false }
        return ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].contains { words[0].hasPrefix($0) } && words[1].hasPrefix("AAAA")
    }
}
