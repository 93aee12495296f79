import ArgumentParser

struct CompletionCommand: AsyncParsableCommand {
    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Prints a script that lets a shell complete plasma's verbs and options.",
        discussion: """
            EXAMPLES
              bash   source <(plasma completion bash)
              zsh    plasma completion zsh > "${fpath[1]}/_plasma"
              fish   plasma completion fish > ~/.config/fish/completions/plasma.fish

            EXIT CODES
              0  printed
              1  not a shell that is known
            """)

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() async throws {
        let known: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Output.write(ObjectPrinter.terminated(Plasma.completionScript(for: known)))
    }
}
