import API
import ArgumentParser
import Foundation
import Host
import Resource

struct EditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit",
        abstract: "Opens an object in an editor and applies what was changed.",
        discussion: """
            The editor is $VISUAL, $EDITOR or vi. Leaving the text unchanged, or empty, changes nothing. When the text \
            is invalid, it is kept in a file whose name is told.

            EXAMPLES
              plasma edit node/node01
              EDITOR=nano plasma edit disk/data

            EXIT CODES
              0  applied, or unchanged
              1  invalid, refused, or not there
            """)

    @Argument(help: ArgumentHelp("KIND/NAME or KIND NAME.", valueName: "object")) var objects: [String] = []
    @Flag(name: .customLong("force-conflicts"), help: "Take over an object of another field manager.") var forceConflicts = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let named = try Selection.parseNamed(objects, kinds: kinds)
        guard let (kind, name) = named.first, named.count == 1 else { throw Failure("edit takes one object: KIND/NAME") }
        let client = try Client(try connection.connection().endpoint())
        do {
            try await edit(kind, name, client)
            await client.close()
        } catch {
            await client.close()
            throw error
        }
    }

    private func edit(_ kind: AnyKind, _ name: String, _ client: Client) async throws {
        let reference = Reference(kind: kind.name, name: name)
        guard let object = try await client.get(kind, name) else { throw Failure("\(reference) is not there") }
        let before = ObjectPrinter.terminated(try canonical(object).yaml())
        let file = NSTemporaryDirectory() + "plasma-\(kind.name.lowercased())-\(UUID().uuidString).yaml"
        guard FileManager.default.createFile(atPath: file, contents: Data(before.utf8), attributes: [.posixPermissions: 0o600])
        else {
            throw Failure("\(file) cannot be written")
        }
        try open(file)
        guard let data = FileManager.default.contents(atPath: file) else { throw Failure("\(file) is gone: nothing was changed") }
        if data.isEmpty || data == Data(before.utf8) {
            try FileManager.default.removeItem(atPath: file)
            return Output.write("\(slug(reference)) unchanged\n")
        }
        do {
            let manifest = [(file: file, bytes: Array(data))]
            let reading = kinds.read(manifest)
            guard reading.problems.isEmpty else { throw InvalidManifest(problems: reading.problems) }
            guard reading.drafts.map(\.resource.reference) == [reference] else {
                throw Failure("the text must hold \(reference) and nothing else: kind and name cannot be edited. Make another object with apply")
            }
            // Somebody else's change is not undone unseen, nor what was deleted brought back.
            guard let now = try await client.get(kind, name), now.metadata.uid == object.metadata.uid else {
                throw Failure("\(reference) was deleted meanwhile: nothing was applied")
            }
            guard ObjectPrinter.terminated(try canonical(now).yaml()) == before else {
                throw Failure("\(reference) was changed by somebody else meanwhile: nothing was applied. Edit it again, from what it is now")
            }
            let manager = object.metadata.annotations[Annotation.fieldManager] ?? "plasma"
            let result = try await client.apply(manifest, options: ApplyOptions(fieldManager: manager, force: forceConflicts))
            Output.write(ApplyText.render(result))
            try FileManager.default.removeItem(atPath: file)
        } catch {
            Output.complain("your text is kept in \(file)")
            throw error
        }
    }

    private func open(_ file: String) throws {
        let environment = ProcessInfo.processInfo.environment
        let editor = [environment["VISUAL"], environment["EDITOR"]].compactMap { $0 }.first { !$0.isEmpty } ?? "vi"
        let end = try SystemProcesses().runAtTerminal(Program("/bin/sh", ["-c", "exec \(editor) \"$1\"", "sh", file]))
        guard end == .exited(0) else {
            let how = switch end {
            case .exited(let status): "with status \(status)"
            case .signaled(let number): "by signal \(number)"
            }
            throw Failure("the editor \"\(editor)\" ended \(how): nothing was changed; your text is in \(file)")
        }
    }
}
