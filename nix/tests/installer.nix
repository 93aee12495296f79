# The texts of `nix/installer.nix` that are run, so that hack/test-nix can run them.
let
  lib = import ./lib.nix;
  config =
    (lib.evalModules {
      modules = [
        ./nixos.nix
        ../installer.nix
      ];
      specialArgs = {
        pkgs = import ./pkgs.nix;
        modulesPath = toString ./nixpkgs;
      };
    }).config;
in
{
  inherit (config.systemd.services.plasma-installer) script;
  keys = config.services.openssh.authorizedKeysFiles;
  image = config.system.build.plasmaNetBoot.text;
}
