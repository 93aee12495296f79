# The cluster plasma, as plasma rendered it; do not edit.
#
# `nixosConfigurations.<node>` is the system of each node, `nix build .#netboot` makes the installer that blank machines
# boot (`netboot/` beside the manifest is where a NetBoot looks for it). Make this directory a git repository before it is
# given to nix: `path:` would copy all of it into the store, which everybody may read, the secrets too.
{
  description = "plasma: the cluster plasma";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    disko.url = "github:nix-community/disko/v1.13.0";
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
        node01 = system ./node01;
        node02 = system ./node02;
        node03 = system ./node03;
      };
      packages.x86_64-linux.netboot =
        (nixpkgs.lib.nixosSystem {
          modules = [
            ./nix/installer.nix
            { nixpkgs.hostPlatform = "x86_64-linux"; }
          ];
        }).config.system.build.plasmaNetBoot;
    };
}
