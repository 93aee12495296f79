/// The NixOS modules of nix/, carried by the program so that it can write them without its source.
package enum ModuleFiles {
    package static let all: [(path: String, text: String)] = []
}
