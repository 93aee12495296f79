/// The files that a cluster's NixOS systems are built from. The same description gives the same bytes.
package struct ClusterRendering: Sendable {
    package var description: ClusterDescription

    package init(description: ClusterDescription) { self.description = description }

    /// In the order of their paths: `flake.nix`, the NixOS modules below `nix/`, and of each node
    /// `configuration.nix`, `disko.nix` and `secrets/cluster-config.json`. The other secrets are the caller's to add
    /// (`NodeSecrets`).
    package func files() -> [RenderedFile] {
        var files = [RenderedFile("flake.nix", flake()), RenderedFile(".gitignore", ClusterRendering.ignored)]
        files += ModuleFiles.all.map { RenderedFile("nix/" + $0.path, $0.text) }
        for node in rendered { files += self.files(of: node) }
        return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    private var rendered: [NodeDescription] { description.nodes.filter(\.isRendered) }

    private func files(of node: NodeDescription) -> [RenderedFile] {
        let devices = NixValue.set(["disko": .set(["devices": node.devices])])
        return [
            RenderedFile(
                "\(node.name)/configuration.nix",
                "# Node \(node.name) of the cluster \(description.name), as plasma rendered it; do not edit.\n" + configuration(of: node).nix() + "\n"),
            RenderedFile(
                "\(node.name)/disko.nix",
                "# The disks of \(node.name), in disko's words, as plasma rendered them; do not edit.\n" + devices.nix() + "\n"),
            RenderedFile("\(node.name)/secrets/cluster-config.json", clusterConfig(of: node).json() + "\n"),
        ]
    }

    /// A flake that git knows is copied into Nix's store, which everybody may read, as far as git knows its files.
    private static let ignored = """
        # Secrets are copied to the nodes beside the system, never through Nix's store.
        /*/secrets/
        /.authority/
        /nix/bin/

        """

    private func flake() -> String {
        let systems = rendered.map { node in
            "        \(NixValue.written(name: node.name)) = system \(NixValue.path("./" + node.name).nix());\n"
        }
        // Names of clusters and URLs are data; everything else here is fixed text.
        return """
            # The cluster \(description.name), as plasma rendered it; do not edit.
            #
            # `nixosConfigurations.<node>` is the system of each node, `nix build .#netboot` makes the installer that blank machines
            # boot (`netboot/` beside the manifest is where a NetBoot looks for it). Make this directory a git repository before it is
            # given to nix: `path:` would copy all of it into the store, which everybody may read, the secrets too.
            {
              description = \(NixValue.quoted("plasma: the cluster \(description.name)"));

              inputs = {
                nixpkgs.url = \(NixValue.quoted(description.inputs.nixpkgs));
                disko.url = \(NixValue.quoted(description.inputs.disko));
                disko.inputs.nixpkgs.follows = "nixpkgs";
              };

              outputs =
                { nixpkgs, disko, ... }:
                let
                  system =
                    node:
                    nixpkgs.lib.nixosSystem {
                      modules = [
                        disko.nixosModules.disko
                        ./nix/modules
                        (node + "/configuration.nix")
                        (node + "/disko.nix")
                      ];
                    };
                in
                {
                  nixosConfigurations = {
            \(systems.joined())      };
                  packages.x86_64-linux.netboot =
                    (nixpkgs.lib.nixosSystem {
                      modules = [
                        ./nix/installer.nix
                        { nixpkgs.hostPlatform = "x86_64-linux"; }
                      ];
                    }).config.system.build.plasmaNetBoot;
                };
            }

            """
    }
}
