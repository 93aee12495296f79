# plasma for NixOS: the modules of its services, the program as a package, and the installer that machines boot from the network.
#
# `plasma render -f … -o DIR` writes a flake of its own for a cluster and a copy of these modules beside it; this one is
# for those who write their systems by hand.
{
  description = "plasma: clusters of NixOS machines, as a manifest says";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      nixosModules.default = import ./modules;

      packages = nixpkgs.lib.genAttrs systems (system: {
        default = nixpkgs.legacyPackages.${system}.callPackage ./package.nix { };
        # The installer that blank machines boot from the network.
        netboot =
          (nixpkgs.lib.nixosSystem {
            modules = [
              ./installer.nix
              { nixpkgs.hostPlatform = system; }
            ];
          }).config.system.build.plasmaNetBoot;
      });
    };
}
