# The units and users that the NixOS modules of a rendered flake make of one of its nodes, as data: what the lab's installer gives
# its Debian nodes, so that the modules' units are run by a real systemd. Programs of nixpkgs are only names here, and a script is
# its own text between marks.
#
#   flake  the rendered directory, an absolute path
#   node   a node of it
{ flake, node }:
let
  lib = import ../../nix/tests/lib.nix;
  pkgs = import ../../nix/tests/pkgs.nix // {
    writeShellScript = name: text: {
      inherit name;
      type = "derivation";
      outPath = "@script ${name}\n${text}@end";
    };
  };
  inherit
    (lib.evalModules {
      modules = [
        ../../nix/tests/nixos.nix
        (flake + "/nix/modules")
        (flake + "/${node}/configuration.nix")
      ];
      specialArgs = { inherit pkgs; };
    })
    config
    ;
in
{
  inherit (config.systemd) paths services;
  users = builtins.attrNames (lib.filterAttrs (_: user: user.isSystemUser or false) config.users.users);
}
